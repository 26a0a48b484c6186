"""A support person's morning by keyboard alone, on a telephone in Hebrew and Persian and at a desk in English.

"Did Yael get the reminder? What did it say? Why did she get two? Move her to SMS; call her tomorrow at nine."
And what a screen reader finds on the page: landmarks, headings in order, each item with a name, quiet otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.db import next_ids, writing
from panel.engagement.models import ChannelPin
from panel.i18n import translate
from panel.journeys.models import Enrolment
from panel.messages import skeletons
from panel.messages.models import Message
from panel.sdk.channels import Skeleton, TemplateContent, digest
from panel.tasks.models import Task
from panel.tracking.models import TrackingHit
from tests.web.seen import serious
from tests.web.story import PEOPLE, add_message, make_journey, make_story

pytestmark = pytest.mark.databases("sqlite")

REMINDER = {"he": "תזכורת לתור מחר", "fa": "یادآوری نوبت فردا", "en": "Reminder of tomorrow"}
BODY = {"he": "התור שלך מחר בתשע", "fa": "نوبت شما فردا ساعت نه است", "en": "Your appointment is tomorrow at nine"}
WHY = {"he": "ביקשה בטלפון", "fa": "تلفنی خواست", "en": "asked on the phone"}

TOMORROW = {"he": "מחר 9:00", "fa": "فردا ۹:۰۰", "en": "tomorrow 9:00"}


@pytest.fixture
def card(app) -> Callable[[str], str]:
    """A contact who got the same reminder from two journeys; gives the address of the page."""

    def make(language: str) -> str:
        now = clock.now()
        with writing() as session:
            contact_id = make_story(session, now, language)
            for number, name in ((1, "reminders"), (2, "visits")):
                title = f"{REMINDER[language]} {number}"
                version = make_journey(session, now - timedelta(days=9), id_=name, name=title)
                at = now - timedelta(minutes=10 * number)
                (enrolment,) = next_ids(session, "enrolments", 1)
                session.add(
                    Enrolment(id=enrolment, journey_id=name, version_id=version, contact_id=contact_id, entered_at=at,
                              status="finished", step_began_at=at, phase="ended", ended_at=at)
                )  # fmt: skip
                message_id = add_message(
                    session, contact_id, at, status="delivered", subject=REMINDER[language], journey_id=name,
                    sent_at=at, wire_at=at, enrolment_id=enrolment,
                    kinds=(("message_sent", timedelta(0), {}), ("message_delivered", timedelta(seconds=20), {})),
                )  # fmt: skip
                mail = EmailMessage()
                mail["Subject"] = REMINDER[language]
                mail.set_content(f'<p>{BODY[language]}</p><a href="https://panel.test/c/x">x</a>', subtype="html")
                payload = mail.as_bytes()
                compiled = skeletons.Compiled(Skeleton((payload,), ()), "email", TemplateContent())
                skeletons.store(session, {compiled.sha256: compiled}, now)
                message = session.get_one(Message, message_id)
                message.skeleton, message.values, message.content_sha256 = compiled.sha256, [], digest(payload)
                message.language = language
            return f"/admin/contact/{session.scalar(select(Contact.public_id).where(Contact.id == contact_id))}"

    return make


def tab_to(page, selector: str, most: int = 150) -> None:
    """Press Tab until what has the focus fits."""
    for _ in range(most):
        if page.evaluate("(s) => Boolean(document.activeElement?.matches(s))", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"no Tab leads to {selector}", pytrace=False)


def step_to(page, words: str, most: int = 20) -> None:
    """Press j until an item with these words has the focus."""
    for _ in range(most):
        page.keyboard.press("j")
        if words in page.evaluate("document.activeElement.innerText"):
            return
    pytest.fail(f"no item says {words}", pytrace=False)


@pytest.mark.parametrize(("language", "width"), [("he", 390), ("fa", 390), ("en", 1280)])
def test_a_morning_of_support_by_keyboard_alone(browse, session, card, language, width):
    address = card(language)
    page = browse("/admin/", role="support", language=language, time_zone="Asia/Jerusalem")
    page.set_viewport_size({"width": width, "height": 844})
    page.add_init_script("addEventListener('pointerdown', () => { throw new Error('a pointer was used') })")

    # She is found by the beginning of her name.
    page.keyboard.press("Control+k")
    page.keyboard.type(PEOPLE[language][0])
    with page.expect_navigation():
        page.keyboard.press("Enter")
    if address not in page.url:
        tab_to(page, f"a[href*='{address}']")
        page.keyboard.press("Enter")
    page.wait_for_url(f"**{address}*")

    # Did she get it? What did it say?
    step_to(page, REMINDER[language])
    item = page.locator(".item:focus")
    expect(item).to_contain_text(translate(language, "Delivered"))
    expect(item).to_contain_text(f"{REMINDER[language]} 1")
    page.keyboard.press("p")
    shown = page.frame_locator("#sent-dialog iframe")
    expect(shown.locator(".sent-proof")).to_contain_text(
        translate(language, "These are exactly the bytes that were sent, checked just now.")
    )
    expect(shown.frame_locator("iframe").locator("body")).to_contain_text(BODY[language])
    page.keyboard.press("Escape")
    expect(page.locator("#sent-dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement.closest('.item') !== null")  # where the reading went on

    # Why did she get two? The second is of another journey, and each says why it was sent.
    step_to(page, f"{REMINDER[language]} 2")
    tab_to(page, "a[href*='/message']", 8)
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text(f"{REMINDER[language]} 2")
    page.evaluate("document.body.focus()")
    tab_to(page, f"main a[href$='{address}']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{address}*")

    # Move her to SMS.
    tab_to(page, ".channel-foot summary")
    page.keyboard.press("Enter")
    expect(page.locator("#pin-channel")).to_be_focused()
    for _ in range(8):
        if page.evaluate("document.activeElement.value") == "sms":
            break
        page.keyboard.press("ArrowDown")
    expect(page.locator("#pin-channel")).to_have_value("sms")
    page.keyboard.press("Tab")
    page.keyboard.type(WHY[language])
    expect(page.locator(".channel-card input:focus")).to_have_value(WHY[language])
    page.keyboard.press("Enter")
    expect(page.locator(".channel-card .state-blue")).to_be_visible()
    expect(page.locator(".channel-card")).to_contain_text(WHY[language])
    assert session.scalars(select(ChannelPin.channel)).all() == ["sms"]
    session.rollback()

    # Call her tomorrow at nine.
    tab_to(page, ".task-new summary", 300)
    page.keyboard.press("Enter")
    tab_to(page, "#task-title", 5)
    page.keyboard.type(WHY[language])
    tab_to(page, "#task-due", 5)
    page.keyboard.type(TOMORROW[language])
    expect(page.locator("#task-due-echo")).to_contain_text("=")
    page.keyboard.press("Enter")
    expect(page.locator(".side-row.task")).to_contain_text(WHY[language])
    zone = ZoneInfo("Asia/Jerusalem")
    [due] = session.scalars(select(Task.due_at)).all()
    session.rollback()
    assert due.astimezone(zone).replace(tzinfo=None) == datetime.combine(
        clock.now().astimezone(zone).date() + timedelta(days=1), time(9)
    )

    # And nothing of all this looks like something that she did.
    assert (
        session.scalars(select(TrackingHit.id).where(TrackingHit.at > clock.now() - timedelta(minutes=30))).all() == []
    )


OUTLINE = """() => {
  const seen = (e) => e.checkVisibility({visibilityProperty: true});
  const name = (e) => (e.getAttribute("aria-label") || (e.getAttribute("aria-labelledby") || "").split(" ")
      .map((id) => document.getElementById(id)?.textContent || "").join(" ").trim()
      || e.textContent.trim() || e.title || e.labels?.[0]?.textContent || "").trim();
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
  const headings = all("h1, h2, h3, h4, h5, h6").map((e) => Number(e.localName[1]));
  return {
    mains: document.querySelectorAll("main").length,
    asides: all("aside, nav, section[aria-labelledby]").filter((e) => !e.getAttribute("aria-label") && !name(e)).length,
    headings, skips: headings.filter((h, n) => n && h > headings[n - 1] + 1).length,
    items: document.querySelectorAll("li.item").length,
    unnamed: [...document.querySelectorAll("li.item")].filter((e) =>
      !(document.getElementById(e.getAttribute("aria-labelledby"))?.textContent.trim())).length,
    loose: [...document.querySelectorAll(".item")].filter((e) => !e.matches("ol > li, ul > li")).length,
    buttons: all("button, summary, a[href], [role=button]").filter((e) => !name(e))
      .map((e) => e.outerHTML.slice(0, 120)),
    fields: all("main input:not([type=hidden]), main select, main textarea")
      .filter((e) => !e.labels?.length && !e.getAttribute("aria-label")).map((e) => e.outerHTML.slice(0, 120)),
    live: all("[aria-live], [role=alert], [role=status], [role=log]")
      .filter((e) => e.textContent.trim()).map((e) => e.id || e.className),
  };
}"""


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("he", 390), ("fa", 390)])
def test_a_screen_reader_finds_its_way_on_the_card(browse, card, language, width):
    page = browse(card(language), role="support", language=language)
    page.set_viewport_size({"width": width, "height": 844})
    page.locator(".channel-card").wait_for()
    seen = page.evaluate(OUTLINE)
    assert (seen["mains"], seen["headings"].count(1), seen["skips"], seen["asides"]) == (1, 1, 0, 0), seen["headings"]
    assert seen["headings"][0] == 1
    assert seen["items"] >= 10
    assert (seen["unnamed"], seen["loose"]) == (0, 0)
    assert (seen["buttons"], seen["fields"]) == ([], [])
    assert seen["live"] == []  # nothing speaks by itself until there is news
    expect(page.locator("#timeline-news[aria-live=polite]")).to_have_count(1)
    assert serious(page) == []
