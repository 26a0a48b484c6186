"""Writing to a contact in a real browser: beside the timeline, seen before it goes, sent once, taken back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from panel import clock
from panel.contacts.models import Contact
from panel.db import writing
from panel.messages.models import Message
from panel.tracking.models import TrackingHit
from tests.web.seen import fits, serious
from tests.web.story import make_contact

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def address(app):
    with writing() as session:
        contact_id = make_contact(session, clock.now(), "en")
        return session.scalar(select(Contact.public_id).where(Contact.id == contact_id))


def test_a_message_is_seen_before_it_goes_sent_once_and_taken_back(browse, address, stored):
    page = browse(f"/admin/contact/{address}", role="support", name="Dana Levi")
    page.evaluate("window.stayed = true")
    page.locator("a[data-writes]").first.click()
    dialog = page.locator("#write-dialog")
    expect(dialog.locator("#write-text")).to_be_focused()
    page.keyboard.type("Dear [[first name]] of [[company]], see https://shop.example/a")
    expect(dialog.locator("[data-facts]")).to_contain_text("is empty for this contact")
    dialog.locator("#write-text").fill("Dear [[first name]], see https://shop.example/a")
    body = page.frame_locator(".write-frame").locator("body")
    expect(body).to_contain_text("Dear Emma")
    body.locator("a").first.click(force=True)  # a link that leads nowhere here
    expect(dialog.locator("[data-facts]")).not_to_contain_text("is empty")
    assert serious(page) == []
    dialog.locator("button[value=send]").click()
    expect(dialog.locator(".write-ask h2")).to_contain_text("emma@example.com")
    expect(dialog.locator(".write-said")).to_contain_text("Dear Emma")
    assert serious(page) == []
    dialog.locator(".write-foot .btn-primary").dblclick()
    expect(page.locator(".coming .item").first).to_contain_text("Dana Levi")
    expect(dialog).to_be_hidden()
    page.locator("[data-undo] button").click()
    expect(page.locator("#timeline-days .item").first).to_contain_text("Cancelled")
    expect(page.locator(".notice")).to_contain_text("It was not sent")  # said without leaving the page
    assert page.evaluate("window.stayed") is True
    stored.rollback()
    assert [one.status for one in stored.scalars(select(Message))] == ["cancelled"]
    assert stored.scalar(select(func.count()).select_from(TrackingHit)) == 0


@pytest.mark.parametrize(("language", "theme", "width"), [("he", "dark", 390), ("fa", "light", 1280)])
def test_the_pages_of_a_message_stand_in_nobodys_way(browse, address, language, theme, width):
    page = browse("/admin/", language=language, theme=theme)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{page.url.partition('/admin')[0]}/admin/write/{address}")
    page.locator("#write-text").fill("שלום [[first name]]")
    expect(page.frame_locator(".write-frame").locator("body")).to_contain_text("Emma")
    assert serious(page) == []
    assert fits(page)
    page.locator("button[value=send]").click()
    expect(page.locator(".write-ask")).to_be_visible()
    assert serious(page) == []
    assert fits(page)
