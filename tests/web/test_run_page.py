"""The page of one contact's run: the drawn path, the record beside it, and what a person may do with it."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.journeys.by_hand import start_by_hand
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.timeline.models import Event
from tests.journeys.engine.conftest import channels, world  # noqa: F401
from tests.journeys.engine.world import World

JOURNEY = """
series:
  name: "Letters & <b>more</b>"
  purpose: service
  start_when: [{manual: yes}]
  stop_when: [{event: order_paid, reason: bought}]
  re_enter: always
  review_after: 1 year
  steps:
    - send: one
    - if: {has_tag: VIP}
      then:
        - note: for the best
      else:
        - {note: for all, id: for_all}
    - {wait: 2 days, id: rest}
    - send: two
"""


@pytest.fixture
def run(world: World) -> Enrolment:  # noqa: F811
    """One contact who was sent the first letter and now waits."""
    world.now = clock.now() - timedelta(hours=1)
    for name in ("one", "two"):
        world.template(name, text="Hello")
    world.publish(JOURNEY)
    world.do(start_by_hand, world.contact("Emma Wilson"), "series", now=world.now)
    world.work()
    [found] = world.runs()
    return found


def url_of(session, run: Enrolment) -> str:
    public_id = session.scalar(select(Contact.public_id).where(Contact.id == run.contact_id))
    session.rollback()
    return f"/admin/contact/{public_id}"


def flat(text: str) -> str:
    main = re.sub(r"<svg class=\"flow\".*?</svg>\s*</div>", " ", text[text.index("<main") :], flags=re.S)
    return " ".join(unescape(re.sub("<[^>]+>", " ", main)).split())


def status(stored, run: Enrolment) -> tuple[str, str | None]:
    found = stored.get(Enrolment, run.id, populate_existing=True)
    seen = (found.status, found.reason)
    stored.rollback()
    return seen


def test_the_page_shows_the_path_the_place_and_the_record(stored, logged_in, run):
    page = url_of(stored, run) + f"/journey/{run.id}"
    text = logged_in("support").text(page)
    drawn = re.findall(r'<g class="flow-box is-(\w+)" data-step="(\w+)"', text)
    states = {step: state for state, step in drawn}
    assert len(drawn) == len(states) == 6
    assert states["send_one"] == states["for_all"] == "done"
    assert states["rest"] == "here"
    assert states["send_two"] == "ahead"
    assert [state for step, state in states.items() if step.startswith("note")] == ["away"]
    assert 'role="img"' in text
    assert "<b>more</b>" not in text
    said = flat(text)
    for words in (
        "Started by hand.", "Version 1, the live one.", "What would stop it", "It stops at once when",
        "the contact has the tag VIP" if "the contact has the tag VIP" in said else "VIP",
        "Wait 2 days", "stands here", "may come", "will not come", "Show as sent", "Next look",
    ):  # fmt: skip
        assert words in said, words


def test_the_page_of_a_run_that_an_event_started_says_where_that_came_from(stored, logged_in, world):  # noqa: F811
    world.template("one", text="Hello")
    text = JOURNEY.replace("{manual: yes}", "{event: order_paid}").replace(
        "{event: order_paid, reason", "{event: order_cancelled, reason"
    )
    world.publish(text.replace("    - send: two\n", ""))
    world.now = clock.now()
    world.event(world.contact("Emma Wilson"), "order_paid", amount="5")
    world.work()
    [run] = world.runs()
    support = logged_in("support")
    said = flat(support.text(url_of(stored, run) + f"/journey/{run.id}"))
    assert "It was told by test." in said
    assert "(source: test)" in flat(support.text(url_of(stored, run) + "/why?journey=series"))


def test_pausing_skipping_moving_and_taking_out_from_the_page(stored, logged_in, run, world):  # noqa: F811
    person = logged_in("support")
    card = url_of(stored, run)
    page = f"{card}/journey/{run.id}"
    person.post(f"{page}/pause", page=page, why="on holiday", **{"from": "run"})
    assert status(stored, run) == ("held", "paused_by_person")
    text = flat(person.text(page))
    assert "paused this journey for the contact. on holiday" in text
    assert "Let it go on" in text
    assert "Undo" in text
    assert "Paused in the journey" in flat(person.text(card))
    person.post(f"{page}/go_on", page=page, confirmed="1")
    assert status(stored, run) == ("active", None)

    asked = person.post(f"{page}/skip", page=page, seen=run.seq, **{"from": "run"})
    assert "Skip this step?" in asked.text
    person.post(f"{page}/skip", page=page, seen=run.seq - 1, confirmed="1", **{"from": "run"})
    assert "gone on to another step" in flat(person.text(page))
    assert "Move to this step" in person.text(f"{page}/move")
    person.post(f"{page}/move", page=page, seen=run.seq, step="send_two", **{"from": "run"})
    assert stored.get(Enrolment, run.id, populate_existing=True).step_id == "send_two"
    stored.rollback()

    person.post(f"{page}/take_out", page=page, confirmed="1")
    assert status(stored, run)[0] == "removed"
    assert f"/journey/{run.id}/put_back" in person.text(card)
    person.post(f"{page}/put_back", page=page, confirmed="1")
    assert status(stored, run) == ("active", None)
    kinds = stored.scalars(select(Event.kind).where(Event.enrolment_id == run.id, Event.user_id.is_not(None))).all()
    assert [one for one in kinds if one.startswith("journey_")] == [
        "journey_paused", "journey_resumed", "journey_moved", "journey_ended", "journey_put_back",
    ]  # fmt: skip


@pytest.mark.databases("sqlite")
def test_who_may_only_look_changes_nothing(stored, logged_in, run):
    viewer = logged_in("viewer")
    page = url_of(stored, run) + f"/journey/{run.id}"
    assert "/pause" not in viewer.text(page)
    for what in ("pause", "skip", "take_out", "move"):
        assert viewer.post(f"{page}/{what}", page=page, confirmed="1").status_code == 403
    assert status(stored, run)[0] == "active"


@pytest.mark.databases("sqlite")
def test_a_run_of_somebody_else_is_not_found(stored, logged_in, run, world):  # noqa: F811
    other = world.contact("Somebody Else")
    public_id = stored.scalar(select(Contact.public_id).where(Contact.id == other))
    stored.rollback()
    person = logged_in()
    assert person.get(f"/admin/contact/{public_id}/journey/{run.id}").status_code == 404
    message = stored.scalars(select(Message.id)).first()
    stored.rollback()
    assert person.get(f"/admin/contact/{public_id}/message/{message}").status_code == 404


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_why_a_message_went_from_the_start_to_what_became_of_it(stored, logged_in, run, language):
    message = stored.scalars(select(Message.id).order_by(Message.id)).first()
    stored.rollback()
    said = flat(logged_in("support", language=language).text(url_of(stored, run) + f"/message/{message}"))
    if language == "en":
        for words in ("What started it", "Started by hand.", "The step", "It was meant for", "It left on", "Sent"):
            assert words in said, words


@pytest.mark.databases("sqlite")
def test_the_card_leads_to_the_path_and_to_the_reason_of_each_message(stored, logged_in, run):
    card = url_of(stored, run)
    text = logged_in("support").text(card)
    message = stored.scalars(select(Message.id)).first()
    stored.rollback()
    assert f"{card}/journey/{run.id}" in text
    assert f"{card}/message/{message}" in text
