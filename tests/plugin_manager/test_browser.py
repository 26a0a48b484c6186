"""The plugins page in a real browser: three languages, narrow and dark, under the strict content policy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.web.axe import serious
from tests.web.conftest import browse, make_user  # noqa: F401 - fixtures

pytestmark = pytest.mark.databases("sqlite")
SHOTS = os.environ.get("PANEL_SHOTS")


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize(
    ("language", "theme", "width"), [("en", "light", 1280), ("he", "dark", 390), ("fa", "light", 390)]
)
def test_cards_and_settings_fit_every_screen(browse, language, theme, width):  # noqa: F811
    page = browse("/admin/plugins/", language=language, theme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    for path, name in (
        ("/admin/plugins/", "list"),
        ("/admin/plugins/sms/settings", "settings"),
        ("/plugins/sms/phone", "phone"),
        ("/plugins/sms/addresses", "addresses"),
    ):
        page.goto(page.url.split("/admin")[0].split("/plugins")[0] + path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        shoot(page, f"{name}-{language}-{width}")
        assert wide <= 0, f"{path} is wider than the screen"
        assert serious(page) == [], path
        assert page.locator("html").get_attribute("dir") == ("ltr" if language == "en" else "rtl")


def test_fields_follow_the_choice_they_depend_on_and_a_test_keeps_what_was_typed(browse):  # noqa: F811
    page = browse("/admin/plugins/sms/settings")
    expect(page.locator("#f-address")).not_to_be_visible()
    page.select_option("#f-provider", "http")
    expect(page.locator("#f-address")).to_be_visible()
    page.fill("#f-address", "http://127.0.0.1:9/")
    page.fill("#f-secret", "typed-secret")
    page.click("button[value=test]")
    page.wait_for_selector("#steps li")
    shoot(page, "steps")
    assert serious(page) == []
    expect(page.locator("#steps")).to_contain_text("private network")
    expect(page.locator("#f-secret")).to_have_value("typed-secret")


def test_a_conversation_on_the_phone(browse, app):  # noqa: F811
    from panel.plugin_manager import manager
    from panel.sdk.channels import Outgoing
    from plugins.sms.tests.conftest import NotedWire

    texts = ["שלום דנה, ההזמנה שלך מוכנה. פרטים: https://shop.example/o/17", "سلام نسیم، نوبت شما فرداست."]
    manager.current().channels()["sms"].send(
        [Outgoing(n, f"k{n}", number, text.encode())
         for n, (number, text) in enumerate(zip(["+972521234567", "+989123456789"], texts, strict=True))],
        NotedWire(),
    )  # fmt: skip
    page = browse("/plugins/sms/phone", language="he")
    page.locator("section input[name=text]").first.fill("הסר")
    page.locator("section .card-footer button").first.click()
    page.wait_for_selector(".notice")
    page.locator("button[value=delivered]").first.click()
    page.wait_for_selector(".chip-green")
    shoot(page, "conversation")
    assert serious(page) == []
    expect(page.locator(".chat-bubble-me")).to_have_count(1)
