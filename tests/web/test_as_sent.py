"""A message as it was sent: proven, readable, and not one hit on our own addresses, whatever is clicked in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from panel.db import db
from panel.messages.models import Message
from panel.messages.rendering import Renderer
from panel.messages.templates import Form, save_template
from panel.messages.tokens import Addresses
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


def test_the_page_proves_the_bytes_and_lists_the_links(logged_in, sent):
    message = sent()
    person = logged_in("support")
    page = person.text(f"/messages/{message.id}/as-sent")
    assert "proven by their SHA-256" in page
    assert message.content_sha256 in page
    assert "https://shop.test/one" in page
    assert "List-Unsubscribe-Post" in person.text(f"/messages/{message.id}/as-sent?view=headers")
    assert "שלום דנה" in person.text(f"/messages/{message.id}/as-sent?view=text")


def test_a_changed_copy_is_called_what_it_is(logged_in, session, sent):
    message = sent()
    message.values = ["x", *message.values[1:]]
    session.commit()
    assert "does not match the hash" in logged_in().text(f"/messages/{message.id}/as-sent")


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
        "/plugins/email/mailbox",
        own.unsubscribe(message.id).removeprefix(live_server),
        "/u/nothing",
    ):
        page.goto(live_server + path)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            found += [f"{path} at {width}: {line}" for line in serious(page)]
    assert found == []


@pytest.mark.databases("sqlite")
def test_in_a_real_browser_every_link_is_clicked_and_nothing_is_counted(browse, sent):
    message = sent()
    before = hits()
    page = browse(f"/messages/{message.id}/as-sent", language="he")
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.reload(wait_until="networkidle")
    frame = page.frame_locator("iframe[sandbox]")
    frame.get_by_text("שלום דנה").wait_for()
    links = frame.locator("a")
    assert links.count() == 3
    for n in range(links.count()):
        links.nth(n).click(force=True)
        links.nth(n).click(force=True, modifiers=["Control"])
    page.wait_for_load_state("networkidle")
    for view in ("mobile", "text", "headers"):
        page.goto(page.url.split("?")[0] + f"?view={view}", wait_until="networkidle")
    assert hits() == before == 0
    assert not [url for url in asked if "/o/" in url or "/c/" in url or "/u/" in url or "shop.test" in url]
    assert len(page.context.pages) == 1


def test_a_call_of_a_plugin_is_not_shown_as_a_message_that_never_went(logged_in, sent, session):
    message = sent()
    message.kind, message.inline, message.skeleton = "call", {"action": "books.mark", "with": {}}, None
    session.commit()
    assert "a journey called books.mark" in logged_in("support").text(f"/messages/{message.id}/as-sent")
