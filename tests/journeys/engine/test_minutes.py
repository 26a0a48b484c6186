"""What is worked out for a whole minute is what each of its moments would say by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import example, given, settings
from hypothesis import strategies as st

from panel.journeys.engine.admission import first_allowed, too_late_from
from panel.journeys.engine.facts import Company
from panel.journeys.engine.holidays import holidays_of
from panel.journeys.engine.hours import is_open
from panel.journeys.engine.lengths import Length
from panel.journeys.engine.when import minute

ISRAEL = Company("Asia/Jerusalem", "IL")
DAYS = st.sets(st.integers(0, 6), min_size=1).map(sorted)
CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
HOURS = st.none() | st.fixed_dictionaries(
    {
        "days": DAYS,
        "from": CLOCKS | st.sampled_from(["00:00", "02:00", "02:30"]),
        "to": CLOCKS | st.sampled_from(["24:00", "03:00", "23:59"]),
        "holidays": st.sampled_from(["ignore", "skip"]),
        "calendar": st.sampled_from([None, "israel", "iran"]),
        "outside": st.sampled_from(["wait", "skip", "earlier"]),
    }
).filter(lambda hours: hours["from"] < hours["to"])  # the language lets nothing else through
LENGTHS = st.sampled_from(
    [
        {"days": 3},
        {"seconds": 3600},
        {"seconds": 90},
        {"days": 1, "seconds": 5},
        {"months": 1},
        {"months": 1, "days": 1},
    ]
)
HOURS_SINCE_1975 = st.integers(0, 60 * 365 * 24).map(lambda n: datetime(1975, 1, 1, tzinfo=UTC) + timedelta(hours=n))
BEFORE_THE_END = timedelta(microseconds=1)


@st.composite
def moments(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """A zone and a moment, most often within an hour of a change of its clock, often at the very edge of a minute."""
    zone = ZoneInfo(draw(st.sampled_from(sorted(available_timezones()))))
    at = draw(st.sampled_from(_changes(zone)) | HOURS_SINCE_1975)
    at += timedelta(minutes=draw(st.integers(-60, 60)))
    return zone, at + draw(st.sampled_from([timedelta(0), timedelta(minutes=1) - BEFORE_THE_END])
                           | st.timedeltas(timedelta(0), timedelta(minutes=1) - BEFORE_THE_END))  # fmt: skip


def _changes(zone: ZoneInfo) -> list[datetime]:
    """When the clock of the zone was put forward or back in 2026, and a day for zones where it was not."""
    new_year = datetime(2026, 1, 1, tzinfo=UTC)
    days = [new_year + timedelta(days=n) for n in range(366)]
    found = []
    for day in days:
        before = day.astimezone(zone).utcoffset()
        if (day + timedelta(days=1)).astimezone(zone).utcoffset() != before:
            parts = [day + timedelta(minutes=30 * n) for n in range(49)]
            found.append(next(at for at in parts if at.astimezone(zone).utcoffset() != before))
    return found or [new_year]


ALL_DAY = {"days": [0, 1, 2, 3, 4, 5, 6], "from": "00:00", "to": "24:00"}


@settings(max_examples=300, deadline=None)
@given(moments(), HOURS, LENGTHS, st.timedeltas(timedelta(0), timedelta(days=4)))
@example((ZoneInfo("UTC"), datetime(2026, 5, 1, 23, 59, 59, 999_999, tzinfo=UTC)), ALL_DAY, {"days": 3}, timedelta(0))
def test_t04_a_minute_says_of_each_of_its_moments_what_that_moment_says(
    planned: tuple[ZoneInfo, datetime], hours: dict[str, Any] | None, length: Length, late: timedelta
) -> None:
    zone, at = planned
    now = at + late
    is_holiday = holidays_of(hours, ISRAEL).is_holiday
    found = minute(hours, at, now, zone, ISRAEL, length)
    assert found.expires_at(at) == too_late_from(hours, at, length, zone, is_holiday)
    skips = (hours or {}).get("outside") == "skip"
    assert found.not_before == (now if skips else first_allowed(hours, now, zone, is_holiday))


def test_a_day_that_is_open_to_its_end_is_open_in_its_last_microsecond() -> None:
    last = datetime(2026, 5, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    assert is_open(ALL_DAY, last, ZoneInfo("UTC"), lambda _day: False)
