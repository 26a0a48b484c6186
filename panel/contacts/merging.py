"""Two cards of one person become one: the merged contact's history is put on the kept one, and can be given back.

The merged contact stays as an alias (`merged_into_id`), so that whoever knows its number or a link to it still arrives.
Everything that is changed is written down in the merge's own row (`ContactMerge.before`): the undo reads nothing else,
and erasing the contact empties it. A merge starts nothing: no journey begins because of it, and no message goes twice
(see `journeys.merging`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts import belongings, combining, queries
from panel.contacts.bulk import refresh_search
from panel.contacts.models import Contact, ContactMerge, ContactTag, ListMember
from panel.contacts.origin import PANEL, By, event_by
from panel.errors import UserError
from panel.i18n import N_
from panel.timeline.operations import record_many

UNDO_WITHIN = timedelta(days=30)


@dataclass(frozen=True)
class Merging:
    """What is being merged (or parted), when and by whom."""

    kept_id: int
    merged_id: int
    at: datetime
    by: By


class Part(Protocol):
    """A feature's own share in a merge. `merge` returns what `part` needs to put everything back (as JSON)."""

    name: str

    def merge(self, session: Session, merging: Merging) -> dict[str, Any]: ...

    def part(self, session: Session, merging: Merging, before: Mapping[str, Any]) -> None: ...

    def settle(self, session: Session, merging: Merging) -> None:
        """Called last, on the way there and back, when all rows are where they belong."""


# In the order in which the features were loaded; each puts its share here.
also_merges: list[Part] = []


def merge(
    session: Session,
    kept_id: int,
    merged_id: int,
    *,
    take: Sequence[str] = (),
    by: By = PANEL,
    now: datetime | None = None,
) -> bool:
    """Merge one contact into another; False when they are one already.

    The kept one gains what it lacked, and the values of the fields in `take` (identities) come from the other even
    where the kept one has its own. Undone by `unmerge` within 30 days.
    """
    at = now or clock.now()
    # Both are locked before anything is read: of two people who merge them at the same moment the second finds it done.
    queries.lock(session, {kept_id, merged_id}, referable=True)
    kept_id, merged_id = queries.canonical(session, kept_id), queries.canonical(session, merged_id)
    if kept_id == merged_id:
        return False
    queries.lock(session, {kept_id, merged_id}, referable=True)  # those that are shown now, if one was an alias
    kept, merged = _both(session, kept_id, merged_id)
    merging = Merging(kept_id, merged_id, at, by)
    name = _name(session, merged_id)
    before: dict[str, Any] = {"name": name}
    before["parts"] = {one.name: one.merge(session, merging) for one in also_merges}
    before["moved"] = belongings.move(session, kept_id, merged_id)
    before["details"] = combining.take_details(session, kept, merged, take)
    before["addresses"] = combining.take_addresses(session, kept, merged)
    before["values"] = combining.take_values(session, kept_id, merged_id, take)
    before["lists"] = combining.take_memberships(session, ListMember, kept_id, merged_id)
    before["tags"] = combining.take_memberships(session, ContactTag, kept_id, merged_id)
    before["below"] = _repoint(session, select(Contact.id).where(Contact.merged_into_id == merged_id), kept_id)
    merged.merged_into_id = kept_id
    merged.updated_at = kept.updated_at = at
    session.add(ContactMerge(kept_id=kept_id, merged_id=merged_id, before=before, at=at, user_id=by.user_id))
    session.flush()
    session.expire(kept)
    session.expire(merged)
    refresh_search(session, [kept_id])
    _record(session, "contact_merged", kept_id, merged_id, name, merging)
    for one in also_merges:
        one.settle(session, merging)
    return True


def unmerge(session: Session, merged_id: int, *, by: By = PANEL, now: datetime | None = None) -> bool:
    """Undo the merge of this contact; False when it is not merged. Refused after 30 days, while the kept contact is
    itself merged into another, and before a later merge into it is undone.

    What the kept contact gained by the merge goes back; what either of them got since stays where it is, except that
    what was done since in a run that goes back goes with it.
    """
    at = now or clock.now()
    found = active_merge(session, merged_id)
    if found is None:
        return False
    queries.lock(session, {found.kept_id, merged_id}, referable=True)
    session.refresh(found)
    if found.undone_at is not None:
        return False
    if why := why_not_undo(session, found, at):
        raise why
    kept, merged = _both(session, found.kept_id, merged_id, parting=True)
    before, merging = found.before, Merging(kept.id, merged_id, at, by)
    merged.merged_into_id = None
    merged.updated_at = kept.updated_at = at
    found.undone_at = at
    session.flush()
    runs = [run["id"] for run in before["parts"].get("journeys", {}).get("runs", ())]
    belongings.give_back(session, kept.id, merged_id, before["moved"], runs)
    for one in reversed(also_merges):
        if one.name in before["parts"]:
            one.part(session, merging, before["parts"][one.name])
    combining.return_memberships(session, ContactTag, kept.id, merged_id, before["tags"])
    combining.return_memberships(session, ListMember, kept.id, merged_id, before["lists"])
    combining.return_values(session, kept.id, before["values"])
    combining.return_addresses(session, kept.id, merged_id, before["addresses"])
    combining.return_details(session, kept, merged, before["details"])
    _repoint(
        session,
        select(Contact.id).where(Contact.id.in_(before["below"]), Contact.merged_into_id == kept.id),
        merged_id,
    )
    session.flush()
    session.expire(kept)
    session.expire(merged)
    refresh_search(session, [kept.id, merged_id])
    for contact_id, other in ((kept.id, merged_id), (merged_id, kept.id)):
        _record(session, "contact_unmerged", contact_id, other, _name(session, other), merging)
    for one in also_merges:
        one.settle(session, merging)
    return True


def active_merge(session: Session, merged_id: int) -> ContactMerge | None:
    """The merge that made this contact an alias; None when it is none."""
    return session.scalars(
        select(ContactMerge).where(ContactMerge.merged_id == merged_id, ContactMerge.undone_at.is_(None))
    ).first()


def _later_merge(session: Session, merge: ContactMerge) -> ContactMerge | None:
    """The newest merge into the same contact that came after this one and was not undone. It took down what the contact
    had by then, also what this one had brought: put back in another order, one would give away what the other kept."""
    return session.scalars(
        select(ContactMerge)
        .where(ContactMerge.kept_id == merge.kept_id, ContactMerge.undone_at.is_(None), ContactMerge.id > merge.id)
        .order_by(ContactMerge.id.desc())
        .limit(1)
    ).first()


def why_not_undo(session: Session, merge: ContactMerge, now: datetime) -> UserError | None:
    """Why this merge cannot be undone now, or None."""
    if now - merge.at > UNDO_WITHIN:
        return UserError("merge_too_old", N_("A merge can be undone within 30 days; this one is older"))
    if session.scalar(select(Contact.merged_into_id).where(Contact.id == merge.kept_id)) is not None:
        return UserError(
            "merge_not_the_last",
            N_("The contact was merged once more since. Undo that merge first, then this one."),
        )
    if later := _later_merge(session, merge):
        return UserError(
            "merge_before_another",
            N_("Since then the card of %(name)s was merged in too. Undo that merge first, then this one."),
            name=later.before.get("name", ""),
        )
    if "moved" not in merge.before:
        return UserError("merge_forgotten", N_("What this merge changed is not known any more, so it stays."))
    return None


def _both(session: Session, kept_id: int, merged_id: int, *, parting: bool = False) -> tuple[Contact, Contact]:
    found = {
        one.id: one
        for one in session.scalars(
            select(Contact).where(Contact.id.in_((kept_id, merged_id))).execution_options(populate_existing=True)
        )
    }
    if len(found) < 2 or any(one.erased_at is not None for one in found.values()):
        raise UserError("contact_unknown", N_("There is no such contact"))
    return found[kept_id], found[merged_id]


def _repoint(session: Session, which: Select[Any], to: int) -> list[int]:
    """Aliases name the contact that is shown directly: whoever follows one step arrives."""
    ids: list[int] = list(session.scalars(which.order_by(Contact.id)))
    if ids:
        session.execute(update(Contact).where(Contact.id.in_(ids)).values(merged_into_id=to))
    return ids


def _record(session: Session, kind: str, contact_id: int, other_id: int, name: str, merging: Merging) -> None:
    data = {"name": name, "contact_id": other_id}
    # History only: becoming one, or two again, is no reason to begin anything.
    by = By(merging.by.source, merging.by.user_id, merging.by.enrolment_id, merging.by.depth, starts_journeys=False)
    record_many(session, [event_by(by, contact_id, kind, merging.at, data)])


def _name(session: Session, contact_id: int) -> str:
    return queries.names_of(session, [contact_id]).get(contact_id) or f"#{contact_id}"
