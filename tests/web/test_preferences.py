"""How each person reads: language, calendar, digits, time zone, and what customarily goes together."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from panel.staff.models import User
from panel.staff.operations import set_preferences
from tests.web.conftest import Person

pytestmark = pytest.mark.databases("sqlite")


def test_a_new_language_brings_its_calendar_and_digits_unless_others_were_chosen():
    user = User(language="en", calendar="gregorian", digits="latin")
    set_preferences(user, {"language": "fa"})
    assert (user.calendar, user.digits) == ("solar_hijri", "local")
    set_preferences(user, {"language": "he"})
    assert (user.calendar, user.digits) == ("gregorian", "latin")
    set_preferences(user, {"calendar": "hebrew"})
    set_preferences(user, {"language": "fa"})
    assert (user.calendar, user.digits) == ("hebrew", "latin")


def test_unknown_wishes_are_refused_and_change_nothing(logged_in, session):
    person = logged_in("viewer")
    for wish in ({"language": "xx"}, {"theme": "pink"}, {"calendar": "<script>"}, {}):
        assert person.post("/preferences", **wish).status_code == 400
    person.post("/preferences", time_zone="Mars/Base")
    assert session.scalars(select(User.time_zone)).one() == "Asia/Jerusalem"


def test_name_and_time_zone_are_saved_and_used(logged_in, session):
    person = logged_in("owner")
    person.post("/preferences", name="מרים", time_zone="Asia/Tehran", url="/preferences")
    assert session.scalars(select(User.time_zone)).one() == "Asia/Tehran"
    assert "מרים" in person.text("/admin/")
    assert "<option selected>Asia/Tehran</option>" in person.text("/preferences")


@pytest.mark.parametrize(
    ("accept", "language"), [("he-IL,he;q=0.9", "he"), ("fa", "fa"), ("de,en;q=0.5", "en"), ("xx", "en")]
)
def test_a_stranger_is_spoken_to_in_the_browsers_language(app, accept, language):
    page = app.test_client().get("/account/login", headers={"Accept-Language": accept}).text
    assert f'<html lang="{language}"' in page


def test_a_strangers_choice_is_kept_in_a_cookie_and_leads_back_to_this_site_only(app):
    person = Person(app, "")
    answer = person.post("/preferences", page="/account/login", language="fa", url="https://evil.example/")
    assert "evil" not in answer.location
    assert 'lang="fa"' in person.text("/account/login")


def test_the_settings_page_is_there_for_strangers_too(app):
    assert app.test_client().get("/preferences").status_code == 200
