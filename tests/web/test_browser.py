"""In a real browser: the strict policy holds, deleting asks, numbers keep their order, the keyboard is enough."""

from __future__ import annotations

import pytest
from flask import render_template_string
from playwright.sync_api import expect
from sqlalchemy import select

from panel.calendars import Reader
from panel.contacts.models import FieldValue, Tag
from panel.contacts.operations import create_contact, create_field, create_tag
from panel.dates import read_day
from panel.db import writing
from panel.sdk.context import NewContact

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def tags(app):
    with writing() as session:
        return [create_tag(session, name) for name in ("VIP", "לקוח חוזר", "مشتری جدید")]


@pytest.fixture
def console(page):
    lines: list[str] = []
    page.on("console", lambda line: lines.append(line.text) if line.type in {"error", "warning"} else None)
    return lines


def _names(session) -> set[str]:
    session.rollback()
    return set(session.scalars(select(Tag.name)))


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_delete_asks_cancel_keeps_and_yes_deletes(tags, session, browse, console, language):
    page = browse(f"/admin/tags/edit/?id={tags[0]}", language=language)
    page.click("button.btn-quiet-danger[data-confirm]")
    page.wait_for_selector("#confirm-dialog[open]")
    expect(page.locator("#confirm-question")).to_contain_text("VIP")
    page.click("#confirm-dialog [value=no]")
    assert page.get_attribute("#confirm-dialog", "open") is None
    assert "VIP" in _names(session)
    page.click("button.btn-quiet-danger[data-confirm]")
    page.keyboard.press("Escape")
    assert "VIP" in _names(session)
    page.click("button.btn-quiet-danger[data-confirm]")
    page.click("#confirm-dialog [value=yes]")
    page.wait_for_url("**/admin/tags/")
    assert _names(session) == {"לקוח חוזר", "مشتری جدید"}
    assert console == []


def test_a_bulk_delete_asks_and_touches_only_what_is_ticked(tags, session, browse, console):
    page = browse("/admin/tags/")
    expect(page.locator(".bulk-bar")).not_to_be_visible()
    page.check(f".row-check[value='{tags[1]}']")
    page.wait_for_selector(".bulk-bar.is-shown")
    expect(page.locator("[data-count]")).to_contain_text("1")
    page.click(".bulk-bar button[value=delete]")
    page.click("#confirm-dialog [value=no]")
    assert len(_names(session)) == 3
    page.click(".bulk-bar button[value=delete]")
    page.click("#confirm-dialog [value=yes]")
    page.wait_for_selector(".notice-success")
    assert _names(session) == {"VIP", "مشتری جدید"}
    assert console == []


def test_deleting_asks_when_scripts_are_off(tags, session, live_server, chromium, make_user):
    make_user("owner")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server}/account/login")
    page.fill("#email", "owner@example.co.il")
    page.fill("#password", "a short sentence")
    page.click("button[name=submit]")
    page.goto(f"{live_server}/admin/tags/edit/?id={tags[0]}")
    page.click("button.btn-quiet-danger")
    expect(page.locator("h1")).to_contain_text("VIP")
    page.click("a.btn:has-text('Cancel')")
    assert "VIP" in _names(session)
    page.goto(f"{live_server}/admin/tags/edit/?id={tags[0]}")
    page.click("button.btn-quiet-danger")
    page.click("button.btn-danger")
    assert "VIP" not in _names(session)
    context.close()


# The characters of a value with the place where each is drawn; spaces have no place of their own.
_PLACES = """(text) => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
        const at = node.textContent.indexOf(text);
        if (at < 0) continue;
        return [...text].map((letter, i) => {
            const range = document.createRange();
            range.setStart(node, at + i); range.setEnd(node, at + i + 1);
            const box = range.getClientRects()[0];
            return [letter, box ? box.left : null];
        }).filter(([letter]) => letter.trim());
    }
    return null;
}"""
VALUES = {
    "phone": "+972 52-123-0001",
    "time": "2026-11-22 09:30",
    "code": "ABC-123 (20%)",
    "email": "a.b+c@example.co.il",
    "number": "1,234.5",
    "money": "₪1,240.50",
}
_PAGE = """{% extends 'panel/base.html' %}{% block body %}
<p>דנה ביקשה שנחזור אליה: {{ '+972521230001'|phone }}, {{ '2026-11-22 09:30'|code }}.</p>
<p>به ایشان زنگ بزنید: مریم {{ 'ABC-123 (20%)'|code }} و {{ 'a.b+c@example.co.il'|email }} است.</p>
<p>سلام {{ 1234.5|number }} تا {{ 1240.5|money('ILS') }} تومان</p>{% endblock %}"""


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_numbers_and_addresses_are_drawn_in_their_own_order(app, browse, live_server, language):
    app.add_url_rule("/admin/bidi-test", "bidi_test", lambda: render_template_string(_PAGE))
    page = browse("/admin/bidi-test", language=language)
    values = dict(VALUES)
    if language != "en":  # the sign stands after the amount there
        values["money"] = "1,240.50 ₪" if language == "he" else "1,240.50"
    for kind, text in values.items():
        places = page.evaluate(_PLACES, text)
        assert places, (kind, text, page.inner_text("main"))
        assert places == sorted(places, key=lambda place: place[1]), (language, kind)


def test_a_phone_in_the_contact_list_reads_from_its_plus(app, browse):
    with writing() as session:
        create_contact(session, NewContact(first_name="מריה", phones=["+972521230001"]), how="manual")
    page = browse("/admin/contacts/", language="fa")
    places = page.evaluate(_PLACES, "+972 52-123-0001")
    assert places == sorted(places, key=lambda place: place[1])


def test_the_keyboard_reaches_the_content_the_search_and_back(tags, browse):
    page = browse("/admin/tags/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.id") == "top-search"
    page.click("button.btn-quiet-danger, a.row-name >> nth=0")
    page.wait_for_url("**/admin/tags/edit/**")
    page.focus("button[data-confirm]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#confirm-dialog[open]")
    assert page.evaluate("document.activeElement.value") == "no"
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.dataset.confirm !== undefined")


def test_the_switch_changes_language_direction_and_look_and_stays(app, browse, session, console):
    page = browse("/admin/tags/")
    page.click("#preferences")
    page.click("button[name=language][value=fa]")
    page.wait_for_selector("html[lang=fa][dir=rtl]")
    assert page.url.endswith("/admin/tags/")
    page.click("#preferences")
    page.click("button[name=theme][value=dark]")
    page.wait_for_selector("html[data-bs-theme=dark]")
    page.reload()
    assert page.get_attribute("html", "lang") == "fa"
    assert page.get_attribute("html", "data-bs-theme") == "dark"
    assert console == []


def test_the_phone_menu_opens_and_closes(browse):
    page = browse("/admin/")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator(".side-link >> nth=1")).not_to_be_visible()
    page.click("a[aria-controls=sidebar]")
    page.wait_for_selector("#sidebar.show:not(.showing)")
    expect(page.locator(".side-link >> nth=1")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_selector(".side-link >> nth=1", state="hidden")


@pytest.mark.parametrize(
    ("language", "typed", "echo"), [("fa", "1370/5/1", "مرداد ۱۳۷۰"), ("en", "23.7.1991", "23 July 1991")]
)
def test_a_date_is_echoed_as_it_was_understood_and_can_be_clicked(app, browse, session, console, language, typed, echo):
    with writing() as writer:
        create_field(writer, "birthday", "date")
        contact_id = create_contact(writer, NewContact(first_name="מריה"), how="manual")
    calendar = "solar_hijri" if language == "fa" else "gregorian"
    page = browse(f"/admin/contacts/edit/?id={contact_id}", language=language, calendar=calendar, digits="local")
    page.fill("#birthday", typed)
    page.locator("#birthday-echo", has_text=echo).wait_for()
    page.click("[data-month]")
    page.locator(".month-head strong", has_text=echo.split()[-2]).wait_for()  # it opens where the field is
    page.locator(".month-day:not(.is-outside)").nth(4).click()
    assert page.evaluate("document.activeElement.id") == "birthday"
    chosen = page.input_value("#birthday")
    page.click("form.admin-form button.btn-primary")
    page.wait_for_url("**/admin/contact/**")
    session.rollback()
    stored = session.scalars(select(FieldValue.day)).one()
    reader = Reader(language, calendar, "local", "Asia/Jerusalem")
    assert stored == read_day(chosen, reader, stored)
    assert console == []
