"""Four errors about time that other products make, each as a test that it cannot happen here.

Dittofeed takes the weekday from the UTC date and the offset from today; Mautic swaps the ends of an overnight window;
AWS Pinpoint checks no quiet hours for contacts without a zone; Braze has windows that never open (start = end) and
throws contacts out whose date has passed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from panel.contacts.models import Contact
from panel.contacts.models import Field as ContactField
from panel.contacts.operations import update_contact
from panel.db import writing
from panel.journeys.engine.facts import Company, zone_of
from panel.journeys.engine.hours import is_open, never_holiday, next_open
from panel.journeys.engine.occurrences import moment_of, occurrences, rule_of
from panel.journeys.engine.waits import wait_end
from panel.journeys.language import check
from panel.timeline.models import Event
from tests.journeys.engine.world import HEADER, World

AUCKLAND, JERUSALEM = ZoneInfo("Pacific/Auckland"), ZoneInfo("Asia/Jerusalem")


def problems(*lines: str) -> list[str]:
    text = HEADER + "  x:\n    name: X\n    purpose: marketing\n    review_after: 1 year\n"
    text += "    start_when: {tag_added: go}\n" + "".join(f"    {line}\n" for line in lines)
    text += "    steps:\n      - send: {via: sms, text: hi}\n"
    return [problem.code for problem in check(text).problems]


# --- Dittofeed -------------------------------------------------------------------------------------------------------


def test_dittofeed_monday_nine_o_clock_is_monday_nine_o_clock_in_auckland_all_year() -> None:
    rule = rule_of({"every": "week", "day": 0, "at": "09:00"})
    for day in occurrences(rule, None, date(2026, 11, 1), date(2027, 12, 31)):
        there = moment_of(rule, day, AUCKLAND).astimezone(AUCKLAND)
        assert there.strftime("%A %H:%M") == "Monday 09:00"


def test_dittofeed_a_wait_until_monday_nine_keeps_both_over_a_change_of_the_clocks() -> None:
    step = {"until": {"day": 0}, "at": "09:00"}
    for zone in (AUCKLAND, JERUSALEM, ZoneInfo("America/New_York")):
        for ahead in range(0, 400, 3):
            began = datetime(2026, 11, 22, 22, 40, tzinfo=UTC) + timedelta(days=ahead)
            end = wait_end(step, began, zone).at
            assert end is not None
            assert end.astimezone(zone).strftime("%A %H:%M") == "Monday 09:00"
            assert timedelta(0) < end - began <= timedelta(days=7, hours=1)


def test_dittofeed_weekdays_of_the_hours_are_those_of_the_contact_not_of_utc() -> None:
    hours = {"days": [0], "from": "09:00", "to": "20:00", "holidays": "ignore"}
    monday_there = datetime(2026, 11, 23, 9, 30, tzinfo=AUCKLAND)  # still Sunday in UTC
    assert monday_there.astimezone(UTC).strftime("%A") == "Sunday"
    assert is_open(hours, monday_there, AUCKLAND, never_holiday)
    assert not is_open(hours, monday_there + timedelta(days=1), AUCKLAND, never_holiday)


# --- Mautic ----------------------------------------------------------------------------------------------------------


def test_mautic_an_overnight_window_is_refused_and_never_swapped() -> None:
    assert "hours_order" in problems("send_hours: {from: 22:00, to: 06:00}")
    assert "hours_order" in problems("send_hours: {sms: {from: 22:00, to: 06:00}}")
    assert problems("send_hours: {from: 06:00, to: 22:00}") == []


# --- AWS Pinpoint ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", [None, "", "bad/zone", "Nowhere"])
def test_pinpoint_a_contact_without_a_zone_is_judged_by_the_fallback_never_unchecked(
    world: World, zone: str | None
) -> None:
    dana = world.contact()
    with writing() as session:
        session.get_one(Contact, dana).time_zone = zone
    world.publish(
        "quiet:\n  name: Quiet\n  purpose: marketing\n  review_after: 1 year\n"
        "  fallback_time_zone: Asia/Tehran\n  send_hours: {from: 09:00, to: 20:00}\n"
        "  start_when: {tag_added: go}\n  steps:\n    - send: {via: sms, text: hi}"
    )
    world.now = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)  # four in the morning in Tehran
    world.event(dana, "tag_added", tag="go")
    world.play(timedelta(hours=12))
    [message] = world.messages()
    assert message.wire_at == datetime(2026, 11, 23, 5, 30, tzinfo=UTC)  # nine o'clock there


def test_pinpoint_there_is_a_clock_for_everybody_even_without_any_setting() -> None:
    assert zone_of({}, None, Company("nonsense"))[0].key == "Asia/Jerusalem"


# --- Braze -----------------------------------------------------------------------------------------------------------


def test_braze_a_window_that_ends_when_it_starts_is_refused() -> None:
    assert "hours_order" in problems("send_hours: {from: 09:00, to: 09:00}")


def test_braze_hours_without_days_never_open_and_that_is_said() -> None:
    never = {"days": [], "from": "09:00", "to": "20:00", "holidays": "ignore"}
    assert next_open(never, datetime(2026, 11, 22, tzinfo=UTC), JERUSALEM) is None


@pytest.mark.parametrize(
    ("policy", "status", "subjects"),
    [("go_on", "finished", ["hello"]), ("skip_next", "finished", []), ("stop", "stopped", [])],
)
def test_braze_a_date_that_has_passed_does_what_the_journey_says(
    world: World, policy: str, status: str, subjects: list[str]
) -> None:
    world.template("hello")
    with writing() as session:
        session.add(ContactField(name="appointment", type="date", labels={}, created_at=world.now))
    dana = world.contact()
    world.do(update_contact, dana, {"appointment": "2026-01-10"}, now=world.now)
    world.publish(
        "past:\n  name: Past\n  purpose: marketing\n  review_after: 1 year\n  start_when: {tag_added: go}\n  steps:\n"
        f"    - wait: {{until: {{field: appointment}}, at: 09:00, if_past: {policy}}}\n    - send: hello\n"
    )
    world.event(dana, "tag_added", tag="go")
    world.play(timedelta(days=2))
    assert [run.status for run in world.runs()] == [status]
    assert [one.splitlines()[0] for one in world.sent()] == subjects


# --- events that come late, early and from 1970 ----------------------------------------------------------------------


def test_e07_events_from_long_ago_are_kept_with_when_they_came_and_start_a_journey_once(world: World) -> None:
    world.template("hello")
    dana = world.contact()
    world.publish(
        "late:\n  name: Late\n  purpose: marketing\n  review_after: 1 year\n  start_when: {tag_added: go}\n"
        "  steps:\n    - send: hello\n"
    )
    for at in (datetime(1970, 1, 1, tzinfo=UTC), world.now - timedelta(days=90), world.now):
        world.event(dana, "tag_added", at=at, tag="go")
        world.work()
    assert len(world.sent()) == 1
    assert world.refusals() == ["never_again"]
    kept = [(one.occurred_at.year, one.received_at) for one in world.rows(Event, kind="tag_added")]
    assert kept == [(1970, world.now), (2026, world.now), (2026, world.now)]


def test_e07_an_event_from_the_future_is_refused(world: World) -> None:
    dana = world.contact()
    with pytest.raises(Exception, match="future"):
        world.event(dana, "tag_added", at=world.now + timedelta(days=2), tag="go")
