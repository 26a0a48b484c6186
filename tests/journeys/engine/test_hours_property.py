"""400 days x 12 zones: no message outside its hours, none dropped without a word, each once."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from panel.journeys.engine.admission import admit, too_late_from
from panel.journeys.engine.holidays import calendar_for
from panel.journeys.engine.hours import IsHoliday, is_open, last_open, never_holiday, next_open, why_closed
from panel.journeys.engine.lengths import at_local
from panel.journeys.engine.limits import Cap
from tests.journeys.engine.world import World

ZONES = [
    "Asia/Jerusalem",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "America/New_York",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "UTC",
    "Europe/London",
    "Pacific/Auckland",
    "America/St_Johns",
    "Pacific/Kiritimati",
]
FIRST_DAY, DAYS = date(2026, 11, 22), 400
EVERY_DAY = [0, 1, 2, 3, 4, 5, 6]


def hours(days: list[int], opens: str, closes: str, calendar: str | None = None) -> dict[str, Any]:
    return {"days": days, "from": opens, "to": closes, "holidays": "skip" if calendar else "ignore",
            "calendar": calendar, "outside": "wait"}  # fmt: skip


KINDS = {
    "quiet_21_to_8": hours(EVERY_DAY, "08:00", "21:00"),  # quiet hours 21:00-08:00, said as allowed hours
    "working_days": hours([6, 0, 1, 2, 3], "09:00", "20:00", "israel"),
    "persian_week": hours([5, 6, 0, 1, 2, 3], "10:00", "20:00", "iran"),
    "in_the_gap": hours(EVERY_DAY, "02:00", "03:00"),  # the hour that spring leaves out and autumn repeats
    "all_day": hours([6], "00:00", "24:00"),
}
# Planned at odd minutes around the places where clocks and windows change.
CLOCKS = [
    time(0, 0),
    time(1, 45),
    time(2, 15),
    time(2, 30),
    time(7, 59),
    time(8, 0),
    time(20, 59),
    time(21, 0),
    time(23, 59),
]


def holiday_of(kind: dict[str, Any]) -> IsHoliday:
    return calendar_for(kind["calendar"]).is_holiday if kind["calendar"] else never_holiday


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("name", KINDS)
def test_t04_no_message_outside_its_hours_and_none_dropped(name: str, zone_name: str) -> None:
    kind, zone = KINDS[name], ZoneInfo(zone_name)
    is_holiday = holiday_of(kind)
    for ahead in range(DAYS):
        for clock_time in CLOCKS[ahead % 3 :: 3]:
            planned = at_local(FIRST_DAY + timedelta(days=ahead), clock_time, zone)
            found = next_open(kind, planned, zone, is_holiday)
            assert found is not None, "dropped"
            assert found >= planned
            assert is_open(kind, found, zone, is_holiday), "outside its hours"
            if found != planned:
                assert not is_open(kind, planned, zone, is_holiday)
                assert not is_open(kind, found - timedelta(minutes=1), zone, is_holiday), "an earlier moment was open"
                assert why_closed(kind, planned, zone, is_holiday) in ("hours", "holiday")


@pytest.mark.parametrize("zone_name", ZONES)
def test_t04_the_wall_clock_agrees_whatever_the_offset(zone_name: str) -> None:
    """Judged independently of our own arithmetic: what does the clock on the wall there show?"""
    kind, zone = KINDS["working_days"], ZoneInfo(zone_name)
    closed = calendar_for("israel").is_holiday
    moment = datetime.combine(FIRST_DAY, time(0), tzinfo=UTC)
    while moment < datetime.combine(FIRST_DAY, time(0), tzinfo=UTC) + timedelta(days=DAYS):
        found = next_open(kind, moment, zone, closed)
        assert found is not None
        there = found.astimezone(zone)
        assert (9, 0) <= (there.hour, there.minute) < (20, 0)
        assert there.strftime("%a") in {"Sun", "Mon", "Tue", "Wed", "Thu"}
        assert not closed(there.date())
        moment += timedelta(hours=7, minutes=13)


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("name", ["working_days", "quiet_21_to_8", "all_day"])
def test_the_last_allowed_moment_is_allowed_and_before(name: str, zone_name: str) -> None:
    kind, zone = KINDS[name], ZoneInfo(zone_name)
    is_holiday = holiday_of(kind)
    for ahead in range(DAYS):
        planned = at_local(FIRST_DAY + timedelta(days=ahead), time(12, 30), zone)
        if is_open(kind, planned, zone, is_holiday):
            continue
        found = last_open(kind, planned, zone, is_holiday)
        assert found is not None
        assert found < planned
        assert is_open(kind, found, zone, is_holiday)
        after = next_open(kind, found + timedelta(minutes=16), zone, is_holiday)
        assert after is None or after > planned, "there was a later window before it"


@pytest.mark.parametrize("zone_name", ZONES)
def test_t04_hours_and_limits_together_send_each_once_or_say_why_not(zone_name: str) -> None:
    """More is planned than the limits allow: each goes at an open moment with room, or is left out
    by name because that moment would be too late."""
    zone, kind = ZoneInfo(zone_name), KINDS["working_days"]
    is_holiday = holiday_of(kind)
    day = {"count": 1, "per": {"months": 0, "days": 1, "seconds": 0}, "calendar": True}
    week = {"count": 3, "per": {"months": 0, "days": 7, "seconds": 0}, "calendar": True}
    sent: list[datetime] = []
    skipped = 0
    for n in range(0, DAYS * 2, 3):
        planned = at_local(FIRST_DAY + timedelta(days=n // 2), time(7 + 9 * (n % 2), 30), zone)
        until = too_late_from(kind, planned, {"days": 2}, zone, is_holiday)
        found = admit(kind, [Cap(day, sent), Cap(week, sent)], planned, zone, is_holiday, until)
        if found.at is None or found.at > until:
            assert "limit" in found.names(), "left out without a name"
            skipped += 1
        else:
            assert is_open(kind, found.at, zone, is_holiday)
            sent.append(found.at)
    days = [at.astimezone(zone).date() for at in sent]
    assert len(days) == len(set(days)), "two on one day"
    weeks = [day - timedelta(days=(day.weekday() + 1) % 7) for day in days]
    assert max(weeks.count(one) for one in set(weeks)) <= 3
    assert len(sent) > 100
    assert skipped > 0


@pytest.mark.databases("sqlite")
def test_t04_the_engine_itself_sends_each_once_and_within_the_hours(world: World) -> None:
    world.template("hello")
    zones = {world.contact(f"In {name}", time_zone=name): ZoneInfo(name) for name in ZONES}
    body = """
    hello:
      name: Hello
      purpose: marketing
      review_after: 1 year
      start_when: {tag_added: go}
      send_hours: {days: [sun, mon, tue, wed, thu], from: 09:00, to: 20:00, holidays: skip, calendar: israel}
      steps:
        - send: hello
        - wait: 3 days
        - send: {message: hello, send_hours: {days: [sat], from: 08:00, to: 08:30}}
          id: second
    """
    world.publish("\n".join(line[4:] for line in body.strip("\n").splitlines()))
    for n, contact in enumerate(zones):
        world.now += timedelta(hours=5, minutes=n)
        world.event(contact, "tag_added", tag="go")
        world.work()
    world.play(timedelta(days=30))
    messages = world.messages()
    assert {one.status for one in messages} == {"sent"}
    assert len(world.sent()) == len(messages) == 2 * len(zones)
    closed = calendar_for("israel").is_holiday
    for one in messages:
        there = one.wire_at.astimezone(zones[one.contact_id])
        if one.step_id == "second":
            assert (there.strftime("%a"), there.hour) == ("Sat", 8)
            assert there.minute < 30
        else:
            assert 9 <= there.hour < 20
            assert there.strftime("%a") not in ("Fri", "Sat")
            assert not closed(there.date())
