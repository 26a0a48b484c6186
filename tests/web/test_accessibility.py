"""axe finds nothing serious on any screen, in three languages, light and dark, on a desk and on a phone."""

from __future__ import annotations

from itertools import product

import pytest
from flask import url_for

from panel import clock
from panel.consent.operations import suppress
from panel.contacts.operations import add_tag, create_contact, create_field, create_list, join_list
from panel.db import writing
from panel.issues.operations import raise_issue
from panel.sdk.context import NewContact
from panel.tasks.operations import NewTask, create_task
from tests.web.axe import serious

pytestmark = pytest.mark.databases("sqlite")
MORE = (
    *("/admin/contacts/new/", "/admin/tags/new/", "/admin/fields/new/", "/admin/users/new/"),
    *("/admin/suppressions/new/", "/admin/contacts/edit/?id=1", "/admin/tags/edit/?id=1", "/admin/users/edit/?id=1"),
    *("/admin/nothing-here", "/admin/contacts/?search=nobody", "/account/change"),
    *("/admin/notices/", "/admin/tasks/?view=team"),
)


@pytest.fixture
def filled(app):
    with writing() as session:
        for i, (first, last) in enumerate([("יעל", "כהן"), ("مریم", "احمدی"), ("Dana", "Levi")] * 10):
            new = NewContact(first_name=first, last_name=last, emails=[f"u{i}@example.com"], phones=[f"05212300{i:02}"])
            contact_id = create_contact(session, new, how="manual")
            add_tag(session, contact_id, "VIP")
        create_list(session, "ניוזלטר", description="חודשי")
        join_list(session, contact_id, "ניוזלטר")
        create_field(session, "city", "text", labels={"en": "City", "fa": "شهر"})
        suppress(session, "*", "gone@example.com", "manual", note="ביקש")
        create_task(session, NewTask(contact_id, "להתקשר", "עד מחר", due_at=clock.now()))
        raise_issue(session, "k", code="x", sentence="Nothing matches", params={})


def screens(app) -> list[str]:
    """The first page of every registered screen that is in the menu."""
    with app.test_request_context():
        return [
            url_for(f"{view.endpoint}.{view._default_view}")
            for view in app.extensions["panel_admin"]._views
            if getattr(view, "section", None) is not None
        ]


@pytest.mark.parametrize(("language", "theme"), list(product(("en", "he", "fa"), ("light", "dark"))))
def test_no_screen_has_a_serious_barrier(app, filled, browse, live_server, language, theme):
    page = browse("/admin/", language=language, theme=theme, digits="local", calendar="solar_hijri")
    page.emulate_media(reduced_motion="reduce")  # nothing fades in, so nothing has to be waited for
    found: list[str] = []
    for path in (*screens(app), *MORE):
        page.goto(live_server + path)
        assert page.get_attribute("html", "lang") == language, path
        assert page.get_attribute("html", "dir") == ("ltr" if language == "en" else "rtl"), path
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            found += [f"{path} at {width}: {line}" for line in serious(page)]
            beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if beyond > 0:
                found.append(f"{path} at {width}: {beyond} px wider than the window")
    assert found == []


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("he", "dark"), ("fa", "light")])
def test_the_login_page_has_no_serious_barrier(page, live_server, language, theme):
    wishes = {"language": language, "theme": theme}
    page.context.add_cookies([{"name": n, "value": v, "url": live_server} for n, v in wishes.items()])
    page.goto(f"{live_server}/account/login")
    assert serious(page) == []
    page.fill("#email", "nobody@example.com")
    page.fill("#password", "wrong")
    page.click("button[name=submit]")
    page.wait_for_selector(".error-summary")
    assert serious(page) == []


def test_open_menus_and_dialogs_have_no_serious_barrier(filled, browse):
    page = browse("/admin/tags/edit/?id=1", language="he")
    page.click("#preferences")
    page.wait_for_selector(".preferences", state="visible")
    assert serious(page) == []
    page.keyboard.press("Escape")
    page.click("[data-confirm]")
    page.wait_for_selector("dialog[open]")
    assert serious(page) == []
