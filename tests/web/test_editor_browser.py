"""The editor in a real browser: checking as one types, saving by itself, fixing, publishing; and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from panel.db import writing
from panel.journeys import operations
from panel.journeys.models import Journey
from panel.journeys.names import vocabulary
from tests.web.journeys import FILE, put_file
from tests.web.seen import serious, until

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def path(app):
    path = put_file(app, FILE)
    with writing() as session:
        operations.watch_file(session, path, vocabulary=vocabulary(session))
    return path


def draft_text(stored) -> str:
    stored.rollback()
    return stored.get(Journey, "win_back", populate_existing=True).draft_text or ""


def type_into_line(page, words: str, replacement: str) -> None:
    """Select `words` in the editor's text as a person would, and type over them."""
    page.locator(".cm-content").click()
    page.evaluate(
        """([words]) => {
          const area = document.querySelector("#journey-text"), view = area.panelEditor.view;
          const from = view.state.doc.toString().indexOf(words);
          view.dispatch({ selection: { anchor: from, head: from + words.length } });
          view.focus();
        }""",
        [words],
    )
    page.keyboard.type(replacement)


def test_a_mistake_is_shown_beside_the_line_and_in_the_readers_language(browse, path):
    page = browse("/admin/journeys/win_back/edit", language="fa")
    assert page.locator(".cm-content").evaluate("(one) => getComputedStyle(one).direction") == "ltr"
    type_into_line(page, "purpose", "purpsoe")
    page.wait_for_selector("#editor-problems li")
    expect(page.locator("#editor-problems .problem-where").first).to_contain_text("سطر")
    page.wait_for_selector(".cm-lint-marker-error")
    gutter, content = page.locator(".cm-gutters").bounding_box(), page.locator(".cm-content").bounding_box()
    assert gutter["x"] < content["x"]


def test_the_fix_button_mends_the_text_and_the_words_follow(browse, path):
    page = browse("/admin/journeys/win_back/edit")
    type_into_line(page, "purpose", "purpsoe")
    page.wait_for_selector("[data-words-stale]:not([hidden])")
    page.locator("#editor-problems .btn", has_text="purpose").first.click()
    until(page, "document.querySelector('#journey-text').value.includes('purpose: service')")
    page.wait_for_selector("[data-words-stale]", state="hidden")
    type_into_line(page, "1 week", "9 days")
    page.wait_for_selector("[data-words] >> text=Wait 9 days")


def test_the_draft_saves_itself_even_when_broken(browse, path, stored):
    page = browse("/admin/journeys/win_back/edit")
    type_into_line(page, "1 week", "one day or so")
    until(page, "document.querySelector('[data-save-state]').textContent.startsWith('Draft saved')")
    until(page, "document.querySelector('[data-base]').value.length === 64")
    for _ in range(100):
        if "one day or so" in draft_text(stored):
            break
        page.wait_for_timeout(50)
    assert "one day or so" in draft_text(stored)


def test_the_editor_suggests_words(browse, path):
    page = browse("/admin/journeys/win_back/edit", language="he")
    type_into_line(page, "service", "mark")
    page.keyboard.press("Control+Space")
    page.click(".cm-tooltip-autocomplete li >> text=marketing")
    until(page, "document.querySelector('#journey-text').value.includes('purpose: marketing')")


def test_tab_leaves_the_editor(browse, path):
    page = browse("/admin/journeys/win_back/edit")
    page.locator(".cm-content").click()
    page.keyboard.press("Tab")
    assert page.evaluate("!document.activeElement.closest('.cm-editor')")


def test_publishing_goes_from_the_text_to_the_live_version(browse, path, stored):
    page = browse("/admin/journeys/win_back/edit")
    type_into_line(page, "1 week", "4 days")
    page.click("text=Publish…")  # what was typed a moment ago is saved first
    page.wait_for_url("**/publish")
    expect(page.locator("pre.yaml-text", has_text="wait: 4 days")).to_have_count(1)
    page.fill("#note", "a shorter wait")
    page.locator("form button[type=submit]", has_text="Publish").last.click()
    page.wait_for_url("**/admin/journeys/win_back")
    expect(page.locator(".chip", has_text="Live")).to_have_count(1)
    assert path.read_text(encoding="utf-8") == FILE.replace("1 week", "4 days")
    stored.rollback()


def test_two_windows_do_not_overwrite_each_other(browse, path, stored):
    page = browse("/admin/journeys/win_back/edit")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(".cm-content")
    type_into_line(page, "1 week", "6 days")
    until(page, "document.querySelector('[data-save-state]').textContent.startsWith('Draft saved')")
    for _ in range(100):
        if "6 days" in draft_text(stored):
            break
        page.wait_for_timeout(50)
    type_into_line(other, "1 week", "7 days")
    other.wait_for_selector("[data-conflict]:not([hidden])")
    assert "6 days" in draft_text(stored)
    other.click("[data-keep-mine]")
    other.wait_for_selector("[data-conflict]", state="hidden")
    assert "7 days" in draft_text(stored)
    other.close()


def test_without_javascript_the_text_is_checked_fixed_saved_and_published(browse, path, stored, chromium):
    page = browse("/admin/journeys/win_back/edit")
    context = chromium.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(page.url)
    text = plain.input_value("#journey-text")
    plain.fill("#journey-text", text.replace("purpose: service", "purpsoe: service"))
    plain.click("button[value=check]")
    assert plain.locator(".problems li").count() >= 1
    plain.locator("button[name=fix]").first.click()
    expect(plain.locator("#journey-text")).to_have_value(text)
    plain.click("button[value=save]")
    expect(plain.locator(".notice-success")).to_have_count(1)
    plain.click("button[value=publish]")
    plain.locator("form button[type=submit]", has_text="Publish").last.click()
    expect(plain.locator(".chip", has_text="Live")).to_have_count(1)
    context.close()
    stored.rollback()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_nothing_serious_stands_in_anybodys_way(browse, path, language, theme, width):
    with writing() as session:
        operations.publish(session, "win_back", file_text=FILE, vocabulary=vocabulary(session))
        broken = FILE[FILE.index("  win_back:") :].replace("purpose", "purpsoe").replace("\n  ", "\n").strip()
        operations.save_draft(session, "win_back", broken)
    page = browse("/admin/", language=language, theme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    server = page.url.partition("/admin")[0]
    for address in ("", "win_back", "win_back/edit", "win_back/publish", "win_back/versions/1", "new"):
        page.goto(f"{server}/admin/journeys/{address}")
        if address.endswith("edit"):
            page.wait_for_selector("#editor-problems li")
        assert serious(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1"), (
            address
        )
