"""A day or a moment in people's own words: the same field and the same answer wherever one is written."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from panel import clock
from panel.contacts import operations
from panel.contacts.models import Contact
from panel.db import writing
from panel.tasks.operations import NewTask, create_task
from tests.web.story import make_story

pytestmark = pytest.mark.databases("sqlite")
TEMPLATES = Path(__file__).parents[2] / "panel/web/templates"


@pytest.fixture
def contact(app) -> tuple[int, str]:
    with writing() as session:
        operations.create_field(session, "birthday", "date", labels={"en": "Birthday"})
        id_ = make_story(session, clock.now(), "en")
        operations.update_contact(session, id_, {"time_zone": "Asia/Tehran"})
        create_task(session, NewTask(id_, "Call her"))
        return id_, session.scalar(select(Contact.public_id).where(Contact.id == id_))


@pytest.mark.parametrize(
    ("language", "calendar", "text", "said"),
    [
        ("en", "gregorian", "tomorrow 9:00", "= .+, 09:00 · 10:30 there"),
        ("he", "gregorian", "מחר ב־9", "= .+, 09:00"),
        ("fa", "solar_hijri", "فردا ساعت ۹", "= .+، ۰۹:۰۰ · "),
        ("en", "gregorian", "when the cows come home", "text-danger"),
    ],
)
def test_a_moment_is_said_back_in_full_on_both_clocks(logged_in, contact, language, calendar, text, said):
    person = logged_in("support", language=language, calendar=calendar, digits="local", time_zone="Asia/Jerusalem")
    answer = unescape(person.get("/dates/echo", query_string={"text": text, "of": contact[1]}).text)
    assert re.search(said, re.sub(r"</?bdi>|[\u2066-\u2069]", "", answer)), answer


def test_every_field_for_a_moment_is_the_same(logged_in, contact):
    """No template writes an echo of its own; every field names the line that says it, which is read out politely."""
    for path in TEMPLATES.rglob("*.html"):
        if path.name not in ("moment.html", "fields.html"):
            assert "data-echo" not in path.read_text(), path
            assert "dates.echo" not in path.read_text(), path
    person = logged_in("support")
    card = f"/admin/contact/{contact[1]}"
    pages = (card, "/admin/tasks/?view=team", f"/admin/write/{contact[1]}", f"/admin/card-consent/{contact[1]}/rest",
             f"/admin/card-edit/{contact[1]}/field/birthday", f"/admin/contacts/edit/?id={contact[0]}")  # fmt: skip
    for url in pages:
        page = person.text(url)
        boxes = re.findall(r"<input[^>]*data-echo[^>]*>", page)
        assert boxes, url
        for box in boxes:
            id_ = re.search(r'\bid="([^"]+)"', box)[1]
            assert f"{id_}-echo" in re.search(r'aria-describedby="([^"]+)"', box)[1].split(), box
            assert re.search(rf'id="{id_}-echo" aria-live="polite"', page), (url, id_)


def test_without_javascript_the_page_says_what_was_understood(logged_in, contact):
    person, card = logged_in("support"), f"/admin/contact/{contact[1]}"
    person.post(
        "/admin/tasks/new", page=card, contact=contact[1], title="Call", due="tomorrow 9:00", url=card, remind="0"
    )
    assert "The task is given, due" in person.text(card)
    url = f"/admin/write/{contact[1]}"
    again = person.post(url, page=url, do="look", way="email:emma@example.com", text="Hello", when="tomorrow 9:00").text
    assert re.search(r'id="write-when-echo"[^>]*>= <bdi>', again)


def test_the_echo_follows_what_is_typed_on_the_list_of_tasks_too(browse, contact):
    page = browse("/admin/tasks/?view=team", role="support", language="he", time_zone="Asia/Jerusalem")
    page.locator(".task summary.side-menu").first.click()
    box = page.locator("input[name=until][data-echo]").first
    box.fill("מחר ב־9")
    hint = page.locator(f"#{box.get_attribute('id')}-echo")
    expect(hint).to_contain_text("09:00")
    box.fill("???")
    expect(hint.locator(".text-danger")).to_be_visible()
    box.fill("")
    expect(hint).to_have_text("")
