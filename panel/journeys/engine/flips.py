"""When time alone may change a condition: the next moment at which an event leaves a `within` window.

The moment may be too early (the clamped ends of months), never too late: whoever looks then and sees no change asks
for the next moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from panel.contacts.models import Contact
from panel.engagement.history import rhythms
from panel.journeys.engine.conditions import DATE_COMES, Condition, Facts, counted_events, date_comes_at, walk
from panel.journeys.engine.facts import Company, Person, zone_of
from panel.journeys.engine.lengths import Length, add, next_at, parse_clock
from panel.journeys.engine.sets import CHUNK, Asked
from panel.timeline.models import Event

_INSTANT = timedelta(microseconds=1)
# What a plugin says of somebody, and which channel they answer best, no event tells: a run that waits for it, or is
# stopped by it, looks as often as its `check` says, as everybody is looked at (see `audiences`).
_UNTOLD = frozenset({"check", "prefers"})
DAILY = {"every": "day", "at": "06:00"}


def windows(condition: Condition | None) -> Iterator[Condition]:
    """The tests inside a condition that look back a length of time."""
    return (one for one in walk(condition) if one.get("within"))


def leaves_at(occurred_at: datetime, within: Length, zone: ZoneInfo, now: datetime) -> datetime:
    """When an event that is in the window now may leave it: always after `now`."""
    moment = add(occurred_at, within, zone) + _INSTANT
    # From 31 January, one month ends on 1 March: after the shorter months only midnight changes the answer.
    return moment if moment > now else next_at(now + _INSTANT, time(0), zone)


def next_check(check: Mapping[str, Any] | None, moment: datetime, business: Company) -> datetime:
    """The first moment of `check` (hourly, or a time of day; daily unless said) at or after another, on the business's
    clock."""
    check = check or DAILY
    if check["every"] == "hour":
        over = timedelta(minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond)
        return moment if not over else moment - over + timedelta(hours=1)
    zone = zone_of({"time_zone": "company"}, None, business)[0]
    return next_at(moment, parse_clock(check.get("at") or "06:00"), zone)


def next_change(
    condition: Condition | None, facts: Facts, check: Mapping[str, Any] | None, business: Company
) -> datetime | None:
    """When time alone may change the answer for one contact; None: never. `check`: how often to look at what no event
    tells."""
    moments = [
        leaves_at(event.occurred_at, one["within"], facts.zone, facts.now)
        for one in windows(condition)
        for event in counted_events(one, facts)
    ]
    for one in walk(condition):
        if one["test"] == DATE_COMES and (at := date_comes_at(one, facts)) is not None and at > facts.now:
            moments.append(at)
        if one["test"] == "rhythm" and (at := facts.rhythm.next_change(facts.now)) is not None:
            moments.append(at)
        if one["test"] in _UNTOLD:
            moments.append(next_check(check, facts.now + _INSTANT, business))
    return min(moments, default=None)


def next_changes(asked: Asked, condition: Condition) -> dict[int, datetime]:
    """The same for every contact that was asked about: one query per window, one event per contact."""
    found: dict[int, datetime] = {}
    zones: dict[Any, ZoneInfo] = {}
    for one in windows(condition):
        # Without a count only the last event matters: while it is in the window, something has happened.
        chosen = func.min if one.get("times") else func.max
        query = (
            select(Contact.id, Contact.time_zone, chosen(Event.occurred_at))
            .join(Event, asked.events(one))
            .where(asked.domain)
            .group_by(Contact.id, Contact.time_zone)
        )
        for contact_id, name, occurred_at in asked.connection.execute(query):
            zone = zones.get(name)
            if zone is None:
                zone = zones[name] = zone_of(asked.settings, Person(0, name, None, None), asked.business)[0]
            moment = leaves_at(occurred_at, one["within"], zone, asked.now)
            if contact_id not in found or moment < found[contact_id]:
                found[contact_id] = moment
    if any(one["test"] == "rhythm" for one in walk(condition)):
        for contact_id, at in _rhythm_changes(asked):
            if contact_id not in found or at < found[contact_id]:
                found[contact_id] = at
    return found


def _rhythm_changes(asked: Asked) -> Iterator[tuple[int, datetime]]:
    """When each contact goes quiet if nothing happens, or has been awake for long enough."""
    ids = list(asked.connection.execute(select(Contact.id).where(asked.domain)).scalars())
    for start in range(0, len(ids), CHUNK):
        for contact_id, habit in rhythms(asked.session, ids[start : start + CHUNK]).items():
            if (at := habit.next_change(asked.now)) is not None:
                yield contact_id, at
