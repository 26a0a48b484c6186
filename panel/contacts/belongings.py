"""What goes along when two cards become one, and comes back when they are parted: rows that name a contact.

The tables stand here by name: contacts lie beneath the features that own them. What takes more than another contact id
(runs of journeys, consent) is done by the feature itself, see `contacts.merging.also_merges`. A test asks that every
table with a contact_id is named here or is known to stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, and_, column, exists, or_, table, update
from sqlalchemy.orm import Session

from panel.contacts.sets import among
from panel.db import connection_of


@dataclass(frozen=True)
class Moved:
    """A table whose rows take the kept contact's id. A row stays when the kept one has another with the same `unless`.

    `one_open`: the column that is empty in the one row that is in force; of two such the kept contact's holds.
    `follows`: columns by which rows made after the merge belong to what goes back with it: (column, table it names).
    """

    table: str
    unless: tuple[str, ...] = ()
    one_open: str | None = None
    follows: tuple[tuple[str, str], ...] = ()


# In this order on the way there and back: what a row follows comes before it.
MOVED = (
    Moved("messages", follows=(("enrolment_id", "enrolments"),)),
    Moved("tasks", follows=(("enrolment_id", "enrolments"),)),
    Moved("entry_checks", unless=("journey_id", "outcome", "day")),
    Moved("plugin_records"),
    Moved("rests", one_open="ended_at"),
    Moved("channel_pins", one_open="ended_at"),
    Moved("events", follows=(("enrolment_id", "enrolments"), ("message_id", "messages"))),
)
# They name the message or the run that they are about, and that is how they are found; or they are nobody's history.
STAYS = frozenset({"tracking_hits", "imported_contacts", "notices", "suppressions", "presences"})


def _table(name: str, *more: str) -> Any:
    return table(
        name, column("id", BigInteger), column("contact_id", BigInteger), *(column(one, BigInteger) for one in more)
    )


def move(session: Session, kept_id: int, merged_id: int) -> dict[str, list[int]]:
    """Give the kept contact the rows of the other; the ids that moved, by table."""
    moved = {}
    for one in MOVED:
        mine = _table(one.table, *one.unless, *((one.one_open,) if one.one_open else ()))
        wanted = mine.c.contact_id == merged_id
        if one.unless:
            other = mine.alias("other")
            same = and_(*(other.c[name] == mine.c[name] for name in one.unless))
            wanted = and_(wanted, ~exists().where(other.c.contact_id == kept_id, same).correlate(mine))
        if one.one_open:
            in_force = _table(one.table, one.one_open).alias("in_force")
            taken = exists().where(in_force.c.contact_id == kept_id, in_force.c[one.one_open].is_(None))
            wanted = and_(wanted, or_(mine.c[one.one_open].is_not(None), ~taken))
        statement = update(mine).where(wanted).values(contact_id=kept_id).returning(mine.c.id)
        moved[one.table] = sorted(connection_of(session).execute(statement).scalars())
    return moved


def give_back(
    session: Session, kept_id: int, merged_id: int, moved: Mapping[str, Sequence[int]], runs: Sequence[int]
) -> None:
    """Undo `move`. What was made since for the `runs` and messages that go back goes back as well.

    A row stays where the other card has got one of the same by now: whoever wrote it had not seen the merge yet.
    """
    belongs: dict[str, Sequence[int]] = {**moved, "enrolments": runs}
    for one in MOVED:
        mine = _table(one.table, *(name for name, _ in one.follows), *one.unless)
        ids = belongs.get(one.table, ())
        wanted = [among(session, mine.c.id, ids)] if ids else []
        wanted += [among(session, mine.c[name], belongs[of]) for name, of in one.follows if belongs.get(of)]
        if not wanted:
            continue
        which = [mine.c.contact_id == kept_id, or_(*wanted)]
        if one.unless:
            other = mine.alias("other")
            same = and_(*(other.c[name] == mine.c[name] for name in one.unless))
            which.append(~exists().where(other.c.contact_id == merged_id, same).correlate(mine))
        statement = update(mine).where(*which).values(contact_id=merged_id).returning(mine.c.id)
        back = connection_of(session).execute(statement).scalars()
        belongs[one.table] = sorted({*ids, *back})
