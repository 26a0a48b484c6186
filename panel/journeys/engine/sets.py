"""Conditions over a whole set of contacts, as one SQL statement: for whom does it hold at `now`?

`conditions.judge` is the other half, and both always give the same answer. What SQL can say exactly (tags, lists,
journeys, segments, events and counts of events, windows on every contact's own clock) it says. Comparisons of values
fold case and digits in ways that no database does alike, so there the *distinct values* are read, judged by the pure
function, and the statement asks for membership in those that passed (see `values`). Whatever else there is (who can be
reached, conditions of plugins) is judged by the pure function for those contacts only that are still in question.

What cannot be decided now (see `conditions`) is NULL in SQL, whose three-valued logic is that of `judge`.

Conditions about one run (`message`, `since`, `event.x`, `run.x`) have no answer for everybody: `NotForSetsError`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session

from panel.contacts.models import Contact, ContactList, ContactTag, ListMember, Tag
from panel.contacts.sets import among as one_of
from panel.db import UTCDateTime, connection_of
from panel.errors import UserError
from panel.i18n import N_
from panel.journeys.engine import values
from panel.journeys.engine.conditions import Condition, judge, needs, walk
from panel.journeys.engine.facts import Asking, Company, Person, company, load, zone_of
from panel.journeys.engine.lengths import add
from panel.journeys.models import Audience, AudienceState, Enrolment
from panel.sync.freshness import stale_kinds
from panel.timeline.models import Event

CHUNK = 2000  # contacts whose facts are loaded at once, where the pure function judges
UNDECIDED = cast(null(), Boolean)
_OF_A_RUN = ("run.", "entry.", "event.")


class NotForSetsError(UserError):
    """The condition is about one run of a journey, so it has no answer for everybody."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "condition_of_a_run",
            N_("“%(what)s” is about one run of a journey, so it cannot be asked about everybody."),
            what=what,
        )


def refuse_runs(condition: Condition) -> None:
    """Raise NotForSetsError when a condition, or a part of it, is about one run of a journey."""
    for one in walk(condition):
        if one["test"] == "message" or one.get("since"):
            raise NotForSetsError(str(one.get("since") or one["test"]))
        if one["test"] == "field" and one["field"].startswith(_OF_A_RUN):
            raise NotForSetsError(one["field"])
        for line in (one, *(one.get("where") or ())):
            if "op" in line:
                _about_everybody(line)
            if line.get("field", "").startswith(("run.", "entry.")):
                raise NotForSetsError(line["field"])


def contacts_where(
    session: Session,
    condition: Condition | None,
    now: datetime,
    settings: Mapping[str, Any],
    among: Collection[int] | None = None,
    *,
    purpose: str = "marketing",
) -> set[int]:
    """The ids of the contacts for whom `condition` surely holds at `now`, merged and erased contacts left out.

    `settings` are those of a program (whose clock: `time_zone`, `fallback_time_zone`). `among` narrows the question to
    these contacts, None asks about everybody. `purpose` is what `can_reach` is asked for.
    Raises NotForSetsError for conditions about one run.
    """
    if among is not None and not among:
        return set()
    query = select_where(session, condition, now, settings, among, purpose=purpose)
    return set(connection_of(session).execute(query).scalars())


def select_where(
    session: Session,
    condition: Condition | None,
    now: datetime,
    settings: Mapping[str, Any],
    among: Collection[int] | None = None,
    *,
    purpose: str = "marketing",
) -> Select[Any]:
    """The same as a statement that gives the ids, to count, page or join without fetching them."""
    asking = Asked(session, now, settings, among, purpose)
    return select(Contact.id).where(asking.domain, asking.clause(condition) if condition else true())


@dataclass(frozen=True)
class Answers:
    """For whom a condition holds, and for whom nobody can say now. It does not hold for anybody else."""

    holds: frozenset[int]
    undecided: frozenset[int]


def answers(
    session: Session,
    condition: Condition,
    now: datetime,
    settings: Mapping[str, Any],
    among: Collection[int] | None = None,
    *,
    purpose: str = "marketing",
) -> Answers:
    """As `contacts_where`, with those for whom the condition cannot be decided now."""
    if among is not None and not among:
        return Answers(frozenset(), frozenset())
    asking = Asked(session, now, settings, among, purpose)
    clause = asking.clause(condition)
    query = select(Contact.id, clause.label("result")).where(asking.domain, func.coalesce(clause, True))
    found: dict[bool, set[int]] = {True: set(), False: set()}
    for id_, result in asking.connection.execute(query):
        found[result is not None].add(id_)
    return Answers(frozenset(found[True]), frozenset(found[False]))


class Asked:
    """One question about a set of contacts, being put into SQL over the table `contacts`."""

    def __init__(
        self,
        session: Session,
        now: datetime,
        settings: Mapping[str, Any],
        among: Collection[int] | None = None,
        purpose: str = "marketing",
    ) -> None:
        self.session, self.now, self.settings, self.purpose = session, now, settings, purpose
        self.connection = connection_of(session)
        here: ColumnElement[bool] = and_(Contact.merged_into_id.is_(None), Contact.erased_at.is_(None))
        self.domain = here if among is None else and_(here, one_of(session, Contact.id, among))

    @cached_property
    def business(self) -> Company:
        return company(self.session)

    def clause(self, condition: Condition, of: ColumnElement[bool] | None = None) -> ColumnElement[bool]:
        """The condition as an expression. Only contacts `of` whom another condition holds need a right answer."""
        test = condition["test"]
        if test in ("all", "any"):
            return self._several(condition["of"], all_of=test == "all", of=of)
        if test == "not":
            return not_(self.clause(condition["of"], of))
        if test == "message" or condition.get("since"):
            raise NotForSetsError(str(condition.get("since") or test))
        said = _SAID.get(test)
        return said(self, condition) if said is not None else self._judged(condition, of)

    def _several(
        self, conditions: Sequence[Condition], *, all_of: bool, of: ColumnElement[bool] | None
    ) -> ColumnElement[bool]:
        """What SQL says goes first, so that the rest is judged for few."""
        parts: list[ColumnElement[bool]] = []
        for condition in sorted(conditions, key=_is_judged):
            asked_of = of
            if parts and _is_judged(condition):
                open_ = func.coalesce(and_(*parts), True) if all_of else not_(func.coalesce(or_(*parts), False))
                asked_of = open_ if of is None else and_(of, open_)
            parts.append(self.clause(condition, asked_of))
        if not parts:
            return true() if all_of else false()
        return and_(*parts) if all_of else or_(*parts)

    def _judged(self, condition: Condition, of: ColumnElement[bool] | None) -> ColumnElement[bool]:
        """Judge it for each contact that is in question, facts loaded for many at once."""
        query = select(Contact.id).where(self.domain, true() if of is None else of)
        ids = list(self.connection.execute(query).scalars())
        wanted = needs(condition)
        found: dict[bool | None, list[int]] = {True: [], False: [], None: []}
        for start in range(0, len(ids), CHUNK):
            asking = [Asking(id_, self.settings, self.purpose) for id_ in ids[start : start + CHUNK]]
            for facts in load(self.session, asking, wanted, self.now, business=self.business):
                found[judge(condition, facts)["result"]].append(facts.contact_id)
        holding = one_of(self.session, Contact.id, found[True])
        if not found[None]:
            return holding
        return or_(holding, and_(one_of(self.session, Contact.id, found[None]), UNDECIDED))

    # --- what SQL says ---

    def _field(self, condition: Condition) -> ColumnElement[bool]:
        name = condition["field"]
        _about_everybody(condition)
        if name.startswith(_OF_A_RUN):
            raise NotForSetsError(name)
        return values.of_contacts(self.session, self.domain, name, condition)

    def _has_tag(self, condition: Condition) -> ColumnElement[bool]:
        return Contact.id.in_(
            select(ContactTag.contact_id).join(Tag, Tag.id == ContactTag.tag_id).where(Tag.name == condition["tag"])
        )

    def _in_list(self, condition: Condition) -> ColumnElement[bool]:
        return Contact.id.in_(
            select(ListMember.contact_id)
            .join(ContactList, ContactList.id == ListMember.list_id)
            .where(ContactList.name == condition["list"])
        )

    def _in_segment(self, condition: Condition) -> ColumnElement[bool]:
        """As far as the segment is up to date: its members are rows, see `audiences`."""
        return Contact.id.in_(
            select(AudienceState.contact_id)
            .join(Audience, Audience.id == AudienceState.audience)
            .where(Audience.name == condition["segment"], Audience.id.startswith("segment:"), AudienceState.is_true)
        )

    def _in_journey(self, condition: Condition) -> ColumnElement[bool]:
        return Contact.id.in_(
            select(Enrolment.contact_id).where(
                Enrolment.journey_id == condition["journey"], Enrolment.status.in_(("active", "held"))
            )
        )

    def _happened(self, condition: Condition) -> ColumnElement[bool]:
        found = self._counted(condition)
        if not stale_kinds(self.session, [condition["event"]], self.now):
            return found
        # Events that have not arrived yet only ever add to the count: what they cannot change is known.
        op = (condition.get("times") or {"op": "at_least"})["op"]
        if op in ("at_least", "more_than"):
            return or_(found, UNDECIDED)
        return and_(found, UNDECIDED) if op in ("at_most", "less_than") else UNDECIDED

    def _counted(self, condition: Condition) -> ColumnElement[bool]:
        matching = self.events(condition)
        times = condition.get("times")
        if not times:
            return exists(select(Event.id).where(matching))
        found = select(func.count()).select_from(Event).where(matching).scalar_subquery()
        wanted = int(times["n"])
        compared: dict[str, ColumnElement[bool]] = {
            "at_least": found >= wanted,
            "at_most": found <= wanted,
            "is": found == wanted,
            "more_than": found > wanted,
            "less_than": found < wanted,
        }
        return compared[times["op"]]

    def _not_happened(self, condition: Condition) -> ColumnElement[bool]:
        return not_(self._happened(condition))

    def events(self, condition: Condition) -> ColumnElement[bool]:
        """The events of the contact that count for a condition `happened` or `not_happened`."""
        kind = condition["event"]
        matching: list[ColumnElement[bool]] = [Event.contact_id == Contact.id, Event.kind == kind]
        if condition.get("within"):
            matching.append(Event.occurred_at >= self.window(condition["within"]))
        for line in condition.get("where") or ():
            _about_everybody(line)
            name = line["field"]
            if name.startswith("event."):
                key = name.removeprefix("event.")
                # Only the events that count so far are read for their values.
                here = and_(self.domain, *matching)
                matching.append(values.of_events(self.session, here, key, line))
            else:
                matching.append(self._field(line))
        return and_(*matching)

    def window(self, length: Mapping[str, int]) -> ColumnElement[Any]:
        """`now` minus a length on each contact's own clock: days and months begin at other moments elsewhere."""

        def start(zone_name: str | None) -> datetime:
            person = Person(0, zone_name, None, None)
            return add(self.now, length, zone_of(self.settings, person, self.business)[0], -1)

        usual = start(None)
        whose = self.settings.get("time_zone") or "contact"
        zones: list[str] = []
        if whose == "contact" and (length.get("months") or length.get("days")):
            zones = [zone for zone in self._zones if zone]
        other: dict[datetime, list[str]] = {}
        for zone in zones:
            if (moment := start(zone)) != usual:
                other.setdefault(moment, []).append(zone)
        if not other:
            return literal(usual, UTCDateTime())
        return case(
            *((Contact.time_zone.in_(names), literal(moment, UTCDateTime())) for moment, names in other.items()),
            else_=literal(usual, UTCDateTime()),
        )

    @cached_property
    def _zones(self) -> list[str | None]:
        return list(self.connection.execute(select(Contact.time_zone).where(self.domain).distinct()).scalars())


_SAID: Mapping[str, Any] = {
    "field": Asked._field,
    "has_tag": Asked._has_tag,
    "in_list": Asked._in_list,
    "in_segment": Asked._in_segment,
    "in_journey": Asked._in_journey,
    "happened": Asked._happened,
    "not_happened": Asked._not_happened,
}


def _is_judged(condition: Condition) -> bool:
    """Whether SQL cannot say some of it."""
    below: Iterable[Condition]
    if condition["test"] == "not":
        below = (condition["of"],)
    elif condition["test"] in ("all", "any"):
        below = condition["of"]
    else:
        return condition["test"] not in _SAID
    return any(_is_judged(one) for one in below)


def _about_everybody(line: Mapping[str, Any]) -> None:
    wanted = line.get("value")
    if line["op"] not in ("is_set", "in") and isinstance(wanted, str) and wanted.startswith(_OF_A_RUN):
        raise NotForSetsError(wanted)
