"""The last word on the moment: may these messages go now, or when, by hours, holidays and limits?

Asked at the claim and not only when a message is planned, so that a contact who has moved to another zone meanwhile is
judged by the clock of today. "Not now" names the earliest moment that hours and limits allow together; when that is too
late for the message it is left out with the reason of what stood in the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from panel.i18n import N_
from panel.issues.operations import raise_issue
from panel.journeys.engine.admission import Admission, admit, first_allowed, too_late_from
from panel.journeys.engine.counted import Counted, lock_addresses
from panel.journeys.engine.facts import Company
from panel.journeys.engine.holidays import NO_HOLIDAYS, HolidayCalendar, UnknownCalendarError, holidays_of
from panel.journeys.engine.hours import hours_for
from panel.journeys.engine.lengths import Length, add
from panel.journeys.engine.limits import FAMILY, Cap, caps_of, limits_for, window_start

Verdict = Literal["go", "wait", "skip", "cancel", "end"]
LOOK_AGAIN = timedelta(minutes=10)  # for what a person has to put right


@dataclass(frozen=True)
class Decision:
    """`go`; `wait` until `not_before`; `skip` or `cancel` with a reason; `end` ends the run too (stopped, excluded, or
    what `ends` says)."""

    verdict: Verdict
    reason: str | None = None
    not_before: datetime | None = None
    address: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    ends: str | None = None


@dataclass(frozen=True)
class Willing:
    """A message that nothing but the moment may still hold back: its row, the settings of its journey, whose clock."""

    message: Mapping[str, Any]
    settings: Mapping[str, Any]
    zone: ZoneInfo
    zone_from: str
    address: str | None

    @property
    def hours(self) -> Mapping[str, Any] | None:
        return hours_for(self.settings, self.message["channel"], self.message["rules"].get("send_hours"))

    @property
    def is_free(self) -> bool:
        """Written by hand, or a service message that says so: counted, but not held by limits."""
        return not self.message["journey_id"] or (
            self.message["purpose"] == "service" and bool(self.message["rules"].get("ignore_limits"))
        )


POSTPONED = {
    "hours": "postponed_hours",
    "holiday": "postponed_holiday",
    "limit": "postponed_limit",
    "address": "postponed_address",
}
SKIPPED = {"limit": "skipped_limit", "address": "skipped_address", "hours": "skipped_hours", "holiday": "skipped_hours"}


def when(session: Session, willing: Sequence[Willing], business: Company, now: datetime) -> dict[int, Decision]:
    """Decide in the order of priority: what goes takes its place before the next is looked at, what does not leaves it
    to the next."""
    if not willing:
        return {}
    counted = _counted(session, willing, now)
    decisions: dict[int, Decision] = {}
    for one in sorted(willing, key=lambda w: (w.message["priority"], w.message["not_before"], w.message["id"])):
        try:
            calendar = holidays_of(one.hours, business)
        except UnknownCalendarError as error:
            decision = _without_calendar(session, one, error.name, now)
        else:
            decision = _decide(session, one, calendar, _caps(one, counted), now)
        if counted is not None and decision.verdict == "go":
            counted.let_through(one.message, one.address, now)
        elif counted is not None:
            counted.not_now(one.message, decision.not_before)
        decisions[one.message["id"]] = decision
    return decisions


class Minute(NamedTuple):
    """What holds for every message that is planned within one minute."""

    begins: datetime
    ends: datetime
    not_before: datetime
    lasts: timedelta | None  # from when it is planned until it is too late; None when that minute is closed
    too_late_from: datetime  # of a closed minute: counted from the next opening

    def expires_at(self, planned_at: datetime) -> datetime:
        return self.too_late_from if self.lasts is None else planned_at + self.lasts


def minute(
    hours: Mapping[str, Any] | None,
    planned_at: datetime,
    now: datetime,
    zone: ZoneInfo,
    business: Company,
    too_late_after: Length,
) -> Minute:
    """When messages may go, and are too late, that are planned for the minute of `planned_at`, which may be past.

    Asked once for the many that share the minute: hours open and close, days begin and clocks change on whole minutes
    (in every zone since 1972), so that a minute is open as a whole or not at all, and what a length adds to its
    beginning it adds to each moment of it. A test compares with each moment by itself.

    The claim has the last word; until then an unknown calendar counts as one without holidays.
    """
    try:
        is_holiday = holidays_of(hours, business).is_holiday
    except UnknownCalendarError:
        is_holiday = NO_HOLIDAYS.is_holiday
    begins = planned_at.replace(second=0, microsecond=0)
    first = first_allowed(hours, begins, zone, is_holiday)
    too_late = add(first, too_late_after, zone)
    if hours and hours.get("outside") == "skip":
        not_before = now  # the claim looks at this very moment, and leaves it out if it is closed
    else:
        not_before = first_allowed(hours, now, zone, is_holiday)
    ends = begins + timedelta(minutes=1)
    return Minute(begins, ends, not_before, too_late - begins if first == begins else None, too_late)


def _decide(session: Session, one: Willing, calendar: HolidayCalendar, caps: Sequence[Cap], now: datetime) -> Decision:
    message, hours, zone = one.message, one.hours, one.zone
    expires_at = message["expires_at"]
    found = admit(hours, caps, now, zone, calendar.is_holiday, expires_at)
    if (
        expires_at is not None
        and (found.at is None or found.at > expires_at)
        and message["rules"].get("too_late_after")
    ):
        # On another clock than the one it was planned on, its first allowed moment may be another.
        after = message["rules"]["too_late_after"]
        expires_at = too_late_from(hours, message["planned_at"], after, zone, calendar.is_holiday)
        found = admit(hours, caps, now, zone, calendar.is_holiday, expires_at)
    if expires_at is not None and now > expires_at:
        return Decision("skip", "skipped_too_late", detail={"expired_at": expires_at.isoformat()})
    if found.at is not None and found.at <= now:
        return Decision("go", address=one.address)
    detail = _detail(one, calendar, found)
    first = found.met[0][0]
    if first in ("hours", "holiday") and (hours or {}).get("outside") == "skip":
        return Decision("skip", "skipped_hours", detail=detail)
    limits = [name for name in found.names() if name in ("limit", "address")]
    if limits and (one.settings.get("limits") or {}).get("when_over") == "skip":
        return Decision("skip", SKIPPED[limits[0]], detail=detail)
    if found.at is None and not limits:
        return _never_open(session, one, detail, now)
    if found.at is None or (expires_at is not None and found.at > expires_at):
        reason = SKIPPED[limits[0]] if limits else "skipped_too_late"
        return Decision("skip", reason, detail=detail)
    return Decision("wait", POSTPONED[first], max(found.at, now + timedelta(seconds=1)), detail=detail)


def _detail(one: Willing, calendar: HolidayCalendar, found: Admission) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    for name, seen in found.met:
        if name in ("limit", "address"):
            detail |= {"limit": seen["limit"], "free_at": seen["free_at"]}
            detail.setdefault("by", name)
        else:
            detail |= {"hours": dict(one.hours or {}), "zone": str(one.zone), "zone_from": one.zone_from}
        if name == "holiday" and "holiday" not in detail:
            day = datetime.fromisoformat(seen["day"]).date()
            detail["holiday"] = {"name": calendar.holiday(day), "day": seen["day"], "calendar": calendar.name}
    return detail


def _counted(session: Session, willing: Sequence[Willing], now: datetime) -> Counted | None:
    """What counts for those that a limit may hold; None when there are none."""
    limited = [one for one in willing if not one.is_free]
    if not limited:
        return None
    # Everybody who will go takes a place at the address, so all of them wait for their turn there.
    addresses = {one.address for one in willing if one.address}
    lock_addresses(session, addresses)
    since = min(
        window_start(limit, now, one.zone)
        for one in limited
        for limit in (FAMILY, *(limit for limit, _ in limits_for(one.settings, one.message["channel"])))
    )
    return Counted(session, {one.message["contact_id"] for one in limited}, addresses, since, now)


def _caps(one: Willing, counted: Counted | None) -> list[Cap]:
    if one.is_free or counted is None:
        return []
    channel = one.message["channel"]
    limits = limits_for(one.settings, channel)
    caps = caps_of(limits, counted.for_message(one.message, one.address), channel) if limits else []
    family = counted.of_the_family(one.message, one.address)
    return [*caps, Cap(FAMILY, family, family=True)] if family else caps


def _without_calendar(session: Session, one: Willing, name: str, now: datetime) -> Decision:
    """`holidays: skip` and no calendar to ask: nothing goes until there is one, and a person is told."""
    journey_id = one.message["journey_id"]
    raise_issue(
        session,
        f"held_calendar:{journey_id}:{name}"[:200],
        code="held_calendar",
        sentence=N_(
            "%(journey)s skips holidays, but there is no holiday calendar “%(calendar)s” here, or its plugin fails. Its"
            " messages wait. Name another calendar in the journey, or look at the plugin that brings it."
        ),
        params={"journey": journey_id, "calendar": name},
        journey_id=journey_id,
        step_id=one.message["step_id"],
        now=now,
    )
    expires_at = one.message["expires_at"]
    if expires_at is not None and now > expires_at:
        return Decision("skip", "skipped_too_late", detail={"expired_at": expires_at.isoformat(), "calendar": name})
    return Decision("wait", "held_calendar", now + LOOK_AGAIN, detail={"calendar": name})


def _never_open(session: Session, one: Willing, detail: Mapping[str, Any], now: datetime) -> Decision:
    """Hours that do not open in 60 days are a mistake in the journey, not a wait."""
    message = one.message
    raise_issue(
        session,
        f"hours_never_open:{message['journey_id']}:{message['channel']}"[:200],
        code="hours_never_open",
        sentence=N_(
            "%(journey)s: the allowed hours for %(channel)s do not open in the next 60 days. Its messages wait until"
            " they are too late. Correct send_hours and publish the journey."
        ),
        params={"journey": message["journey_id"], "channel": message["channel"]},
        journey_id=message["journey_id"],
        step_id=message["step_id"],
        now=now,
    )
    return Decision("wait", "postponed_hours", now + timedelta(hours=1), detail=detail)
