"""Asking a timeline and following "Did it arrive?" in a real browser, on a phone, from right to left."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from panel import clock
from panel.db import writing
from tests.web.story import make_story
from tests.web.test_contact_card import url_of

pytestmark = pytest.mark.databases("sqlite")


def test_words_are_searched_a_chip_comes_off_and_the_evidence_opens(browse, stored):
    with writing() as session:
        contact_id = make_story(session, clock.now(), "he")
    page = browse(url_of(stored, contact_id), language="he", theme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.click(".timeline-asking > summary")
    page.fill("#ask-q", "subscriber")
    page.check("input[name=show][value=messages]")
    page.click(".asking-form button[type=submit]")
    expect(page.locator(".contact #timeline-days .item")).to_have_count(1)
    expect(page.locator(".asking-chip")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("a[href*='/evidence/']").click()
    expect(page.locator(".evidence").first).to_contain_text("DLR 027: absent subscriber")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.go_back()
    page.click(".asking-chip")
    expect(page.locator(".asking-chip")).to_have_count(0)
    expect(page.locator(".contact #timeline-days .item")).not_to_have_count(1)
