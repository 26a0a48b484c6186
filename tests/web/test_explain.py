"""The four answers about a contact and a journey, on their page."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from panel.contacts.models import Contact
from panel.db import writing
from panel.journeys import helping, operations
from panel.journeys.by_hand import start_by_hand
from panel.journeys.engine.advance import advance
from panel.journeys.models import Enrolment
from tests.web.journeys import WIN_BACK
from tests.web.test_simulate import dana

__all__ = ["dana"]


@pytest.mark.databases("sqlite")
def test_the_page_asks_about_whom_and_leads_to_the_answer(logged_in, dana):
    person = logged_in()
    assert "About whom?" in person.text("/admin/explain/win_back")
    answer = person.get("/admin/explain/win_back?q=dana")
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith(f"/admin/explain/win_back/{dana}")


@pytest.mark.parametrize("language", ["en", "he", "fa"])
@pytest.mark.databases("sqlite")
def test_who_was_never_inside_is_told_what_would_start_it(logged_in, dana, language):
    text = logged_in(language=language).text(f"/admin/explain/win_back/{dana}")
    assert ("It starts when" in text) == (language == "en")


def test_who_is_inside_is_told_what_comes_next(logged_in, dana, app):
    with writing() as session:
        start_by_hand(session, session.scalars(select(Contact.id)).one(), "win_back")
    text = logged_in().text(f"/admin/explain/win_back/{dana}")
    assert "What comes next, and when" in text
    assert "It ends on" in text
    assert "This channel may be used at any hour." in text


@pytest.mark.databases("sqlite")
def test_what_was_done_under_an_older_version_is_said_in_its_words(logged_in, dana, app):
    with writing() as session:
        start_by_hand(session, session.scalars(select(Contact.id)).one(), "win_back")
    advance()
    with writing() as session:
        helping.skip_step(session, [session.scalars(select(Enrolment.id)).one()])
    text = WIN_BACK.replace("We miss you", "Come back").replace("Hello ", "Shalom ").replace("miss_you", "come_back")
    with writing() as session:
        operations.publish(session, "win_back", text=text.replace("\n  ", "\n").removeprefix("  "))
    advance()
    person = logged_in()
    for url in (f"/admin/explain/win_back/{dana}", f"/admin/contact/{dana}/why?journey=win_back"):
        page = person.text(url)
        assert "Send “Hello" in page, url
        assert "Send “Shalom" not in page, url


@pytest.mark.databases("sqlite")
def test_a_journey_or_contact_that_is_not_there_is_not_found(logged_in, dana):
    person = logged_in()
    assert person.get("/admin/explain/nowhere").status_code == 404
    assert person.get("/admin/explain/win_back/nobody").status_code == 404
