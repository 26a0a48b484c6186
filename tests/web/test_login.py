"""Logging in, staying in, being thrown out."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from panel.db import writing
from panel.staff.models import AuditEntry, User
from panel.staff.operations import ensure_owner, set_active, set_role
from tests.web.conftest import PASSWORD, Person

pytestmark = pytest.mark.databases("sqlite")


def test_a_stranger_is_sent_to_the_login_page_and_back_to_where_they_wanted(app, make_user):
    make_user("owner")
    person = Person(app, "owner@example.co.il")
    answer = person.get("/admin/contacts/?search=dana")
    assert answer.status_code == 302
    assert answer.location.startswith("/account/login?next=")
    page = person.get(answer.location)
    assert "Log in" in page.text
    token = person.token(answer.location)
    done = person.client.post(answer.location, data={"csrf_token": token, "email": person.email, "password": PASSWORD})
    assert done.location.endswith("/admin/contacts/?search=dana")


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_after_the_login_nobody_is_sent_to_another_site(app, make_user, target):
    make_user("owner")
    person = Person(app, "owner@example.co.il")
    token = person.token("/account/login")
    answer = person.client.post(
        "/account/login", query_string={"next": target},
        data={"csrf_token": token, "email": person.email, "password": PASSWORD, "next": target},
    )  # fmt: skip
    going_to = urlsplit(answer.location or "/")
    assert going_to.netloc in {"", "localhost"}
    assert not going_to.path.startswith(("//", "/\\"))


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(app, make_user, language):
    make_user("owner")

    def refusal(email: str) -> str:
        person = Person(app, email)
        person.client.set_cookie("language", language)
        answer = person.login("not the password")
        assert answer.status_code == 200
        body = re.sub(r'(csrf[^>]*(?:content|value)=|nonce=)"[^"]*"', "", answer.text)
        return body.replace(email, "")

    assert refusal("owner@example.co.il") == refusal("nobody@example.co.il")
    words = {"en": "Authentication failed", "he": "הכניסה נכשלה", "fa": "ورود ناموفق"}
    assert words[language] in refusal("nobody@example.co.il")


def test_guessing_is_stopped_after_ten_attempts_in_a_minute(app, make_user):
    make_user("owner")
    person = Person(app, "owner@example.co.il")
    statuses = [person.login("wrong").status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]


def test_the_first_owner_gets_a_one_time_password_that_must_be_changed(app):
    with writing() as session:
        password = ensure_owner(session, "Dana@Example.co.il", name="דנה", language="he")
        assert ensure_owner(session, "dana@example.co.il") is None
    assert password
    person = Person(app, "dana@example.co.il")
    person.login(password)
    assert person.get("/admin/contacts/").location.endswith("/account/change")
    page = person.text("/account/change")
    assert 'dir="rtl"' in page
    assert "בחירת סיסמה חדשה" in page
    change = {"password": password, "new_password": PASSWORD, "new_password_confirm": PASSWORD}
    answer = person.post("/account/change", page="/account/change", **change)
    assert answer.location.endswith("/admin/"), answer.text
    assert person.get("/admin/contacts/").status_code == 200
    old = Person(app, "dana@example.co.il")
    assert old.login(password).status_code == 200  # the form again, not the redirect inside


@pytest.mark.parametrize("event", ["role", "disabled", "password"])
def test_a_session_ends_when_role_or_password_change_or_the_account_is_switched_off(app, logged_in, event):
    boss, person = logged_in("owner"), logged_in("support")
    assert person.get("/admin/contacts/").status_code == 200
    if event == "password":
        with writing() as session:
            user = session.scalars(select(User).where(User.email == person.email)).one()
        boss.post("/admin/users/password/", id=user.id, confirmed="1")
    else:
        with writing() as session:
            user = session.scalars(select(User).where(User.email == person.email)).one()
            if event == "role":
                set_role(session, user, "viewer", by=None)
            else:
                set_active(session, user, False, by=None)
    answer = person.get("/admin/contacts/")
    assert answer.status_code == 302
    assert "/account/login" in answer.location


def test_a_form_without_its_token_changes_nothing(logged_in, session):
    person = logged_in("owner")
    answer = person.client.post("/admin/tags/new/", data={"name": "VIP"})
    assert answer.status_code == 400
    assert "expired" in answer.text
    assert session.scalars(select(AuditEntry.action).where(AuditEntry.action == "tag_created")).first() is None


def test_logging_out_needs_the_form_and_ends_the_session(logged_in):
    person = logged_in("owner")
    assert person.get("/account/logout").status_code == 405
    person.post("/account/logout")
    assert "/account/login" in person.get("/admin/").location
