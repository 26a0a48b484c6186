"""The part of the page that is loaded after it: there without a click, and again after an action."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel import clock
from panel.contacts.operations import create_contact
from panel.db import reading, writing
from panel.engagement import pins
from panel.sdk.context import NewContact
from panel.timeline.operations import NewEvent, record_many
from tests.web.conftest import browse, make_user  # noqa: F401

pytestmark = pytest.mark.databases("sqlite")


def test_the_picture_is_loaded_and_a_channel_pinned_and_let_go_without_leaving_the_page(app, browse):  # noqa: F811
    from playwright.sync_api import expect

    now = clock.now()
    with writing() as session:
        dana = create_contact(session, NewContact(name="דנה", emails=["d@example.com"]), how="manual", now=now)
        weekly = [now - timedelta(days=7 * week) for week in range(1, 30)]
        record_many(session, [NewEvent(dana, "page_visited", at, {"page": "/season"}) for at in weekly])
    page = browse(f"/admin/contact/id/{dana}", language="he")
    part = page.locator(".engagement-part")
    expect(part.locator(".year-picture svg title")).to_contain_text("29")
    part.locator(".channel-foot summary").click()
    page.select_option("#pin-channel", "sms")
    page.fill("#pin-reason", "ביקשה בטלפון")
    part.locator(".channel-foot .pop-body button[type=submit]").click()
    expect(page.locator("[data-undo]")).to_be_visible()
    expect(part.locator(".channel-card")).to_contain_text("ביקשה בטלפון")
    expect(part.locator(".year-picture svg")).to_be_visible()
    page.locator("[data-undo] button").click()
    expect(part.locator(".channel-card")).to_be_visible()
    expect(part.locator(".channel-card")).not_to_contain_text("ביקשה בטלפון")
    with reading() as session:
        assert pins.pinned(session, [dana]) == {}
