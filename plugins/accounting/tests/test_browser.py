"""The plugin's page in a real browser, in three languages: readable by everybody, and its forms work."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from plugins.accounting.tests.conftest import Office
from plugins.accounting.tests.test_story import begun, invoices, news
from tests.web.axe import serious
from tests.web.conftest import browse, make_user

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.databases("sqlite")
__all__ = ["browse", "make_user"]


def full(office: Office) -> int:
    """One of everything the page can show. Returns the contact that the ambiguous customer is."""
    begun(office)
    office.set(create_contacts=False)
    first = office.contact(name="רות אבני", emails=["home@example.com"])
    office.contact(name="רפי אבני", emails=["home@example.com"])
    customers = "מספר לקוח,שם,מייל\n40001,רות אבני,home@example.com\n40002,مریم کریمی,maryam@example.com\n"
    office.save("customers2.csv", customers)
    office.save("invoices2.csv", invoices("901,40001,02/11/2026,,10,10,", "902,30002,32/11/2026,,1,1,"))
    office.save("לקוחות ישן.csv", customers, "utf-8-sig")
    office.save("customers3.csv", "מספר לקוח,שם\n7,דנה\n", "cp1255")
    office.save("export.csv", "x")
    office.sync()
    return first


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_everybody_can_read_and_use_the_page(office: Office, browse: Callable[..., Page], language: str) -> None:  # noqa: F811
    first = full(office)
    page = browse("/plugins/accounting/books", language=language)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/accounting-{language}.png", full_page=True)
    assert serious(page) == []
    page.click(f"form:has([name=contact][value='{first}']) button")
    page.wait_for_selector(".notice-info")
    office.sync(minutes=1)
    assert news(office.events(contact_id=first)) == ["invoice_issued"]


def test_a_sample_file_can_be_saved(office: Office, browse: Callable[..., Page]) -> None:  # noqa: F811
    page = browse("/plugins/accounting/books")
    with page.expect_download() as saved:
        page.click("a[download='customers.csv']")
    with open(saved.value.path(), encoding="utf-8-sig") as stream:
        assert stream.read().startswith("Customer number,Name,Email")


@pytest.mark.parametrize("language", ["en", "fa"])
def test_the_settings_can_be_tried_in_the_panel(office: Office, browse: Callable[..., Page], language: str) -> None:  # noqa: F811
    begun(office)
    page = browse("/admin/plugins/accounting/settings", language=language)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/accounting-settings-{language}.png", full_page=True)
    page.click("button[value=test]")
    page.wait_for_selector("text=Asia/Jerusalem")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/accounting-test-{language}.png", full_page=True)
    assert serious(page) == []
