"""The right to be forgotten: a contact's personal data goes, the fact that something happened stays."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts import queries
from panel.contacts.models import Contact, ContactAddress, ContactMerge, ContactTag, FieldValue, ListMember
from panel.contacts.origin import PANEL, By, event_by
from panel.contacts.sets import among
from panel.staff.notices import forget_notices
from panel.timeline.models import Event
from panel.timeline.operations import record_many
from panel.timeline.registry import types

CHUNK = 500
# What other features know about contacts and must forget with them, in the same transaction.
also_forgets: set[Callable[[Session, Collection[int], datetime], None]] = set()


def erase(session: Session, contact_id: int, *, by: By = PANEL, now: datetime | None = None) -> bool:
    """Erase a contact and everything merged into it; False when it is erased already.

    Names, addresses, values, lists, tags and what colleagues were told go; events lose the values that their type
    declares as personal, and all values when their type is not known here any more. Blocks on addresses stay, so that
    an import cannot bring the person back by mistake.
    """
    at = now or clock.now()
    contact_id = queries.canonical(session, contact_id)
    ids = queries.aliases(session, contact_id)
    contact = session.get(Contact, contact_id)
    if contact is None or contact.erased_at is not None:
        return False
    for model in (ContactAddress, FieldValue, ListMember, ContactTag):
        session.execute(delete(model).where(among(session, model.contact_id, ids)))
    blank = {"name": "", "first_name": "", "last_name": "", "company": "", "language": None, "time_zone": None}
    session.execute(
        update(Contact)
        .where(among(session, Contact.id, ids))
        .values(**blank, owner_id=None, reference=None, search_text="", erased_at=at, updated_at=at)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(ContactMerge)
        .where(among(session, ContactMerge.merged_id, ids))
        .values(before={})
        .execution_options(synchronize_session=False)
    )
    for id_ in ids:
        _erase_events(session, id_)
    forget_notices(session, ids)
    for forget in also_forgets:
        forget(session, ids, at)
    session.expire_all()
    record_many(session, [event_by(by, contact_id, "contact_erased", at, {})])
    return True


def _erase_events(session: Session, contact_id: int) -> None:
    last = 0
    while True:
        rows = session.execute(
            select(Event.id, Event.occurred_at, Event.kind, Event.data)
            .where(Event.contact_id == contact_id, Event.id > last)
            .order_by(Event.id)
            .limit(CHUNK)
        ).all()
        for id_, occurred_at, kind, data in rows:
            kept = _without_personal(kind, data)
            if kept != data:
                session.execute(
                    update(Event)
                    .where(Event.contact_id == contact_id, Event.occurred_at == occurred_at, Event.id == id_)
                    .values(data=kept)
                    .execution_options(synchronize_session=False)
                )
        if len(rows) < CHUNK:
            return
        last = rows[-1][0]


def _without_personal(kind: str, data: dict[str, object]) -> dict[str, object]:
    known = types.get(kind)
    if known is None:
        return {}
    if known.erase == "keep":
        return data
    open_names = {field.name for field in known.fields if not field.personal}
    # What a type does not declare may be anything; only ids of our own rows are certainly not personal.
    return {name: value for name, value in data.items() if name in open_names or name in ("list_id", "tag_id")}
