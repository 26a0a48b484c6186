"""Writes about consent and blocks. Each records on the timeline, in the caller's transaction; none commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel import clock
from panel.consent import rules
from panel.consent.models import Consent, Rest, Suppression
from panel.consent.queries import ALL_CHANNELS
from panel.contacts.addresses import suppression_key
from panel.contacts.erasing import erase
from panel.contacts.models import ContactAddress
from panel.contacts.origin import PANEL, Authors, By, event_by
from panel.contacts.queries import aliases, by_address, canonical, lock
from panel.contacts.sets import among
from panel.db import connection_of
from panel.errors import UserError
from panel.i18n import N_
from panel.timeline.operations import record_many

# A bounce is a fact about one exact mailbox; every other block is meant for the person behind it.
_EXACT = frozenset({rules.Suppressed.HARD_BOUNCE})
ERASED = "erased"  # the source of a block that keeps an erased person from coming back


def opt_in(
    session: Session,
    contact_id: int,
    channel: str,
    *,
    how: str,
    wording: str = "",
    source: str = "",
    proof: Mapping[str, Any] | None = None,
    now: datetime | None = None,
    user_id: int | None = None,
    by: By = PANEL,
) -> bool:
    """Note that a contact agreed to a channel, with its proof (how, wording, where). False when nothing changed.

    `how` is form | one_click | preference_page | reply | by_hand | import | api ... An import or API call does not
    take back a refusal. The person's own new consent lifts the "unsubscribed" block of the contact's addresses.
    """
    changed = opt_in_many(
        session, {contact_id: proof or {}}, channel, how=how, wording=wording, source=source, now=now,
        by=_author(by, user_id),
    )  # fmt: skip
    return bool(changed)


def opt_in_many(
    session: Session,
    proofs: Mapping[int, Mapping[str, Any]],
    channel: str,
    *,
    how: str,
    wording: str = "",
    source: str = "",
    at: datetime | None = None,
    now: datetime | None = None,
    by: Authors = PANEL,
) -> list[int]:
    """Many contacts agreed: {contact: proof}. Returns those for whom it changed something.

    `at` is when they agreed, if that was earlier than now (an import says so). Nobody who refused is changed by an
    import.
    """
    moment = now or clock.now()
    decided_at = min(at or moment, moment)
    lock(session, proofs.keys())  # two clicks on one link at the same moment
    known = _current(session, proofs.keys(), channel)
    changed = [
        contact_id
        for contact_id in proofs
        if (before := known.get(contact_id)) is None
        or (before.state != rules.OPTED_IN and rules.may_replace(before, rules.OPTED_IN, how))
    ]
    if not changed:
        return []
    _store(session, changed, channel, rules.OPTED_IN, how, wording, source, proofs, decided_at)
    if how not in rules.REPORTED:
        _lift_unsubscribed(session, changed, channel, moment)
    data = {"channel": channel, "how": how, "wording": wording}
    record_many(session, [event_by(by, contact_id, "consent_given", moment, data) for contact_id in changed])
    return changed


def opt_out(
    session: Session,
    contact_id: int,
    channel: str,
    *,
    how: str,
    wording: str = "",
    source: str = "",
    proof: Mapping[str, Any] | None = None,
    now: datetime | None = None,
    user_id: int | None = None,
    by: By = PANEL,
    address: str | None = None,
) -> bool:
    """Note that a contact refuses a channel. False when it refused already.

    `address`, when known, is blocked for marketing as well, so that another card with the same address, or an import
    of it, is not written to either.
    """
    moment = now or clock.now()
    author = _author(by, user_id)
    lock(session, [contact_id])
    if address:
        suppress(session, channel, address, rules.Suppressed.UNSUBSCRIBED, contact_id=contact_id, source=source,
                 now=moment, by=author, silent=True)  # fmt: skip
    known = _current(session, [contact_id], channel).get(contact_id)
    if known is not None and known.state == rules.OPTED_OUT:
        return False
    _store(session, [contact_id], channel, rules.OPTED_OUT, how, wording, source, {contact_id: proof or {}}, moment)
    data = {"channel": channel, "how": how, "wording": wording}
    record_many(session, [event_by(author, contact_id, "opted_out", moment, data)])
    return True


def suppress(
    session: Session,
    channel: str,
    address: str,
    reason: str,
    *,
    contact_id: int | None = None,
    source: str = "",
    note: str = "",
    now: datetime | None = None,
    by: By = PANEL,
    silent: bool = False,
) -> bool:
    """Block a normalised address on a channel ("*": on every one). False when it is blocked as strongly already.

    `reason` is one of `rules.Suppressed`; a stronger reason replaces a weaker one. Recorded for `contact_id`, or for
    every contact with that address. `silent` records nothing (the caller records something that says more).
    """
    reason = rules.Suppressed(reason).value
    moment = now or clock.now()
    key = address if reason in _EXACT else suppression_key(address)
    dialect = postgresql if connection_of(session).dialect.name == "postgresql" else sqlite
    row = {
        "channel": channel, "address": key, "reason": reason, "contact_id": contact_id, "source": source[:200],
        "note": note, "at": moment,
    }  # fmt: skip
    fresh = session.execute(
        dialect.insert(Suppression).values(**row).on_conflict_do_nothing().returning(Suppression.id)
    ).scalar()
    if fresh is None:
        active = session.execute(
            select(Suppression.id, Suppression.reason).where(
                Suppression.address == key, Suppression.channel == channel, Suppression.lifted_at.is_(None)
            )
        ).first()
        if active is None or rules.strongest([reason, active[1]]) == active[1]:
            return False
        session.execute(update(Suppression).where(Suppression.id == active[0]).values(**row))
    if not silent:
        data = {"address": address, "channel": channel, "reason": reason}
        record_many(
            session,
            [event_by(by, id_, "address_suppressed", moment, data) for id_ in _owners(session, address, contact_id)],
        )
    return True


def lift(
    session: Session,
    channel: str,
    address: str,
    *,
    note: str = "",
    now: datetime | None = None,
    by: By = PANEL,
) -> bool:
    """Take the block off an address; False when there is none. A spam complaint cannot be lifted here."""
    moment = now or clock.now()
    rows = session.execute(
        select(Suppression.id, Suppression.reason, Suppression.contact_id, Suppression.source).where(
            Suppression.address.in_({address, suppression_key(address)}),
            Suppression.channel == channel,
            Suppression.lifted_at.is_(None),
        )
    ).all()
    if any(reason == rules.Suppressed.COMPLAINED for _, reason, _, _ in rows):
        raise UserError(
            "complaint_stays",
            N_("This person reported a message as spam; the address stays blocked"),
            address=address,
        )
    if any(reason == rules.Suppressed.LEGAL and source == ERASED for _, reason, _, source in rows):
        raise UserError(
            "erased_stays",
            N_("The person behind this address asked to be erased; the address stays blocked"),
            address=address,
        )
    if not rows:
        return False
    session.execute(
        update(Suppression)
        .where(Suppression.id.in_([id_ for id_, *_ in rows]))
        .values(lifted_at=moment, **({"note": note} if note else {}))
        .execution_options(synchronize_session=False)
    )
    data = {"address": address, "channel": channel}
    known = next((contact_id for _, _, contact_id, _ in rows if contact_id), None)
    record_many(
        session, [event_by(by, id_, "suppression_lifted", moment, data) for id_ in _owners(session, address, known)]
    )
    return True


def erase_contact(session: Session, contact_id: int, *, by: By = PANEL, now: datetime | None = None) -> bool:
    """Erase a contact with all that was merged into it; False when it is erased already.

    Besides what `contacts.operations.erase` does, the proofs of consent are emptied, and the addresses are blocked on
    every channel: when an import brings the person back by mistake, nothing is sent.
    """
    contact_id = canonical(session, contact_id)
    ids = aliases(session, contact_id)
    addresses = session.scalars(
        select(ContactAddress.value).where(
            among(session, ContactAddress.contact_id, ids), ContactAddress.kind.in_(("email", "phone"))
        )
    ).all()
    if not erase(session, contact_id, by=by, now=now):
        return False
    for address in addresses:
        suppress(session, ALL_CHANNELS, address, rules.Suppressed.LEGAL, source=ERASED, now=now, by=by, silent=True)
    forget(session, contact_id)
    return True


def forget(session: Session, contact_id: int) -> None:
    """Empty the personal parts of a contact's consent proofs (part of erasing); the decisions stay."""
    ids = aliases(session, contact_id)
    session.execute(
        update(Consent)
        .where(among(session, Consent.contact_id, ids))
        .values(proof={}, source="")
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Suppression)
        .where(among(session, Suppression.contact_id, ids))
        .values(contact_id=None, note="")
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(Rest)
        .where(among(session, Rest.contact_id, ids))
        .values(reason="")
        .execution_options(synchronize_session=False)
    )


def _current(session: Session, contact_ids: Collection[int], channel: str) -> dict[int, rules.Decision]:
    rows = session.execute(
        select(Consent.contact_id, Consent.state, Consent.how, Consent.at).where(
            among(session, Consent.contact_id, contact_ids), Consent.channel == channel, Consent.is_current
        )
    )
    return {contact_id: rules.Decision(state, how, at) for contact_id, state, how, at in rows}


def _store(
    session: Session,
    contact_ids: Collection[int],
    channel: str,
    state: str,
    how: str,
    wording: str,
    source: str,
    proofs: Mapping[int, Mapping[str, Any]],
    at: datetime,
) -> None:
    session.execute(
        update(Consent)
        .where(among(session, Consent.contact_id, contact_ids), Consent.channel == channel, Consent.is_current)
        .values(is_current=False)
        .execution_options(synchronize_session=False)
    )
    connection_of(session).execute(
        insert(Consent),
        [
            {
                "contact_id": contact_id, "channel": channel, "state": state, "how": how, "wording": wording,
                "source": source[:200], "proof": dict(proofs[contact_id]), "at": at, "is_current": True,
            }
            for contact_id in contact_ids
        ],
    )  # fmt: skip


def _lift_unsubscribed(session: Session, contact_ids: Collection[int], channel: str, at: datetime) -> None:
    values = session.scalars(select(ContactAddress.value).where(among(session, ContactAddress.contact_id, contact_ids)))
    keys = sorted({suppression_key(value) for value in values})
    if keys:
        session.execute(
            update(Suppression)
            .where(
                among(session, Suppression.address, keys),
                Suppression.channel == channel,
                Suppression.reason == rules.Suppressed.UNSUBSCRIBED,
                Suppression.lifted_at.is_(None),
            )
            .values(lifted_at=at)
            .execution_options(synchronize_session=False)
        )


def _owners(session: Session, address: str, contact_id: int | None) -> list[int]:
    if contact_id is not None:
        return [contact_id]
    return by_address(session, "email" if "@" in address else "phone", address)


def _author(by: By, user_id: int | None) -> By:
    return by if user_id is None else By(by.source, user_id, by.enrolment_id, by.depth, by.starts_journeys)
