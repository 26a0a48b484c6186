"""The contact's page in a real browser: directions, keys, small changes in place, news, accessibility."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.db import writing
from panel.timeline.operations import record
from tests.web.seen import LETTERS, fits, serious, until
from tests.web.story import make_story

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def card(app):
    """Make the story and give its page's address: `card("he")`."""

    def make(language: str = "he") -> str:
        with writing() as session:
            contact_id = make_story(session, clock.now(), language)
            return f"/admin/contact/{session.scalar(select(Contact.public_id).where(Contact.id == contact_id))}"

    return make


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_numbers_read_from_left_to_right_in_every_language(browse, card, language):
    page = browse(card("he"), language=language)
    assert page.locator(".contact-facts a[href^='tel:'] bdi").evaluate(LETTERS) == "+97252-623-4567"
    assert page.locator(".contact-origin code").evaluate(LETTERS) == "ABC-he"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_nothing_serious_stands_in_anybodys_way(browse, card, language, theme, width):
    address = card(language)
    page = browse("/admin/", language=language, theme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    server = page.url.partition("/admin")[0]
    for path in ("", "/why", "/start", "/lists/join"):
        page.goto(server + address + path)
        assert serious(page) == [], path
        assert fits(page), path


def test_the_timeline_comes_first_on_a_phone(browse, card):
    page = browse(card(), language="he")
    page.set_viewport_size({"width": 390, "height": 844})
    timeline = page.locator(".contact-timeline").bounding_box()
    side = page.locator(".contact-side").bounding_box()
    assert timeline["y"] < side["y"]


def test_a_tag_is_added_and_taken_back_without_leaving_the_place(browse, card):
    page = browse(card("en"))
    page.evaluate("window.stayed = true")
    page.locator(".contact-tags .tag-add").click()
    until(page, "document.activeElement.id === 'tag-name'")
    page.keyboard.type("Gold")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-undo]")
    expect(page.locator(".tag-chip", has_text="Gold")).to_have_count(1)
    expect(page.locator(".item").nth(2)).to_contain_text("Got the tag")
    page.locator("[data-undo] button").click()
    page.locator(".tag-chip", has_text="Gold").wait_for(state="detached")
    assert page.evaluate("window.stayed")


def test_a_note_is_written_with_the_keyboard_alone(browse, card):
    page = browse(card("en"))
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.id") == "note-text"
    page.keyboard.type("Called, will come on Sunday")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Called, will come on Sunday")
    until(page, "document.activeElement.id === 'note-text'")  # ready for the next one
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.wait_for_function("document.activeElement.classList.contains('item')")


def test_a_filter_changes_the_list_and_the_address(browse, card):
    page = browse(card("en"))
    page.locator(".timeline-filters a", has_text="Notes").click()
    page.wait_for_url("**?show=notes")
    expect(page.locator("#timeline-days .item")).to_have_count(1)
    page.go_back()
    until(page, "document.querySelectorAll('#timeline-days .item').length > 5")


def test_news_wait_behind_a_pill(browse, card, app):
    page = browse(card("en"))
    with writing() as session:
        record(session, contact_id=session.scalar(select(Contact.id)), kind="order_paid", data={"amount": "77"})
    page.evaluate("window.panelLookForNews()")
    pill = page.wait_for_selector(".news-pill")
    expect(page.locator("#timeline-days")).not_to_contain_text("77")
    pill.click()
    until(page, "document.querySelector('#timeline-days').innerText.includes('77')")
    expect(page.locator(".news-pill")).to_have_count(0)


def test_taking_out_of_a_journey_asks_in_a_dialog(browse, card):
    page = browse(card("en"))
    page.locator(".side-menu").click()
    page.locator("button", has_text="Take out of the journey").click()
    expect(page.locator("#confirm-dialog")).to_be_visible()
    page.locator("#confirm-dialog [value=no]").click()
    expect(page.locator(".side-card", has_text="Wait 2 days")).to_have_count(1)
    page.locator("button", has_text="Take out of the journey").click()
    page.locator("#confirm-dialog [data-yes]").click()
    page.wait_for_selector("text=Inside no journey just now.")


def test_everything_can_be_done_without_javascript(browse, card, chromium):
    page = browse(card("en"))
    context = chromium.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(page.url)
    plain.locator(".contact-tags .tag-add").click()
    plain.fill("#tag-name", "Silver")
    plain.click("text=Add the tag")
    expect(plain.locator(".tag-chip", has_text="Silver")).to_have_count(1)
    plain.fill("#note-text", "written plainly")
    plain.click("text=Save the note")
    expect(plain.locator(".item-quote", has_text="written plainly")).to_have_count(1)
    plain.locator(".item-details summary").first.click()
    expect(plain.locator(".item-details dl").first).to_be_visible()
    context.close()
