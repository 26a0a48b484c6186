"""Somebody who uses the panel: a colleague with a role, in Flask's client or in the browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask_security.utils import hash_password
from sqlalchemy.orm import Session

from panel.db import writing
from panel.staff.models import User
from panel.staff.operations import create_user

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "a short sentence"
_TOKEN = re.compile(r'name="csrf-token" content="([^"]+)"')


class Person:
    """A colleague at Flask's client: pages by `get`, forms by `post` with the token of the page before."""

    def __init__(self, app: Flask, email: str) -> None:
        self.client = app.test_client()
        self.email = email

    def login(self, password: str = PASSWORD) -> Any:
        return self.post("/account/login", page="/account/login", email=self.email, password=password)

    def get(self, url: str, **options: Any) -> Any:
        return self.client.get(url, **options)

    def text(self, url: str, status: int = 200) -> str:
        answer = self.get(url)
        assert answer.status_code == status, (answer.status_code, answer.location)
        return str(answer.text)

    def token(self, page: str) -> str:
        found = _TOKEN.search(self.client.get(page, follow_redirects=True).text)
        assert found, page
        return found[1]

    def post(self, path: str, page: str = "/admin/", **data: Any) -> Any:
        return self.client.post(path, data={"csrf_token": self.token(page), **data})


@pytest.fixture
def make_user(app: Flask) -> Callable[..., User]:
    def make(role: str = "owner", email: str = "", **settings: Any) -> User:
        with writing() as session:
            address = email or f"{role}@example.co.il"
            user, _ = create_user(session, address, name=settings.pop("name", "דנה לוי"), role=role, by=None)
            user.password, user.must_change_password = hash_password(PASSWORD), False
            for name, value in settings.items():
                setattr(user, name, value)
        return user

    return make


@pytest.fixture
def logged_in(app: Flask, make_user: Callable[..., User]) -> Callable[..., Person]:
    """Make a colleague of this role and log in: `logged_in("support", language="fa")`."""

    def make(role: str = "owner", **settings: Any) -> Person:
        person = Person(app, make_user(role, **settings).email)
        answer = person.login()
        assert answer.status_code == 302, answer.text
        assert answer.location.endswith("/admin/"), answer.location
        return person

    return make


@pytest.fixture
def browse(live_server: str, page: Page, make_user: Callable[..., User]) -> Callable[..., Page]:
    """Open the panel in Chromium as a colleague: `browse("/admin/tags/", language="he")`."""

    def start(path: str = "/admin/", role: str = "owner", **settings: Any) -> Page:
        user = make_user(role, **settings)
        page.goto(f"{live_server}/account/login")
        page.fill("#email", user.email)
        page.fill("#password", PASSWORD)
        page.click("button[name=submit]")
        page.wait_for_url("**/admin/")
        page.goto(live_server + path)
        return page

    return start


@pytest.fixture
def stored(session: Session) -> Session:
    """The test's session, for looking at what a request stored: refreshed by `session.expire_all()`."""
    return session
