"""`outside: earlier`: a message that is planned for a closed moment goes at the last allowed moment before it.

It must be known beforehand, so it is looked at where moments lie ahead:

* A date or a schedule whose first message (the first `send` or `reach` on the way, before any wait) would meet a closed
  moment starts the journey at the last allowed moment before (see `dates`; the planner looks ahead over closed days).
* A `wait` whose first message after it would meet a closed moment ends at the last allowed moment before, if that is
  still to come when the wait begins.

The hours are those of that message on its first channel (the first of `via`, else of its template). The last allowed
moment is `hours.last_open`: a quarter of an hour before the window closes. When none lies between now and the planned
moment (the birthday became known on its eve), earlier is impossible, and the message waits for the next allowed one.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from panel.journeys.engine.facts import Company
from panel.journeys.engine.holidays import NO_HOLIDAYS, UnknownCalendarError, holidays_of
from panel.journeys.engine.hours import IsHoliday, hours_for, is_open, last_open
from panel.journeys.engine.programs import Program
from panel.journeys.engine.reach import template_channels
from panel.journeys.language.program import branch_targets

Step = Mapping[str, Any]
_WAITS = ("wait", "wait_for")


def first_message(program: Program, step_id: str | None) -> Step | None:
    """The first `send` or `reach` from this step on without a wait in between; branches in the order they stand."""
    ahead, seen = [step_id], set()
    while ahead:
        identity = ahead.pop(0)
        if identity is None or identity in seen or identity not in program.steps:
            continue
        seen.add(identity)
        step = program.steps[identity]
        if step["verb"] in ("send", "reach") and step.get("enabled", True):
            return step
        if step["verb"] not in _WAITS and step["verb"] != "stop":
            ahead += [*branch_targets(dict(step)), step.get("next")]
    return None


def hours_of(session: Session, program: Program, step: Step) -> Mapping[str, Any] | None:
    """The hours of the message that a `send` or `reach` plans, on its first channel; None: any time."""
    if step["verb"] == "reach":
        via = [step["try"][0]["via"]]
    else:
        via = list(step.get("via") or ())
    if not via or via == ["preferred"]:
        found = template_channels(session, step["message"]) if step.get("message") else None
        via = list(found.channels if found else ()) or ["email"]
    return hours_for(program.settings, via[0], step.get("send_hours"))


class Before:
    """`outside: earlier` for the first message after a step, with what it asks of the database looked up once."""

    def __init__(self, session: Session, program: Program, step_id: str | None, business: Company) -> None:
        self.hours: Mapping[str, Any] | None = None
        self.is_holiday: IsHoliday = NO_HOLIDAYS.is_holiday
        message = first_message(program, step_id) if _mentions_earlier(program) else None
        if message is not None:
            self.hours = hours_of(session, program, message)
            with suppress(UnknownCalendarError):  # the message itself is held back, see `when`
                self.is_holiday = holidays_of(self.hours, business).is_holiday

    def closing(self, planned: datetime, after: datetime, zone: ZoneInfo) -> datetime:
        """`planned`, or the last allowed moment before it, see `sooner`."""
        return sooner(self.hours, planned, after, zone, self.is_holiday)


def _mentions_earlier(program: Program) -> bool:
    own = [step.get("send_hours") for step in program.steps.values() if step["verb"] == "send"]
    every = [*(program.settings.get("send_hours") or {}).values(), *own]
    return any(
        goes_earlier(hours) or any(goes_earlier(one) for one in (hours.get("channels") or {}).values())
        for hours in every
        if hours and hours != "any"
    )


def goes_earlier(hours: Mapping[str, Any] | None) -> bool:
    return bool(hours) and hours is not None and hours.get("outside") == "earlier"


def sooner(
    hours: Mapping[str, Any] | None, planned: datetime, after: datetime, zone: ZoneInfo, is_holiday: IsHoliday
) -> datetime:
    """`planned`, or the last allowed moment before it when it is closed and such a moment lies after `after`."""
    if hours is None or not goes_earlier(hours) or is_open(hours, planned, zone, is_holiday):
        return planned
    found = last_open(hours, planned, zone, is_holiday)
    return found if found is not None and found > after else planned
