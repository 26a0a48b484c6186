"""The four answers about a contact and a journey, on their page."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from panel.contacts.models import Contact
from panel.db import writing
from panel.journeys.by_hand import start_by_hand
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
def test_a_journey_or_contact_that_is_not_there_is_not_found(logged_in, dana):
    person = logged_in()
    assert person.get("/admin/explain/nowhere").status_code == 404
    assert person.get("/admin/explain/win_back/nobody").status_code == 404
