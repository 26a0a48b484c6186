"""Notes after they were written: corrected by whoever wrote them, taken back with a trace, pinned for everybody.

A note is its event on the timeline, and the only event whose words may change: what it said before stays in it
(`earlier`: [{"text", "at", "user_id", "by"}]), and one that is taken back keeps who did it and when (`gone`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.origin import PANEL, By, event_by
from panel.contacts.values import clean_free
from panel.errors import UserError
from panel.i18n import N_
from panel.staff.models import User
from panel.timeline.models import Event
from panel.timeline.operations import record_many


def find_note(session: Session, contact_ids: Collection[int], event_id: int, *, lock: bool = False) -> Event:
    """One note of a contact (or of a card merged into it). Raises UserError when there is none."""
    query = select(Event).where(Event.id == event_id, Event.contact_id.in_(contact_ids), Event.kind == "note_added")
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = session.scalars(query).first()
    if found is None:
        raise UserError("note_unknown", N_("There is no such note."))
    return found


def change_note(
    session: Session,
    contact_ids: Collection[int],
    event_id: int,
    text: str,
    *,
    by: By = PANEL,
    may_all: bool = False,
    now: datetime | None = None,
) -> bool:
    """Correct one's own note (`may_all`: anybody's). False when it says so already."""
    note = _own(session, contact_ids, event_id, by, may_all)
    cleaned = clean_free(text)
    if not cleaned:
        raise UserError("note_empty", N_("The note is empty"))
    if note.data.get("gone"):
        raise UserError("note_gone", N_("This note was taken back; bring it back before changing it."))
    if note.data.get("text") == cleaned:
        return False
    before = _trace(session, by, now) | {"text": note.data.get("text", "")}
    note.data = {**note.data, "text": cleaned, "earlier": [*note.data.get("earlier", []), before]}
    # A line of its own, where everybody reads on: a note far below must not change unseen.
    said = {"earlier_text": before["text"], "note_id": note.id}
    record_many(session, [event_by(by, note.contact_id, "note_changed", now or clock.now(), said)])
    session.flush()
    return True


def take_back(
    session: Session,
    contact_ids: Collection[int],
    event_id: int,
    *,
    by: By = PANEL,
    may_all: bool = False,
    now: datetime | None = None,
) -> bool:
    """Take one's own note back (`may_all`: anybody's): it is not read any more, its line stays. False: it is gone."""
    note = _own(session, contact_ids, event_id, by, may_all)
    if note.data.get("gone"):
        return False
    note.data = {
        **{key: value for key, value in note.data.items() if key != "pinned"},
        "gone": _trace(session, by, now),
    }
    session.flush()
    return True


def bring_back(
    session: Session, contact_ids: Collection[int], event_id: int, *, by: By = PANEL, may_all: bool = False
) -> bool:
    """Undo `take_back`. False when it was not taken back."""
    note = _own(session, contact_ids, event_id, by, may_all)
    if not note.data.get("gone"):
        return False
    note.data = {key: value for key, value in note.data.items() if key != "gone"}
    session.flush()
    return True


def pin_note(session: Session, contact_ids: Collection[int], event_id: int, pinned: bool) -> bool:
    """Keep a note in sight beside the timeline, or let it go. False when it is so already."""
    note = find_note(session, contact_ids, event_id, lock=True)
    if bool(note.data.get("pinned")) == pinned or (pinned and note.data.get("gone")):
        return False
    rest: dict[str, Any] = {key: value for key, value in note.data.items() if key != "pinned"}
    note.data = {**rest, "pinned": True} if pinned else rest
    session.flush()
    return True


def _own(session: Session, contact_ids: Collection[int], event_id: int, by: By, may_all: bool) -> Event:
    note = find_note(session, contact_ids, event_id, lock=True)
    if not may_all and (by.user_id is None or note.user_id != by.user_id):
        raise UserError("note_of_another", N_("Only who wrote a note can change it or take it back."))
    return note


def _trace(session: Session, by: By, now: datetime | None) -> dict[str, Any]:
    name = session.scalar(select(User.name).where(User.id == by.user_id)) if by.user_id else ""
    return {"at": (now or clock.now()).isoformat(), "user_id": by.user_id, "by": name or ""}
