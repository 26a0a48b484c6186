"""Consent in a merge: both histories on one card, and of two answers about a channel the stricter one counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel.consent import rules
from panel.consent.models import Consent, Rest
from panel.consent.resting import EVERYTHING, MARKETING
from panel.contacts.merging import Merging
from panel.contacts.sets import among


class ConsentPart:
    name = "consent"

    def merge(self, session: Session, merging: Merging) -> dict[str, Any]:
        kept_id, merged_id = merging.kept_id, merging.merged_id
        current: dict[str, dict[int, Consent]] = {}
        for one in session.scalars(
            select(Consent).where(Consent.contact_id.in_((kept_id, merged_id)), Consent.is_current)
        ):
            current.setdefault(one.channel, {})[one.contact_id] = one
        mine = {channel: two[kept_id].id for channel, two in current.items() if kept_id in two}
        other = {channel: two[merged_id].id for channel, two in current.items() if merged_id in two}
        for two in current.values():
            if len(two) == 2:
                stricter_first(two[kept_id], two[merged_id])[1].is_current = False
        session.flush()
        moved = list(session.scalars(select(Consent.id).where(Consent.contact_id == merged_id).order_by(Consent.id)))
        _give(session, moved, kept_id)
        return {"moved": moved, "kept": mine, "merged": other, "rest": _longer_rest(session, kept_id, merged_id)}

    def part(self, session: Session, merging: Merging, before: Mapping[str, Any]) -> None:
        """Each has its own answers again. A refusal that came after the merge holds for both: nobody knows of which of
        the two it was said."""
        kept_id, merged_id = merging.kept_id, merging.merged_id
        now = list(
            session.scalars(select(Consent).where(Consent.contact_id.in_((kept_id, merged_id)), Consent.is_current))
        )
        old = {*before["kept"].values(), *before["merged"].values()}
        since = {one.channel: one for one in now if one.id not in old and one.contact_id == kept_id}
        # Given to the merged one by somebody who had not seen the merge yet.
        unseen = {one.channel for one in now if one.id not in old and one.contact_id == merged_id}
        for one in now:
            if one.id in old:
                one.is_current = False
        session.flush()
        _give(session, before["moved"], merged_id)
        again = [id_ for channel, id_ in before["merged"].items() if channel not in unseen]
        again += [id_ for channel, id_ in before["kept"].items() if channel not in since]
        session.execute(
            update(Consent)
            .where(among(session, Consent.id, again))
            .values(is_current=True)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        if rest := before["rest"]:
            session.execute(
                update(Rest)
                .where(Rest.id == rest["id"], Rest.contact_id == kept_id)
                .values(until=datetime.fromisoformat(rest["until"]), scope=rest["scope"])
                .execution_options(synchronize_session=False)
            )
        for channel, refusal in since.items():
            if refusal.state == rules.OPTED_OUT:
                self._refuse(session, merged_id, channel, refusal)

    def settle(self, session: Session, merging: Merging) -> None:
        pass

    def _refuse(self, session: Session, contact_id: int, channel: str, refusal: Consent) -> None:
        have = session.scalars(
            select(Consent).where(Consent.contact_id == contact_id, Consent.channel == channel, Consent.is_current)
        ).first()
        if have is not None and have.state == rules.OPTED_OUT:
            return
        if have is not None:
            have.is_current = False
            session.flush()
        copied = {name: getattr(refusal, name) for name in ("channel", "state", "how", "wording", "source", "at")}
        session.add(Consent(contact_id=contact_id, proof=dict(refusal.proof or {}), is_current=True, **copied))
        session.flush()


def stricter_first(one: Consent, other: Consent) -> tuple[Consent, Consent]:
    """Which of two answers about a channel counts for the person who gave both: the refusal, else the newer."""
    both = sorted((one, other), key=lambda answer: answer.at, reverse=True)
    both.sort(key=lambda answer: answer.state != rules.OPTED_OUT)
    return both[0], both[1]


def _longer_rest(session: Session, kept_id: int, merged_id: int) -> dict[str, Any] | None:
    """Both are at rest: the kept contact rests as long, and from as much, as either of them. What its rest was."""
    rests = {
        one.contact_id: one
        for one in session.scalars(
            select(Rest).where(Rest.contact_id.in_((kept_id, merged_id)), Rest.ended_at.is_(None))
        )
    }
    if len(rests) < 2:
        return None
    kept, merged = rests[kept_id], rests[merged_id]
    before = {"id": kept.id, "until": kept.until.isoformat(), "scope": kept.scope}
    kept.until = max(kept.until, merged.until)
    kept.scope = EVERYTHING if EVERYTHING in (kept.scope, merged.scope) else MARKETING
    session.flush()
    return before


def _give(session: Session, ids: list[int], contact_id: int) -> None:
    session.execute(
        update(Consent)
        .where(among(session, Consent.id, ids))
        .values(contact_id=contact_id)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
