"""The pages for bad days: after a restore, those who stand still, and what resuming a journey would do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from panel import clock
from panel.contacts import operations as contacts
from panel.db import writing
from panel.installation.models import Heartbeat
from panel.installation.queries import get_setting
from panel.issues.models import Issue
from panel.issues.operations import raise_issue
from panel.journeys import operations, restoring
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine import breaker, marks
from panel.journeys.models import Enrolment, Journey
from panel.journeys.names import vocabulary
from panel.sdk.context import NewContact
from tests.web.journeys import FILE, put_file

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def inside(app):
    """`win_back` is live; somebody is inside and due."""
    path = put_file(app, FILE)
    with writing() as session:
        operations.watch_file(session, path, vocabulary=vocabulary(session))
        operations.publish(session, "win_back", file_text=FILE, vocabulary=vocabulary(session), now=clock.now())
        contact_id = contacts.create_contact(
            session, NewContact(name="דנה לוי", emails=["d@example.co.il"]), how="manual"
        )
        assert start_by_hand(session, contact_id, "win_back").code == "entered"
    return contact_id


def test_after_a_restore_every_page_says_so_and_each_group_is_decided(logged_in, stored, inside):
    person = logged_in("marketing")
    assert "Nothing was restored" in person.text("/admin/restore/")
    with writing() as session:
        marks.pause(session, "no_file", clock.now() - timedelta(hours=1), clock.now())
    assert "Nothing is sent and nobody moves" in person.text("/admin/contacts/")
    page = person.text("/admin/restore/")
    assert "brought here from another place" in page
    assert "disabled" in page
    whom = 'href="/admin/contact/'
    assert whom in page
    with writing() as session:
        [group] = restoring.groups(session, clock.now())
    everybody = person.text(f"/admin/restore/whom?key={group.key}")
    assert whom in everybody
    assert "in the order in which they were due." in everybody
    assert whom not in person.text(f"/admin/restore/whom?key={group.key}&from=100")
    assert person.client.get("/admin/restore/whom?key=r:nobody:x").status_code == 303
    person.post("/admin/restore/decide", page="/admin/restore/", key=group.key, what="skip", hours="0")
    assert "chip-green" in person.text("/admin/restore/")
    assert person.post("/admin/restore/resume", page="/admin/restore/", confirmed="1").status_code == 303
    stored.expire_all()
    assert get_setting(stored, "sending_paused") == {}
    assert "Nothing is sent and nobody moves" not in person.text("/admin/contacts/")


def test_a_silent_ticker_is_said_on_every_page(logged_in, app):
    with writing() as session:
        session.add(Heartbeat(name="ticker:here:1", at=clock.now() - timedelta(minutes=5)))
    assert "panel ticker" in logged_in("viewer").text("/admin/contacts/")


def test_those_behind_an_issue_are_listed_and_helped(logged_in, stored, inside):
    person = logged_in("marketing")
    with writing() as session:
        issue = raise_issue(session, "x", code="held_error", sentence="Something broke", journey_id="win_back")
        values = {"status": "held", "reason": "held_error", "held_issue": issue.id, "due_at": None}
        session.execute(update(Enrolment).values(**values))
    url = f"/admin/held/?issue={issue.id}"
    assert f"/admin/held/?issue={issue.id}" in person.text("/admin/issues/")
    page = person.text(url)
    assert "דנה לוי" in page
    assert "Something broke" in page
    assert person.post("/admin/held/help", page=url, issue=str(issue.id), what="retry").status_code == 303
    for what, asks in (
        ("skip", "Skip the step for 1 contact?"),
        ("move", "Move 1 contact to the step"),
        ("end", "Take 1"),
    ):
        asked = person.post("/admin/held/help", page=url, issue=str(issue.id), everybody="1", what=what, target="x")
        assert asks in asked.get_data(as_text=True)
    person.post("/admin/held/help", page=url, issue=str(issue.id), everybody="1", what="retry")
    stored.expire_all()
    assert [one.status for one in stored.query(Enrolment)] == ["active"]
    assert "Nobody stands still" in person.text("/admin/held/")
    assert logged_in("viewer").post("/admin/held/help", what="retry", everybody="1").status_code == 403


def test_trying_a_channel_again_ends_its_rest_and_every_issue_of_a_journey_leads_there(logged_in, stored, inside):
    person = logged_in("marketing")
    with writing() as session:
        breaker.trouble(session, "email", "535 refused", clock.now())
        trouble = raise_issue(
            session, "channel:email", code="channel_in_trouble", sentence="Waiting", params={"channel": "email"}
        ).id
        raise_issue(session, "journeys_file:win_back", code="not_a_length", sentence="A fault", journey_id="win_back")
    assert "/admin/journeys/win_back" in person.text("/admin/issues/")
    person.post("/admin/issues/action/", page="/admin/issues/", action="retry", rowid=str(trouble))
    stored.expire_all()
    assert breaker.resting_until(stored, "email", clock.now()) is None
    assert stored.get(Issue, trouble).state == "resolved"
    assert "What waits is tried again now." in person.text("/admin/issues/")


def test_a_paused_journey_says_what_would_go_before_it_goes_on(logged_in, stored, inside):
    person = logged_in("marketing")
    person.post("/admin/journeys/win_back/pause", confirmed="1")
    page = person.text("/admin/journeys/win_back/resume")
    assert "would go now" in page
    assert person.post("/admin/journeys/win_back/resume", confirmed="1", hours="4").status_code == 303
    stored.expire_all()
    assert stored.get(Journey, "win_back").state == "live"


@pytest.mark.parametrize("language", ["he", "fa"])
def test_the_pages_stand_in_every_language(logged_in, inside, language):
    person = logged_in("marketing")
    with writing() as session:
        marks.pause(session, "copied", clock.now() - timedelta(hours=1), clock.now())
    for path in ("/admin/restore/", "/admin/held/"):
        page = person.client.get(path, headers={"Accept-Language": language})
        assert page.status_code == 200
