"""Trying a journey on a contact, and the forecast of everybody, on their pages."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts import operations as contacts
from panel.contacts.models import Contact
from panel.db import writing
from panel.journeys import operations
from panel.journeys.by_hand import start_by_hand
from panel.journeys.models import Enrolment
from panel.journeys.names import vocabulary
from panel.journeys.simulate import work
from panel.journeys.simulate.models import Simulation
from panel.sdk.context import NewContact
from tests.web.journeys import FILE, WIN_BACK, put_file


@pytest.fixture
def dana(app):
    """`win_back` is live; nobody is inside."""
    path = put_file(app, FILE)
    with writing() as session:
        operations.watch_file(session, path, vocabulary=vocabulary(session))
        operations.publish(session, "win_back", file_text=FILE, vocabulary=vocabulary(session), now=clock.now())
        contact_id = contacts.create_contact(
            session, NewContact(name="Dana Levi", emails=["d@example.co.il"]), how="manual"
        )
        return session.get_one(Contact, contact_id).public_id


@pytest.mark.databases("sqlite")
def test_without_a_contact_the_page_asks_for_one(logged_in, dana):
    assert "Choose a contact" in logged_in().text("/admin/simulate/win_back")


def test_the_days_that_would_come_are_told_and_nothing_is_written(logged_in, dana, stored):
    text = logged_in().text(f"/admin/simulate/win_back?contact={dana}&days=30")
    assert "Enters the journey" in text
    assert "We miss you" in text
    assert "Hello Dana!" in text
    assert stored.scalars(select(Enrolment)).all() == []


@pytest.mark.databases("sqlite")
def test_a_search_that_finds_one_contact_is_enough(logged_in, dana):
    assert "Enters the journey" in logged_in().text("/admin/simulate/win_back?q=dana")


@pytest.mark.databases("sqlite")
def test_what_was_chosen_is_kept_when_several_contacts_are_like_that_and_nothing_is_said_to_be_guessed(logged_in, dana):
    with writing() as session:
        contacts.create_contact(session, NewContact(name="Dana Cohen", emails=["c@example.co.il"]), how="manual")
    text = logged_in().text("/admin/simulate/win_back?q=dana&opens=24&event=order_paid&days=30")
    assert len(re.findall(r'win_back\?contact=\w+&amp;opens=24&amp;event=order_paid&amp;days=30"', text)) == 2
    assert "is not guessed" in text
    assert "those who did not" in logged_in("viewer").text("/admin/simulate/")


@pytest.mark.databases("sqlite")
def test_a_draft_with_mistakes_says_what_is_wrong(logged_in, dana, app):
    with writing() as session:
        operations.save_draft(session, "win_back", WIN_BACK.replace("purpose: service", "purpose: srvice"))
    text = logged_in().text(f"/admin/simulate/win_back?contact={dana}&draft=1")
    assert "not one of" in text


@pytest.mark.databases("sqlite")
def test_the_page_offers_a_forecast_and_shows_it_when_it_is_made(logged_in, dana, app):
    person = logged_in()
    assert "No forecast has been made yet" in person.text("/admin/simulate/")
    with writing() as session:
        contact_id = session.scalars(select(Contact.id)).one()
        start_by_hand(session, contact_id, "win_back")
        found = work.ask(session, 30)
        assert work.ask(session, 60).id == found.id
    assert "is being made" in person.text("/admin/simulate/")
    work.make(found.id, processes=1)
    text = person.text("/admin/simulate/")
    assert "Messages per day" in text
    assert "<rect" in text


@pytest.mark.databases("sqlite")
def test_a_forecast_can_be_stopped_while_it_is_being_made(logged_in, dana, stored):
    with writing() as session:
        work.ask(session, 60)
    assert "Stop the forecast" not in logged_in("viewer").text("/admin/simulate/")
    person = logged_in()
    assert "Stop the forecast" in person.text("/admin/simulate/")
    assert person.post("/admin/simulate/stop").status_code == 303
    text = person.text("/admin/simulate/")
    assert "The forecast was stopped." in text
    assert "Make a forecast of 60 days" in text
    assert stored.scalars(select(Simulation.state)).all() == ["cancelled"]
    person.post("/admin/simulate/stop")
    assert "The forecast was stopped." not in person.text("/admin/simulate/")


@pytest.mark.databases("sqlite")
def test_who_may_not_edit_journeys_cannot_ask_for_a_forecast_or_stop_one(logged_in, dana, stored):
    person = logged_in("viewer")
    assert "/admin/simulate/make" not in person.text("/admin/simulate/")
    assert person.post("/admin/simulate/stop").status_code == 403
    assert person.post("/admin/simulate/make").status_code == 403
    assert stored.scalars(select(Simulation)).all() == []
