"""The search of every page: choices while typing, a page of results, the only one opens at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.contacts.operations import create_contact
from panel.db import writing
from panel.sdk.context import NewContact

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def people(app) -> dict[str, str]:
    with writing() as session:
        for name, mail, number in (
            ("Noa Bar", "noa@example.com", "+972521234567"),
            ("Noam <b>Levi</b>", "noam@example.com", "+972529994321"),
        ):
            create_contact(
                session, NewContact(name=name, emails=(mail,), phones=(number,)), how="manual", now=clock.now()
            )
        return {row.name: row.public_id for row in session.execute(select(Contact.name, Contact.public_id))}


def test_the_only_one_opens_at_once_and_several_are_listed(logged_in, people):
    person = logged_in("viewer")
    for typed in ("noa bar", "052-123-4567", "4567", "noa@example.com"):
        answer = person.client.get("/admin/search/", query_string={"search": typed})
        assert answer.status_code == 302, typed
        assert answer.location.endswith(people["Noa Bar"]), typed
    page = person.text("/admin/search/?search=noa")
    assert "Noam &lt;b&gt;Levi&lt;/b&gt;" in page
    assert page.index("Noa Bar") < page.index("Noam")
    assert "Nobody fits" in person.text("/admin/search/?search=zzz")
    assert "052" not in person.text("/admin/search/typing?search=zzz")
    assert 'role="option"' in person.text("/admin/search/typing?search=noa")


def test_a_stranger_finds_nobody(app, people):
    assert app.test_client().get("/admin/search/typing?search=noa").status_code == 302


def test_by_keys_alone_from_any_page(browse, people):
    page = browse("/admin/tags/", language="fa")
    page.locator("body").press("/")
    box = page.locator("#top-search")
    expect(box).to_be_focused()
    box.press_sequentially("noa")
    expect(page.locator("#top-found [role=option]")).to_have_count(2)
    box.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "found-1")
    box.press("ArrowUp")
    box.press("ArrowUp")
    expect(box).to_have_attribute("aria-activedescendant", "found-2")
    box.press("ArrowDown")
    box.press("Escape")
    expect(page.locator("#top-found")).to_be_hidden()
    box.press("ArrowDown")
    box.press("Enter")
    page.wait_for_url(f"**/contact/{people['Noa Bar']}")
