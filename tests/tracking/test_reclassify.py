"""D19: verdicts can be revised. The raw hits stay, everything concluded from them follows, and no journey starts."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from panel.cli.tracking import command
from panel.db import writing
from panel.messages.models import Message
from panel.timeline.models import Event
from panel.tracking.agents import agent_of
from panel.tracking.judging import reclassify
from panel.tracking.models import TrackingHit
from panel.tracking.operations import record_click, record_open
from panel.tracking.rules import RULES, Hit
from tests.tracking.test_operations import APPLE, PERSON, SCANNER, events
from tests.tracking.test_rules import CHROME, GMAIL, IPHONE, OUTLOOK, THUNDERBIRD, YAHOO

ROUTED = "the journeys have seen it"


def hits(session) -> list[TrackingHit]:
    session.expire_all()
    return list(session.scalars(select(TrackingHit).order_by(TrackingHit.id)))


def story(session, message: Message) -> Counter:
    session.expire_all()
    query = select(Event.kind).where(Event.message_id == message.id)
    return Counter(session.scalars(query))


def test_d19_a_burst_is_judged_as_a_whole_and_its_first_click_never_reaches_a_journey(session, sent, now):
    message = sent()
    for link in range(3):
        record_click(session, message.id, link, SCANNER, now=now + timedelta(seconds=link))
    assert {(one.verdict, one.reason, one.rules) for one in hits(session)} == {("machine", "all_links_at_once", RULES)}
    assert story(session, message) == {"machine_clicked": 3}
    for event in session.scalars(select(Event).where(Event.message_id == message.id)):
        assert (event.data["verdict"], event.starts_journeys, event.routed_at is not None) == ("machine", False, True)


def test_d19_a_person_after_the_scanner_still_counts_and_starts_what_a_click_starts(session, sent, now):
    message = sent()
    for link in range(3):
        record_click(session, message.id, link, SCANNER, now=now + timedelta(seconds=link))
    record_click(session, message.id, 0, PERSON, now=now + timedelta(hours=2))
    assert story(session, message) == {"machine_clicked": 3, "link_clicked": 1}
    (event,) = events(session, message, "link_clicked")
    assert (event.data["verdict"], event.starts_journeys, event.routed_at) == ("human", True, None)


def spoilt(session, sent, now):
    """A person's open and a machine's click, stored by worse rules that took each for the other."""
    message = sent()
    record_open(session, message.id, PERSON, now=now)
    record_open(session, message.id, PERSON, now=now + timedelta(hours=1))
    record_click(session, message.id, 0, Hit(user_agent="curl/8.5", network="x"), now=now + timedelta(minutes=5))
    record_click(session, message.id, 1, PERSON, now=now + timedelta(minutes=9))
    session.execute(update(TrackingHit).where(TrackingHit.kind == "open").values(verdict="machine", rules=1))
    first = select(TrackingHit.id).where(TrackingHit.user_agent == "curl/8.5")
    session.execute(update(TrackingHit).where(TrackingHit.id.in_(first)).values(verdict="human", reason="", rules=1))
    message.first_opened_at, message.first_clicked_at = None, now + timedelta(minutes=5)
    opened, wrong = (
        select(Event).where(Event.kind == "message_opened"),
        select(Event).where(Event.kind == "machine_clicked"),
    )
    for one in session.scalars(opened):
        one.kind, one.data, one.starts_journeys = "machine_opened", {**one.data, "verdict": "machine"}, False
        one.external_id, one.routed_at = f"open:{message.id}:machine", now
    for one in session.scalars(wrong):
        one.kind, one.data, one.external_id = (
            "link_clicked",
            {**one.data, "verdict": "human"},
            f"click:{message.id}:0:human",
        )
    session.commit()
    return message


def test_d19_reclassifying_sets_right_hits_message_and_timeline_and_starts_nothing(app, session, sent, now):
    message = spoilt(session, sent, now)
    waiting = set(session.scalars(select(Event.id).where(Event.routed_at.is_(None))))
    session.rollback()
    done = reclassify(writing)
    assert dict(done.verdicts) == {("open", "machine", "human"): 2, ("click", "human", "machine"): 1}
    assert (done.messages, done.hits, done.first_times) == (1, 4, 1)
    kept = hits(session)
    assert [one.user_agent for one in kept] == [CHROME, CHROME, "curl/8.5", CHROME]
    assert [one.verdict for one in kept] == ["human", "human", "machine", "human"]
    session.refresh(message)
    assert (message.first_opened_at, message.first_clicked_at) == (now, now + timedelta(minutes=9))
    assert story(session, message) == {"message_opened": 1, "machine_clicked": 1, "link_clicked": 1}
    assert set(session.scalars(select(Event.id).where(Event.routed_at.is_(None)))) <= waiting, "no journey may start"
    (opened,) = events(session, message, "message_opened")
    assert (opened.data["verdict"], opened.starts_journeys) == ("human", False)
    session.rollback()
    again = reclassify(writing)
    assert (again.changed, again.first_times, again.events) == (0, 0, 0), "a second run finds nothing to do"


def test_d19_where_the_only_event_of_a_verdict_turns_another_hit_takes_its_place(app, session, sent, now):
    message = sent()
    record_click(session, message.id, 0, Hit(user_agent="curl/8.5", network="x"), now=now)
    session.execute(update(TrackingHit).values(verdict="human", reason=""))
    session.execute(update(Event).where(Event.kind == "machine_clicked").values(
        kind="link_clicked", external_id=f"click:{message.id}:0:human"))  # fmt: skip
    record_click(session, message.id, 0, PERSON, now=now + timedelta(minutes=3))
    session.commit()
    assert story(session, message) == {"link_clicked": 1}
    session.rollback()
    reclassify(writing)
    assert story(session, message) == {"machine_clicked": 1, "link_clicked": 1}
    (click,) = events(session, message, "link_clicked")
    assert (click.occurred_at, click.data["url"], click.starts_journeys) == (
        now + timedelta(minutes=3),
        "https://a.test/",
        False,
    )


def test_d19_a_run_that_was_interrupted_goes_on_and_since_leaves_the_rest_alone(app, session, sent, now):
    first, second = sent(), sent()
    for message in (first, second):
        record_open(session, message.id, PERSON, now=now - timedelta(minutes=50))
    record_open(session, second.id, APPLE, now=now)
    session.execute(update(TrackingHit).values(verdict="machine"))
    session.commit()

    class Stopped(Exception):  # noqa: N818
        pass

    def stop(_changes):
        raise Stopped

    with pytest.raises(Stopped):
        reclassify(writing, batch=1, progress=stop)
    session.expire_all()
    assert Counter(one.verdict for one in hits(session)) == {"human": 1, "machine": 2}
    session.rollback()
    assert reclassify(writing, since=now).messages == 1
    assert Counter(one.verdict for one in hits(session)) == {"human": 2, "machine": 1}
    session.rollback()
    assert reclassify(writing).changed == 0


@pytest.mark.databases("sqlite")
def test_the_command_says_what_would_change_and_changes_it(app, session, sent, now, monkeypatch):
    monkeypatch.setenv("PANEL_INSTANCE", str(app.config["PANEL"].instance))
    monkeypatch.setenv("PANEL_DATABASE_URL", str(app.config["PANEL"].database_url))
    monkeypatch.setenv("PANEL_LANGUAGE", "en")
    spoilt(session, sent, now)
    session.rollback()
    told = CliRunner().invoke(command, ["reclassify", "--dry-run"], catch_exceptions=False)
    assert "Opens: 2 that counted as a machine count as a person" in told.output
    assert "Nothing was changed." in told.output
    done = CliRunner().invoke(command, ["reclassify", "--json"], catch_exceptions=False)
    assert json.loads(done.output)["changed"] == 3
    again = CliRunner().invoke(command, ["reclassify", "--since", "2020-01-01"], catch_exceptions=False)
    assert "every verdict stays" in again.output
    wrong = CliRunner().invoke(command, ["reclassify", "--since", "soon"])
    assert wrong.exit_code == 1


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (CHROME, "Chrome · Windows"), (IPHONE, "Apple Mail · iPhone"), (OUTLOOK, "Outlook · Windows"),
        (THUNDERBIRD, "Thunderbird · Linux"), (GMAIL, "Gmail (images)"), (YAHOO, "Yahoo Mail (images)"),
        ("Mozilla/5.0", "Apple Mail (privacy)"), ("", ""), ("curl/8.5", "curl"), ("x" * 10_000, ""),
    ],
)  # fmt: skip
@pytest.mark.databases("sqlite")
def test_a_hit_names_its_program_and_device_as_far_as_it_tells(agent, words):
    assert str(agent_of(agent)) == words
