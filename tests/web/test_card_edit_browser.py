"""Changing a contact in place with a browser: a field, what is refused, a rest."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from panel import clock
from panel.contacts import operations
from panel.contacts.models import Contact, FieldValue
from panel.db import writing
from tests.web.story import make_contact

pytestmark = pytest.mark.databases("sqlite")


def test_a_field_is_changed_without_leaving_the_page_and_a_rest_stands_at_the_top(browse, stored):
    with writing() as session:
        now = clock.now()
        id_ = make_contact(session, now, "en")
        operations.create_field(session, "children", "number", now=now)
        operations.create_field(session, "birthday", "date", now=now)
        operations.set_field(session, id_, "children", "2", now=now)
        public_id = session.get_one(Contact, id_).public_id
    page = browse(f"/admin/contact/{public_id}", role="support")
    page.locator("#field-children .edit-here").click()
    box = page.locator("#field-children #edit-value")
    expect(box).to_have_value("2")
    box.fill("many")
    box.press("Enter")
    expect(page.locator("#field-children #edit-value-error")).to_contain_text("many")
    expect(page.locator("#field-children #edit-value")).to_have_value("many")
    page.locator("#field-children #edit-value").fill("3")
    page.locator("#field-children button[type=submit]").click()
    expect(page.locator("#field-children dd")).to_contain_text("3")
    expect(page.locator("[data-undo]")).to_be_visible()
    page.locator("[data-undo] button").click()
    expect(page.locator("#field-children dd")).to_contain_text("2")
    # A field that was empty: a day, echoed as it is typed.
    page.get_by_text("Fill in another field").click()
    page.locator("#field-new").get_by_text("birthday").click()
    page.locator("#field-new #edit-value").fill("1405/9/1")
    expect(page.locator("#edit-value-echo")).to_contain_text("2026")
    page.locator("#field-new button[type=submit]").click()
    expect(page.locator("#field-birthday dd")).to_contain_text("2026")
    # A rest, from the side part.
    page.locator(".side-card").get_by_text("Send nothing for a while").click()
    page.locator("#reach-editor textarea").fill("on holiday")
    page.locator("#reach-editor button[type=submit]").click()
    expect(page.locator(".contact-banner")).to_contain_text("on holiday")
    page.locator(".contact-banner").get_by_text("End it").click()
    expect(page.locator(".contact-banner")).to_have_count(0)
    stored.rollback()
    assert set(stored.scalars(select(FieldValue.text).where(FieldValue.contact_id == id_))) >= {"2", "2026-11-22"}
