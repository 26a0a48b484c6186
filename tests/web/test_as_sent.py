"""A message as it was sent: proven, readable, and not one hit on our own addresses, whatever is clicked in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from panel.db import db
from panel.issues.models import Issue
from panel.messages.models import Message
from panel.messages.rendering import Renderer
from panel.messages.templates import Form, save_template
from panel.messages.tokens import Addresses
from panel.sdk import outbound
from panel.sdk.outbound import Answer
from panel.tracking.models import TrackingHit
from tests.messages.conftest import channel, make_contact, make_message, make_template  # noqa: F401
from tests.web.axe import serious

HTML = (
    '<p>שלום [[שם פרטי]]</p><p><a id="own" href="https://shop.test/one">one</a> <a href="https://shop.test/two">two</a></p>'
    '<p><a href="[[unsubscribe link]]">הסרה</a></p><img src="https://shop.test/logo.png" alt="logo">'
    '<form action="https://shop.test/form"><button>send</button></form><script>alert(1)</script>'
)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def sent(app, session, channel, now, make_contact, make_template, make_message) -> Callable[..., Message]:  # noqa: F811
    def make(html: str = HTML) -> Message:
        contact = make_contact("דנה", language="he")
        message = make_message(
            contact, make_template(he=html), status="sent", purpose="marketing", wire_at=now, sent_at=now
        )
        public_url = app.config["PANEL"].public_url
        (result,) = Renderer(session, {"email": channel}, public_url, app.config["SECRET_KEY"], now=now).render(
            [message]
        )
        message.skeleton, message.values = result.skeleton_sha256, result.values
        message.content_sha256, message.address = result.content_sha256, result.address
        message.subject, message.language = result.subject, result.language
        session.commit()
        return message

    return make


def hits() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(TrackingHit))


def test_the_page_proves_the_bytes_and_lists_the_links(logged_in, sent, session, now):
    message = sent()
    for after, verdict in ((3, "machine"), (9, "human")):
        session.add(
            TrackingHit(message_id=message.id, contact_id=message.contact_id, kind="click", link=0,
                        at=now + timedelta(minutes=after), verdict=verdict)
        )  # fmt: skip
    session.commit()
    person = logged_in("support")
    page = person.text(f"/messages/{message.id}/as-sent")
    assert "exactly the bytes that were sent, checked just now" in page
    assert "shalom@nava.test" in page
    proof = person.text(f"/messages/{message.id}/as-sent?view=proof")
    assert proof.count(message.content_sha256) == 2
    links = person.text(f"/messages/{message.id}/as-sent?view=links")
    assert links.index("https://shop.test/one") < links.index("a security scanner, not counted")
    assert links.index("a security scanner, not counted") < links.index("a person") < links.index("Never clicked")
    assert 'href="https://shop' not in links
    assert "List-Unsubscribe-Post" in person.text(f"/messages/{message.id}/as-sent?view=headers")
    assert "שלום דנה" in person.text(f"/messages/{message.id}/as-sent?view=text")


def test_a_changed_copy_is_called_what_it_is(logged_in, session, sent):
    message = sent()
    message.values = ["x", *message.values[1:]]
    session.commit()
    person = logged_in()
    assert "does not match what was sent" in person.text(f"/messages/{message.id}/as-sent")
    assert "different" in person.text(f"/messages/{message.id}/as-sent?view=proof")
    issues = session.scalars(select(Issue).where(Issue.code == "message_changed")).all()
    assert [(one.key, one.count) for one in issues] == [(f"message_changed:{message.id}", 2)]
    message.values = message.values[1:]
    session.commit()
    assert "is damaged" in person.text(f"/messages/{message.id}/as-sent")


def test_the_frame_can_load_run_and_lead_to_nothing(logged_in, sent):
    answer = logged_in().get(f"/messages/{sent().id}/as-sent/frame")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    for bad in ("<script", "<form", ' src="http', "/o/", ' href="http://panel.test'):
        assert bad not in answer.text.replace("data-href", "data-x").replace("data-src", "data-y"), bad
    assert '<base target="_blank">' in answer.text
    assert re.search(r"<a [^>]*\shref=", answer.text) is None
    assert 'title="https://shop.test/one"' in answer.text
    assert 'lang="he" dir="rtl"' in answer.text


def test_strangers_and_messages_that_never_left_are_answered_politely(
    client,
    logged_in,
    session,
    make_contact,  # noqa: F811
    make_message,  # noqa: F811
):
    waiting = make_message(make_contact(), None, status="queued")
    session.commit()
    assert client.get(f"/messages/{waiting.id}/as-sent").status_code == 302
    person = logged_in("viewer")
    assert "has not gone out" in person.text(f"/messages/{waiting.id}/as-sent")
    assert person.get(f"/messages/{waiting.id}/as-sent/frame").status_code == 404
    assert person.get("/messages/999999/as-sent").status_code == 404


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("language", ["en", "he"])
def test_the_pages_around_messages_have_no_serious_barrier(app, browse, live_server, session, sent, language):
    template = save_template(
        session, "t", [Form("email", "he", "שלום", "<p>[[frist name]]</p>"), Form("sms", text="x")]
    )
    session.commit()
    message = sent()
    page = browse("/admin/templates/", language=language)
    own = Addresses(live_server, app.config["SECRET_KEY"])
    found = []
    for path in (
        f"/admin/templates/{template.id}",
        "/admin/templates/new",
        f"/messages/{message.id}/as-sent",
        f"/messages/{message.id}/as-sent?view=headers",
        f"/messages/{message.id}/as-sent?view=links",
        f"/messages/{message.id}/as-sent?view=proof",
        "/plugins/email/mailbox",
        own.unsubscribe(message.id).removeprefix(live_server),
        "/u/nothing",
    ):
        page.goto(live_server + path)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            found += [f"{path} at {width}: {line}" for line in serious(page)]
    assert found == []


# Everything by which a document may ask for something, be followed somewhere, or act.
HOSTILE = (
    '<p>שלום [[שם פרטי]]</p><a href="https://shop.test/one">one</a><a href="https://shop.test/two" ping="https://shop.test/p">2</a>'
    '<a href="[[unsubscribe link]]">הסרה</a><a href="mailto:a@shop.test">mail</a><area href="https://shop.test/area">'
    '<img src="https://shop.test/logo.png"><img srcset="https://shop.test/a 1x, https://shop.test/b 2x">'
    '<picture><source srcset="https://shop.test/c"><img src="https://shop.test/d"></picture>'
    '<table background="https://shop.test/e"><tr><td style="background:url(https://shop.test/f)">x</td></tr></table>'
    "<style>@import 'https://shop.test/g'; p{background:url(https://shop.test/h)} @font-face{font-family:x;src:url(https://shop.test/i)}"
    "</style><style>@media(max-width:400px){p{color:rgb(1, 2, 3)}}</style>"
    '<meta http-equiv="refresh" content="0;url=https://shop.test/j"><link rel="stylesheet" href="https://shop.test/k">'
    '<link rel="prefetch" href="https://shop.test/l"><base href="https://shop.test/">'
    '<iframe src="https://shop.test/m"></iframe><object data="https://shop.test/n"></object><embed src="https://shop.test/o">'
    '<video poster="https://shop.test/q" src="https://shop.test/r" autoplay></video>'
    '<audio src="https://shop.test/s" autoplay></audio>'
    '<svg><image href="https://shop.test/t"/><use href="https://shop.test/u#x"/><a href="https://shop.test/v"><text>v</text></a></svg>'
    '<form action="https://shop.test/w" method="post"><input name="x" autofocus><button>send</button></form>'
    '<button formaction="https://shop.test/x">go</button><details ontoggle="fetch(1)" open>y</details>'
    '<script>fetch("https://shop.test/y")</script>'
)  # fmt: skip


@pytest.mark.databases("sqlite")
def test_in_a_real_browser_everything_is_clicked_in_every_way_and_nothing_is_counted(browse, sent):
    message = sent(HOSTILE)
    before = hits()
    page = browse(f"/messages/{message.id}/as-sent", language="he")
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload(wait_until="networkidle")
    place = page.url
    frame = page.frame_locator("iframe[sandbox]")
    frame.get_by_text("שלום דנה").wait_for()
    links = frame.locator("a")
    expect(links).to_have_count(4)
    for n in range(4):
        links.nth(n).click(force=True)
        links.nth(n).click(force=True, modifiers=["Control"])
        links.nth(n).click(force=True, button="middle")
        links.nth(n).click(force=True, modifiers=["Shift"])
        links.nth(n).evaluate("a => a.focus()")
        page.keyboard.press("Enter")
    expect(
        frame.locator(
            "button, input, form, summary, area, svg, iframe, object, embed, video, script, meta[http-equiv], link"
        )
    ).to_have_count(0)
    frame.locator("img[data-src]").first.click(force=True)
    frame.locator("img[data-src]").first.click(force=True, button="middle")
    # By the keyboard alone, through the whole page and the frame.
    for _ in range(12):
        page.keyboard.press("Tab")
    for view in ("phone", "text", "headers", "links", "proof"):
        page.goto(f"{place}?view={view}", wait_until="networkidle")
        for n in range(page.locator("main .sent-card a:not([href^='?']):not([target])").count()):
            page.locator("main .sent-card a:not([href^='?']):not([target])").nth(n).click(modifiers=["Control"])
        if view == "phone":
            inside = page.frame_locator("iframe[sandbox]").locator("p").first
            assert inside.evaluate("p => [innerWidth, getComputedStyle(p).color]") == [375, "rgb(1, 2, 3)"]
    page.wait_for_load_state("networkidle")
    assert hits() == before == 0
    assert not [url for url in asked if "/o/" in url or "/c/" in url or "/u/" in url or "shop.test" in url]
    assert len(page.context.pages) == 1


def test_images_are_fetched_only_when_asked_and_never_those_made_for_one_contact(logged_in, sent, monkeypatch):
    message = sent(
        '<p>x</p><img src="https://shop.test/logo.png" alt="a"><img src="https://shop.test/[[first name]].png" alt="b">'
        '<img src="/relative.png">'
    )
    asked: list[str] = []

    def fetch(method: str, url: str, **options: Any) -> Answer:
        asked.append(url)
        assert not {"cookie", "referer", "user-agent"} & {name.lower() for name in options["headers"]}
        return Answer(200, {}, b"\x89PNG\r\n\x1a\nxx")

    monkeypatch.setattr(outbound, "request", fetch)
    person, path = logged_in("support"), f"/messages/{message.id}/as-sent"
    page = person.text(path)
    assert "Show images" in page
    assert "made for this contact alone" in page
    assert "data:image/png" not in person.text(path + "/frame")
    assert asked == []
    answer = person.post(path + "/frame", page=path)
    assert asked == ["https://shop.test/logo.png"]
    assert 'src="data:image/png;base64,' in answer.text
    assert answer.headers["Content-Security-Policy"].endswith("sandbox")
    assert person.client.post(path + "/frame").status_code == 400  # without the token of the page nothing is asked for


def test_a_call_of_a_plugin_is_not_shown_as_a_message_that_never_went(logged_in, sent, session):
    message = sent()
    message.kind, message.inline, message.skeleton = "call", {"action": "books.mark", "with": {"order": "A-7"}}, None
    session.commit()
    text = logged_in("support").text(f"/messages/{message.id}/as-sent")
    assert "a journey called books.mark" in text
    assert "What it was told" in text
