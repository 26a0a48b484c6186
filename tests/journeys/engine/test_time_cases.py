"""The twelve cases of time in the shared corpora, each through the real engine: sent once, when we say it should."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from panel.contacts.models import Contact
from panel.db import writing
from panel.issues.models import Issue
from panel.journeys.engine.zones import warn_of_unknown_zones
from panel.journeys.language import check
from tests.journeys.engine.world import HEADER, World

CORPORA = Path(os.environ.get("PANEL_CORPORA", Path(__file__).parents[4] / "shared" / "corpora"))
CASES_FILE = CORPORA / "generated" / "time_cases.json"
NEEDS_CORPORA = pytest.mark.skipif(not CORPORA.exists(), reason="the corpora folder is not part of a user's checkout")
CASES: list[dict[str, str]] = json.loads(CASES_FILE.read_text()) if CASES_FILE.exists() else []

# When each is sent, as UTC: a time that does not exist moves on by the gap, one that comes twice means the first.
SENT = {
    ("Asia/Jerusalem", "2027-03-26T02:30"): "2027-03-26T00:30",  # 03:30 there
    ("Asia/Jerusalem", "2027-10-31T01:30"): "2027-10-30T22:30",  # the first
    ("Asia/Tehran", "2027-03-22T00:30"): "2027-03-21T21:00",
    ("Europe/London", "2027-03-28T01:30"): "2027-03-28T01:30",  # 02:30 there
    ("America/New_York", "2027-11-07T01:30"): "2027-11-07T05:30",
    ("Australia/Lord_Howe", "2027-10-03T02:15"): "2027-10-02T15:45",  # 02:45 there
    ("Africa/Casablanca", "2027-02-07T02:30"): "2027-02-07T01:30",
    ("UTC", "2027-02-28T23:59"): "2027-02-28T23:59",
    ("Asia/Jerusalem", "2026-11-22T03:00"): "2026-11-22T07:00",  # 09:00 there
    (
        "Asia/Jerusalem",
        "2027-03-26T22:00",
    ): "2027-03-26T19:00",  # the wait ends; 15:00 in New York, where she is by then
    ("bad/zone", "2027-01-01T10:00"): "2027-01-01T08:00",  # by the fallback, Jerusalem
    ("Asia/Kolkata", "2027-01-01T10:00"): "2027-01-01T04:30",
}


def journey(start: str, steps: str, hours: str = "any") -> str:
    return (
        "timely:\n  name: Timely\n  purpose: marketing\n  review_after: 2 years\n"
        f"  fallback_time_zone: Asia/Jerusalem\n  send_hours: {hours}\n  start_when: {start}\n  steps:\n{steps}"
    )


def _go(world: World, case: dict[str, str], zone: str | None) -> None:
    """Let the contact wait for the moment of the case."""
    moment = datetime.fromisoformat(case["local"])
    known = zone if zone and "bad" not in zone else None
    world.now = moment.replace(tzinfo=ZoneInfo(known or "Asia/Jerusalem")).astimezone(UTC) - timedelta(days=2)
    contact = world.contact(time_zone=known)
    if zone != known:
        with writing() as session:  # what an old import left behind
            session.get_one(Contact, contact).time_zone = zone
    day, clock_time = case["local"].split("T")
    steps = f'    - wait: {{until: {{date: {day}}}, at: "{clock_time}"}}\n    - send: hello\n'
    hours = "{from: 09:00, to: 20:00}" if "quiet hours" in case["why"] or "changes timezone" in case["why"] else "any"
    start = "{tag_added: go}"
    if "monthly" in case["why"]:
        start = f'{{every: month, on: 31, at: "{clock_time}", audience: {{can_reach: email}}}}'
        steps = "    - send: hello\n"
    world.publish(journey(start, steps, hours))
    world.event(contact, "tag_added", tag="go")
    world.work()
    if "changes timezone" in case["why"]:
        with writing() as session:
            session.get_one(Contact, contact).time_zone = "America/New_York"


@NEEDS_CORPORA
@pytest.mark.parametrize("case", CASES, ids=[f"{one['tz']} {one['local']}" for one in CASES])
def test_t01_each_case_of_the_corpus_is_sent_once_and_when_it_should(world: World, case: dict[str, str]) -> None:
    world.template("hello")
    _go(world, case, case["tz"])
    world.play(timedelta(days=4))
    messages = world.messages()
    assert [one.status for one in messages] == ["sent"]
    assert len(world.sent()) == 1
    expected = SENT[(case["tz"], case["local"])]
    assert messages[0].wire_at.replace(second=0, microsecond=0) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@NEEDS_CORPORA
def test_t01_there_are_twelve_cases() -> None:
    assert len(CASES) == len(SENT) == 12


def test_t01_an_unknown_zone_is_refused_in_a_journey() -> None:
    text = (
        HEADER
        + "  x:\n    name: X\n    purpose: marketing\n    review_after: 1 year\n    time_zone: bad/zone\n"
        + ("    start_when: {tag_added: go}\n    steps:\n      - tag: y\n")
    )
    assert [problem.path for problem in check(text).problems] == ["journeys/x/time_zone"]


def test_t01_an_unknown_zone_of_a_contact_is_shown_to_people(world: World) -> None:
    contact = world.contact()
    with writing() as session:
        session.get_one(Contact, contact).time_zone = "bad/zone"
    world.do(warn_of_unknown_zones, world.now)
    [issue] = world.rows(Issue)
    assert (issue.code, issue.params) == ("zone_unknown", {"zone": "bad/zone", "n": 1})
    with writing() as session:
        session.get_one(Contact, contact).time_zone = "Asia/Tehran"
    world.do(warn_of_unknown_zones, world.now)
    assert [issue.state for issue in world.rows(Issue)] == ["resolved"]
