"""Journeys that a date or a schedule starts: who enters when, on whose clock, and what becomes of missed days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from panel import clock
from panel.contacts.erasing import erase
from panel.contacts.models import Contact, FieldValue
from panel.contacts.models import Field as ContactField
from panel.contacts.operations import update_contact
from panel.db import table_of, writing
from panel.issues.models import Issue
from panel.journeys.engine import dates
from panel.journeys.engine.running import RUNNING
from panel.journeys.language import check
from panel.journeys.language.program import not_running_yet
from panel.journeys.models import Enrolment, Journey, PlannedEntry
from tests.journeys.engine.world import HEADER, World

JERUSALEM = ZoneInfo("Asia/Jerusalem")
WORKING = "send_hours: {days: [sun, mon, tue, wed, thu], from: 09:00, to: 20:00"


@pytest.fixture(autouse=True)
def _date_fields(app: Any) -> None:
    with writing() as session:
        for name in ("birthday", "customer_since", "appointment"):
            session.add(ContactField(name=name, type="date", labels={}, created_at=datetime(2026, 1, 1, tzinfo=UTC)))


def journey(start: str, steps: str = "- send: greeting", **more: str) -> str:
    said = {"purpose": "marketing", "review_after": "1 year", "re_enter": "always", **more}
    lines = ["greet:", "  name: Greeting", *(f"  {key}: {value}" for key, value in said.items() if ": {" not in value)]
    return "\n".join([*lines, f"  start_when: {start}", "  steps:", *(f"    {line}" for line in steps.splitlines())])


def set_date(world: World, contact: int, day: str | None, field: str = "birthday") -> None:
    world.do(update_contact, contact, {field: day or ""}, now=world.now)


def local(moment: datetime) -> str:
    return moment.astimezone(JERUSALEM).strftime("%a %d %b %H:%M")


def entered(world: World) -> list[str]:
    return [local(run.entered_at) for run in world.runs()]


def sent_at(world: World) -> list[str]:
    return [local(one.wire_at) for one in world.messages(status="sent")]


def test_a_birthday_starts_the_journey_so_long_before_on_the_contacts_clock(world: World) -> None:
    world.template("greeting")
    dana = world.contact("Dana Levi")
    mark = world.contact("Mark", time_zone="America/New_York")
    for contact in (dana, mark):
        set_date(world, contact, "1990-12-05")
    world.publish(journey("{date: birthday, every: year, offset: 3 days before, at: 09:00}"))
    world.play(timedelta(days=30))
    assert entered(world) == ["Wed 02 Dec 09:00", "Wed 02 Dec 16:00"]
    assert [run.data["run"]["entry.trigger"] for run in world.runs()] == ["birthday", "birthday"]
    assert len(world.sent()) == 2


def test_every_year_once(world: World) -> None:
    world.template("greeting")
    set_date(world, world.contact(), "1990-12-05")
    world.publish(journey("{date: birthday, every: year, at: 09:00}"))
    for year in (2026, 2027, 2028):
        world.now = datetime(year, 12, 4, 12, 0, tzinfo=UTC)
        world.play(timedelta(days=3))
    assert [run.entered_at.date() for run in world.runs()] == [date(year, 12, 5) for year in (2026, 2027, 2028)]


def test_two_dates_of_one_journey_are_told_apart_inside(world: World) -> None:
    world.template("greeting")
    world.template("thanks")
    dana = world.contact()
    set_date(world, dana, "1990-11-25")
    set_date(world, dana, "2020-11-27", "customer_since")
    world.publish(
        journey(
            "[{date: birthday, every: year, at: 09:00}, {date: customer_since, every: year, at: 09:00}]",
            "- choose:\n    - when: {field: entry.trigger, is: birthday}\n      do: [{send: greeting}]\n"
            "  otherwise: [{send: thanks}]",
        )
    )
    world.play(timedelta(days=10))
    assert [subject.splitlines()[0] for subject in world.sent()] == ["greeting", "thanks"]


def test_nobody_has_an_anniversary_on_the_first_day(world: World) -> None:
    world.template("greeting")
    world.publish(journey("{date: customer_since, every: year, at: 23:00}"))
    new, announced = world.contact("New"), world.contact("Announced")
    set_date(world, new, "2026-11-22", "customer_since")
    set_date(world, announced, "2026-11-24", "customer_since")
    world.play(timedelta(days=5))
    assert [run.contact_id for run in world.runs()] == [announced]


def test_a_date_that_becomes_known_when_its_moment_has_passed_starts_nothing(world: World) -> None:
    world.template("greeting")
    world.publish(journey("{date: birthday, every: year, at: 09:00}"))
    world.play(timedelta(minutes=1))
    set_date(world, world.contact(), "1990-11-22")  # it is ten o'clock
    world.play(timedelta(days=3))
    assert world.runs() == []


def test_a_date_that_becomes_known_in_time_is_planned_within_a_minute(world: World) -> None:
    world.template("greeting")
    world.publish(journey("{date: birthday, every: year, at: 10:30}"))
    world.play(timedelta(minutes=5))
    set_date(world, world.contact(), "1990-11-22")
    world.play(timedelta(minutes=1))
    assert [local(one.due_at) for one in world.rows(PlannedEntry)] == ["Sun 22 Nov 10:30"]
    world.play(timedelta(hours=1))
    assert entered(world) == ["Sun 22 Nov 10:30"]


def test_a_changed_date_is_judged_again_when_due_and_enters_once(world: World) -> None:
    world.template("greeting")
    dana = world.contact()
    set_date(world, dana, "1990-11-24")
    world.publish(journey("{date: birthday, every: year, at: 09:00}"))
    world.play(timedelta(hours=1))
    set_date(world, dana, "1990-11-26")
    world.play(timedelta(days=10))
    assert entered(world) == ["Thu 26 Nov 09:00"]
    assert world.refusals() == ["date_changed"]


def test_an_erased_contact_does_not_enter(world: World) -> None:
    world.template("greeting")
    dana = world.contact()
    set_date(world, dana, "1990-11-24")
    world.publish(journey("{date: birthday, every: year, at: 09:00}"))
    world.play(timedelta(hours=1))
    world.do(erase, dana, now=world.now)
    world.play(timedelta(days=5))
    assert world.runs() == []


def test_t05_a_zone_that_changes_while_waiting_moves_the_entry_once(world: World) -> None:
    world.template("greeting")
    dana = world.contact()
    set_date(world, dana, "1990-11-24")
    world.publish(journey("{date: birthday, every: year, at: 09:00}"))
    world.play(timedelta(hours=1))
    with clock.hold(world.now), writing() as session:
        session.get_one(Contact, dana).time_zone = "America/New_York"  # nobody told the planner: judged when due
    world.play(timedelta(days=5))
    assert entered(world) == ["Tue 24 Nov 16:00"]


def test_t07_missed_days_are_caught_up_and_too_late_after_decides(world: World) -> None:
    world.template("greeting")
    for name, day in (("Old", "1990-11-24"), ("Fresh", "1990-11-27")):
        set_date(world, world.contact(name), day)
    world.publish(journey("{date: birthday, every: year, at: 09:00}", too_late_after="1 day"))
    world.play(timedelta(hours=1))
    world.now = datetime(2026, 11, 27, 16, 0, tzinfo=JERUSALEM)  # nothing ran since Sunday
    world.work()
    assert entered(world) == ["Fri 27 Nov 16:00"]
    assert world.refusals() == ["too_late"]


def test_t07_a_message_that_was_meant_for_long_ago_is_left_out_with_its_reason(world: World) -> None:
    world.template("greeting")
    world.contact()
    world.publish(
        journey("{contact_created: yes}", "- wait: 1 day\n- send: greeting", too_late_after="2 days", re_enter="never")
    )
    world.play(timedelta(hours=1))
    world.now += timedelta(days=1 + 3)
    world.play(timedelta(hours=1))
    assert [(one.status, one.reason) for one in world.messages()] == [("skipped", "skipped_too_late")]
    assert [run.status for run in world.runs()] == ["finished"]


def test_t08_a_thousand_missed_ticks_are_one_run_per_occurrence(world: World) -> None:
    world.template("greeting")
    world.contact()
    world.publish(journey("{every: day, at: 11:00, audience: {can_reach: email}}"))
    world.play(timedelta(hours=2))
    assert len(world.runs()) == 1
    world.now += timedelta(days=1000)
    world.work()
    world.work()
    # The days that are not too late are considered one by one (she can be inside once only); for what came before
    # nobody is taken in, and a person is told once.
    days = [run.data["event"]["day"] for run in world.runs()]
    assert days == ["2026-11-22", "2029-08-16"]
    assert world.refusals() == ["already_in"]
    assert [(issue.code, issue.params["n"]) for issue in world.rows(Issue)] == [("schedule_missed", 997)]


def test_planning_as_often_as_one_likes_enters_once(world: World) -> None:
    world.template("greeting")
    set_date(world, world.contact(), "1990-11-24")
    world.publish(journey("{date: birthday, every: year, at: 09:00}"))
    for _ in range(12):
        world.play(timedelta(hours=6))
        world.work()
    assert entered(world) == ["Tue 24 Nov 09:00"]


def test_triggers_that_change_places_and_times_start_nobody_a_second_time(world: World) -> None:
    world.template("greeting")
    dana = world.contact()
    set_date(world, dana, "1990-11-23")
    set_date(world, dana, "2020-01-01", "customer_since")
    birthday, since = "{date: birthday, every: year, at: 09:00}", "{date: customer_since, every: year, at: 09:00}"
    world.publish(journey(f"[{birthday}, {since}]"))
    world.play(timedelta(days=1))
    assert len(world.runs()) == 1
    world.publish(journey(f"[{since}, {birthday.replace('09:00', '14:00')}]"), number=2)
    world.play(timedelta(days=2))
    assert len(world.runs()) == 1


def test_a_paused_journey_keeps_what_is_due(world: World) -> None:
    world.template("greeting")
    set_date(world, world.contact(), "1990-11-24")
    world.publish(journey("{date: birthday, every: year, at: 09:00}"))
    world.play(timedelta(hours=1))
    with writing() as session:
        session.get_one(Journey, "greet").state = "paused"
    world.play(timedelta(days=2))
    assert world.runs() == []
    with writing() as session:
        session.get_one(Journey, "greet").state = "live"
    world.play(timedelta(hours=30))
    assert len(world.runs()) == 1


def test_a_schedule_takes_its_audience_in_on_every_clock(world: World) -> None:
    world.template("greeting")
    for name, zone in (("Dana", None), ("Sara", "Asia/Tehran"), ("Mark", "America/New_York")):
        world.contact(name, time_zone=zone)
    other = world.contact("Other")
    with writing() as session:
        session.get_one(Contact, other).company = "elsewhere"
    world.publish(journey("{every: week, on: tue, at: 10:00, audience: {not: {field: company, is: elsewhere}}}"))
    world.play(timedelta(days=7))
    assert sorted(entered(world)) == ["Tue 24 Nov 08:30", "Tue 24 Nov 10:00", "Tue 24 Nov 17:00"]
    assert {run.data["run"]["entry.trigger"] for run in world.runs()} == {"schedule"}


def test_a_message_planned_for_a_closed_day_goes_earlier(world: World) -> None:
    world.template("greeting")
    set_date(world, world.contact(), "1990-11-27")  # a Friday
    text = journey("{date: birthday, every: year, at: 09:00}", too_late_after="1 day")
    world.publish(text + f"\n  {WORKING}, outside: earlier}}")
    world.play(timedelta(days=10))
    assert sent_at(world) == ["Thu 26 Nov 19:45"]


def test_a_wait_for_a_closed_day_ends_earlier(world: World) -> None:
    world.template("greeting")
    set_date(world, world.contact(), "1990-11-28")  # a Saturday
    text = journey(
        "{tag_added: go}",
        "- wait: {until: {field: birthday}, at: 09:30, if_past: skip_next}\n- send: greeting",
    )
    world.publish(text + f"\n  {WORKING}, outside: earlier}}")
    dana = world.rows(Contact)[0].id
    set_date(world, dana, "2026-11-28")
    world.event(dana, "tag_added", tag="go")
    world.play(timedelta(days=10))
    assert sent_at(world) == ["Thu 26 Nov 19:45"]


def test_earlier_is_impossible_when_the_last_moment_has_passed(world: World) -> None:
    world.template("greeting")
    text = journey("{date: birthday, every: year, at: 09:00}", too_late_after="3 days")
    world.publish(text + f"\n  {WORKING}, outside: earlier}}")
    world.play(datetime(2026, 11, 26, 21, 0, tzinfo=JERUSALEM))
    set_date(world, world.contact(), "1990-11-27")
    world.play(timedelta(days=5))
    assert sent_at(world) == ["Sun 29 Nov 09:00"]


@pytest.mark.parametrize("jump", [timedelta(hours=1), -timedelta(hours=1), -timedelta(days=1), -timedelta(days=365)])
def test_t02_a_wall_clock_that_jumps_sends_nothing_early_and_nothing_twice(world: World, jump: timedelta) -> None:
    world.template("greeting")
    dana = world.contact()
    set_date(world, dana, "1990-11-24")
    steps = "- send: greeting\n- wait: 1 day\n- send: greeting\n  id: again"
    world.publish(journey("{date: birthday, every: year, at: 07:00}", steps) + f"\n  {WORKING}}}")
    world.play(datetime(2026, 11, 24, 9, 30, tzinfo=JERUSALEM))
    assert len(world.sent()) == 1
    world.now += jump
    world.work()
    world.play(timedelta(hours=2))
    world.now -= jump  # set right again
    world.play(timedelta(days=10))
    assert len(world.sent()) == 2
    assert len(world.runs()) == 1
    for one in world.messages():
        assert 9 <= one.wire_at.astimezone(JERUSALEM).hour < 20


@pytest.mark.parametrize("step", [timedelta(seconds=60), -timedelta(seconds=60)])
def test_t03_a_step_of_the_clock_during_a_wait_of_three_days_changes_nothing(world: World, step: timedelta) -> None:
    world.template("greeting")
    dana = world.contact()
    world.publish(journey("{tag_added: go}", "- wait: 3 days\n- send: greeting"))
    world.event(dana, "tag_added", tag="go")
    world.play(timedelta(days=1))
    world.now += step
    world.play(timedelta(days=4))
    [message] = world.messages()
    assert abs(message.wire_at - datetime(2026, 11, 25, 8, 0, tzinfo=UTC)) <= timedelta(seconds=60)


@pytest.mark.databases("sqlite")
def test_t09_all_who_are_due_in_the_same_second_enter_once(world: World) -> None:
    """The bench does it with 100,000; here a thousand show that batches leave nobody out and take nobody twice."""
    populate(world, 1000, lambda _n: date(1990, 11, 23))
    world.publish(journey("{date: birthday, every: year, at: 09:00}", "- tag: congratulated"))
    world.play(timedelta(days=2))
    runs = world.runs()
    assert len(runs) == len({run.contact_id for run in runs}) == 1000
    assert {run.status for run in runs} == {"finished"}
    assert world.rows(PlannedEntry, done_at=None) == []


@pytest.mark.databases("sqlite")
def test_a_base_of_thousands_is_not_walked_through(world: World) -> None:
    """Only those whose day it is are read: the planner asks an index for their dates."""
    populate(world, 3000, lambda n: date(1950, 1, 1) + timedelta(days=n * 7))
    world.publish(journey("{date: birthday, every: year, at: 09:00}"))
    with clock.hold(world.now), writing() as session:
        planned = dates.plan_in(session, world.now)
    assert 5 <= planned <= 40
    assert world.rows(Enrolment) == []


@pytest.mark.parametrize("place", ["stop_when: [{every: day, audience: {has_tag: x}}]", "stop_when: [{manual: yes}]"])
def test_a_schedule_does_not_stop_a_journey_and_that_is_said_at_publishing(place: str) -> None:
    text = HEADER + (
        "  x:\n    name: X\n    purpose: marketing\n    review_after: 1 year\n"
        "    start_when: {date: birthday, every: year}\n"
        f"    {place}\n    steps:\n      - tag: y\n"
    )
    program = check(text).journeys["x"].program
    assert program is not None
    assert [one.code for one in not_running_yet(program, RUNNING)] == ["trigger_not_running"]


def populate(world: World, count: int, birthday: Callable[[int], date]) -> None:
    with writing() as session:
        field = session.query(ContactField).filter_by(name="birthday").one()
        connection, now = session.connection(), world.now
        blank = {
            "first_name": "",
            "last_name": "",
            "company": "",
            "search_text": "",
            "created_at": now,
            "updated_at": now,
        }
        connection.execute(
            table_of(Contact).insert(),
            [{"id": n, "public_id": f"{n:026}", "name": str(n), **blank} for n in range(1, count + 1)],
        )
        connection.execute(
            table_of(FieldValue).insert(),
            [{"contact_id": n, "field_id": field.id, "text": "", "day": birthday(n)} for n in range(1, count + 1)],
        )
