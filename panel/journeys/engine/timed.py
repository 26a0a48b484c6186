"""The dates and schedules of a journey, and when each of their occurrences is due on somebody's clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from panel.journeys.engine.earlier import first_message, goes_earlier, hours_of, sooner
from panel.journeys.engine.facts import Company, Person, zone_of
from panel.journeys.engine.holidays import NO_HOLIDAYS, UnknownCalendarError, holidays_of
from panel.journeys.engine.hours import IsHoliday, next_open
from panel.journeys.engine.lengths import add
from panel.journeys.engine.occurrences import Rule, moment_of, rule_of
from panel.journeys.engine.programs import LiveJourney

_SOMEBODY = Person(0, None, None, None)
_DEFAULT_TOO_LATE = {"days": 3}


@dataclass(frozen=True)
class Timed:
    """One `date` or `schedule` trigger of a live journey.

    `key` names it for good: it stays the same when triggers change places and when their time or offset is edited, so
    that nobody enters a second time for the same day. Two of the same field and rhythm are numbered.
    """

    journey: LiveJourney
    key: str
    trigger: Mapping[str, Any]
    rule: Rule
    hours: Mapping[str, Any] | None
    is_holiday: IsHoliday

    @property
    def field(self) -> str | None:
        """The date field; None for a schedule."""
        return self.trigger.get("field")

    @property
    def name(self) -> str:
        """What `entry.trigger` says inside the run."""
        return self.field or "schedule"

    def due_at(self, occurrence: date, zone: ZoneInfo, after: datetime) -> datetime:
        """When an occurrence is due; with `outside: earlier` before a closed day, if that moment lies after `after`."""
        return sooner(self.hours, moment_of(self.rule, occurrence, zone), after, zone, self.is_holiday)

    def is_too_late(self, due_at: datetime, zone: ZoneInfo, now: datetime) -> bool:
        """Whether `too_late_after` is over, counted from the first allowed moment for the first message."""
        allowed = next_open(self.hours, due_at, zone, self.is_holiday) or due_at
        return now > add(allowed, self.journey.program.settings.get("too_late_after") or _DEFAULT_TOO_LATE, zone)

    def looks_until(self, until: datetime) -> datetime:
        """Up to which planned moment something may be due by `until`: farther ahead over closed days."""
        if not goes_earlier(self.hours):
            return until
        zone = ZoneInfo("UTC")
        opens = next_open(self.hours, until + timedelta(days=1), zone, self.is_holiday)
        return (opens or until) + timedelta(days=2)


def timed(session: Session, journey: LiveJourney, business: Company) -> Iterator[Timed]:
    """The dates and schedules that start this journey."""
    numbers: Counter[str] = Counter()
    resolved = journey.program.resolved
    triggers = [one for one in resolved["start_when"] if one["on"] in ("date", "schedule")]
    if not triggers:
        return
    message = first_message(journey.program, resolved["first"])
    hours = hours_of(session, journey.program, message) if message else None
    is_holiday = NO_HOLIDAYS.is_holiday
    with suppress(UnknownCalendarError):  # whoever enters is held back at the message, see `when`
        is_holiday = holidays_of(hours, business).is_holiday
    for trigger in triggers:
        every = trigger.get("every") or "once"
        base = f"date:{trigger['field']}:{every}" if trigger["on"] == "date" else f"schedule:{every}"
        base += f":{trigger.get('calendar') or 'gregorian'}"
        numbers[base] += 1
        yield Timed(journey, f"{base}:{numbers[base]}", trigger, rule_of(trigger), hours, is_holiday)


def zone_by_name(settings: Mapping[str, Any], name: str | None, business: Company) -> ZoneInfo:
    """The clock of a contact with this time zone (None: without one)."""
    return zone_of(settings, _SOMEBODY._replace(time_zone=name), business)[0]
