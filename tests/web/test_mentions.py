"""Naming a colleague in a note: who is offered while one types, how it is shown, and who is told."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.db import writing
from panel.staff.mentions import mentionable, mentions
from panel.staff.models import Notice
from panel.staff.people import Directory
from panel.tasks.models import Task
from panel.timeline.models import Event
from tests.web.seen import serious
from tests.web.story import make_contact

pytestmark = pytest.mark.databases("sqlite")

COLLEAGUES = (
    ("נועה בר־לב", "noa@example.co.il", None),
    ("مریم رضایی", "maryam@example.co.il", None),
    ("زهرا می\u200cنا", "zahra@example.co.il", None),
    ("Dana Levi", "dana.levi@example.co.il", "dana"),
    ("Dana Cohen", "dana.cohen@example.co.il", None),
    ("Dana Cohen", "dana+two@example.co.il", None),
    ("<img src=x onerror=alert(1)>", "bad@example.co.il", None),
)


@pytest.fixture
def contact(app) -> tuple[int, str]:
    with writing() as session:
        id_ = make_contact(session, clock.now(), "en")
        return id_, session.scalar(select(Contact.public_id).where(Contact.id == id_))


@pytest.fixture
def colleagues(make_user) -> dict[str, int]:
    return {email: make_user("support", email=email, name=name, handle=handle).id for name, email, handle in COLLEAGUES}


def test_what_is_offered_names_exactly_one_colleague(session, logged_in, make_user, colleagues):
    make_user("support", email="gone@example.co.il", name="Gone Away", active=False)
    offered = logged_in("support", name="Me Myself").get("/admin/mentions/names")
    assert "no-store" in offered.headers["Cache-Control"]
    said = {one["email"]: one["said"] for one in offered.json["people"]}
    assert said == {
        "noa@example.co.il": "noa",  # a maqaf is no letter
        "maryam@example.co.il": "مریم_رضایی",
        "zahra@example.co.il": "زهرا_می_نا",
        "dana.levi@example.co.il": "dana",
        "dana.cohen@example.co.il": "dana.cohen",  # two are called so
        "bad@example.co.il": "bad",
    }
    directory = Directory(session)
    for one, words in mentionable(directory):
        assert mentions(directory, f"see (@{words}), please").people == (one,)


def test_who_may_not_write_notes_is_told_nobodys_address(logged_in, app):
    assert logged_in("viewer").get("/admin/mentions/names").status_code == 403
    assert app.test_client().get("/admin/mentions/names").status_code in (302, 401)


def test_a_mention_is_marked_in_the_note_and_nothing_in_it_comes_alive(logged_in, stored, colleagues, contact):
    person = logged_in("owner", name="Yossi Katz", handle="yossi")
    card = f"/admin/contact/{contact[1]}"
    person.post(f"{card}/notes", text="@yossi and @bad: <b>ask</b> @nobody, mail a@dana.com")
    text = person.text(card)
    assert '<bdi class="mention is-me" title="Yossi Katz">@yossi</bdi> and ' in text
    assert (
        '<bdi class="mention" title="&lt;img src=x onerror=alert(1)&gt;">@bad</bdi>: &lt;b&gt;ask&lt;/b&gt; @nobody'
        in text
    )
    assert text.count('class="mention') == 2
    note = stored.scalar(select(Event.id).where(Event.kind == "note_added"))
    stored.rollback()
    person.post(f"/admin/card-notes/{contact[1]}/{note}/pin")
    assert person.text(card).count('class="mention is-me"') == 2


def test_a_changed_note_tells_the_new_ones_and_a_task_tells_too(logged_in, stored, colleagues, contact):
    person = logged_in("owner", name="Yossi Katz")

    def told(email: str) -> int:
        stored.rollback()
        return len(
            stored.scalars(select(Notice).where(Notice.user_id == colleagues[email], Notice.kind == "mention")).all()
        )

    person.post(f"/admin/contact/{contact[1]}/notes", text="@dana")
    note = stored.scalar(select(Event.id).where(Event.kind == "note_added"))
    stored.rollback()
    person.post(f"/admin/card-notes/{contact[1]}/{note}", text="@dana @مریم_رضایی")
    assert (told("dana.levi@example.co.il"), told("maryam@example.co.il")) == (1, 1)
    person.post("/admin/tasks/new", contact=contact[1], title="Call", text="ask @dana.cohen", who="")
    assert told("dana.cohen@example.co.il") == 1
    assert 'title="Dana Cohen">@dana.cohen' in person.text("/admin/tasks/")
    assert stored.scalars(select(Task)).one().text == "ask @dana.cohen"


def test_typing_an_at_offers_colleagues_and_the_keyboard_or_the_finger_chooses(browse, stored, colleagues, contact):
    page = browse(f"/admin/contact/{contact[1]}", role="owner", name="Me Myself", language="he")
    box, options = page.locator("#note-text"), page.locator(".mention-option")
    box.press_sequentially("שלום @DANA")
    expect(options).to_have_count(2)
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(box).to_have_attribute("aria-activedescendant", "mention-0")
    box.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "mention-1")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value(re.compile("^שלום @dana(.cohen)? $"))
    expect(options).to_have_count(0)
    expect(box).not_to_have_attribute("role", "combobox")

    # The beginning of any word, of a name in any letters, of an address; Escape closes and leaves the box.
    for typed, found in (("levi", "Dana Levi"), ("رضا", "رضایی"), ("נו", "נועה")):
        box.fill("")
        box.press_sequentially(f"@{typed}")
        expect(options).to_have_count(1)
        expect(options.first).to_contain_text(found)
    box.fill("")
    box.press_sequentially("@noa")
    expect(options).to_have_count(1)
    box.press("Escape")
    expect(options).to_have_count(0)
    expect(box).to_be_focused()
    box.press_sequentially("x a@noa")
    expect(options).to_have_count(0)

    page.set_viewport_size({"width": 390, "height": 700})
    box.fill("")
    box.press_sequentially("@bad")
    around = options.first.bounding_box()
    assert around["x"] >= 0
    assert around["x"] + around["width"] <= 390
    expect(options.first).to_contain_text("<img src=x onerror=alert(1)>")
    assert serious(page) == []
    options.first.click()
    expect(box).to_have_value("@bad ")
    expect(box).to_be_focused()
    page.locator(".note-box button").click()
    expect(page.locator("#timeline-days .mention")).to_have_text("@bad")
