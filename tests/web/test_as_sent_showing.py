"""Channels of other plugins are shown well by what they declare: pages of a letter, a bubble, a card; no code here."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from playwright.sync_api import expect

from panel.messages import skeletons
from panel.messages.models import Message
from panel.messages.showing import pages, pictures
from panel.messages.showing.presentation import presentation
from panel.messages.showing.texts import marked
from panel.sdk import outbound
from panel.sdk.channels import ChannelFacts, Shown, Skeleton, TemplateContent, digest
from panel.sdk.outbound import Answer, NoAnswerError, NotSentError
from panel.sdk.testing import RecordingChannel
from plugins.email.reading import read_shown
from plugins.sms.text import show_text
from tests.messages.conftest import make_contact, make_message  # noqa: F401
from tests.plugin_manager.conftest import make_manager, write_plugin  # noqa: F401
from tests.web.seen import fits, serious

pytestmark = pytest.mark.databases("sqlite")

PLUGIN = """
from decimal import Decimal
from panel.sdk import outbound
from panel.sdk.channels import ChannelFacts, Measure, Shown
from panel.sdk.testing import RecordingChannel

class Letter(RecordingChannel):
    preview = "page"
    def show(self, payload):
        return Shown(text="Dear Yael", document=payload, parts=2)

class WhatsApp(RecordingChannel):
    preview = "bubble"
    def show(self, payload):
        return Shown(text=payload.decode())

class Stumbling(RecordingChannel):
    def show(self, payload):
        raise RuntimeError("a plugin's bug")

@hookimpl
def register_channels(ctx):
    price = ChannelFacts(price=Decimal("3.20"))
    return [
        Letter(name="letter", label="Letter", address_kind="postal", facts=price),
        WhatsApp(name="whatsapp", label="WhatsApp", address_kind="phone"),
        RecordingChannel(name="inapp", label="In the app", address_kind="contact"),
        Stumbling(name="stumbling", label="Stumbling", address_kind="contact"),
    ]
"""


def pdf(*words: str) -> bytes:
    """A small PDF with one page for each word."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for word in words:
        stream = f"BT /F1 48 Tf 72 700 Td ({word}) Tj ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        kids.append(len(objects) + 1)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {len(objects)} 0 R "
            "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(f'{n} 0 R' for n in kids)}] /Count {len(kids)} >>"
    body, places = "%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{one}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    start = body.rindex("xref\n0")
    return (body + f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF").encode()


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def sent(app, session, now, make_contact, make_message, write_plugin, make_manager) -> Callable[..., Message]:  # noqa: F811
    """Store a message of one of the test's channels: `sent("letter", pdf("x"))`."""
    write_plugin("post", PLUGIN)
    make_manager()

    def make(channel: str, payload: bytes, **more: Any) -> Message:
        compiled = skeletons.Compiled(
            Skeleton((payload,), (), tuple(more.pop("links", ()))), channel, TemplateContent()
        )
        skeletons.store(session, {compiled.sha256: compiled}, now)
        message = make_message(
            make_contact("יעל", phones=["+972526234567"]), None, channel=channel, status="sent", wire_at=now,
            sent_at=now, skeleton=compiled.sha256, values=[], content_sha256=digest(payload),
            address="Herzl 1, Haifa", **more,
        )  # fmt: skip
        session.commit()
        return message

    return make


def test_a_letter_is_shown_as_the_pages_that_were_handed_over(logged_in, sent):
    message, person = sent("letter", pdf("One", "Two")), logged_in("support")
    text = person.text(f"/messages/{message.id}/as-sent")
    assert "exactly the bytes that were sent" in text
    assert "as pictures of the document that was handed over" in text
    images = re.findall(r'<img src="(/messages/[^"]+\.png)"', text)
    assert len(images) == 2
    pictures = [person.get(one).data for one in images]
    assert all(one.startswith(b"\x89PNG\r\n\x1a\n") for one in pictures)
    assert pictures[0] != pictures[1]
    assert struct.unpack(">II", pictures[0][16:24]) == (pages.WIDTH, 1416)
    assert person.get(f"/messages/{message.id}/as-sent/page/3.png").status_code == 404
    assert "Dear Yael" in person.text(f"/messages/{message.id}/as-sent?view=text")


def test_a_document_that_is_none_says_so_instead_of_failing(logged_in, sent):
    message, person = sent("letter", b"no pdf at all"), logged_in("support")
    assert "cannot be drawn" in person.text(f"/messages/{message.id}/as-sent")
    assert person.get(f"/messages/{message.id}/as-sent/page/1.png").status_code == 404
    with pytest.raises(pages.NotADocumentError):
        pages.picture(pdf("x")[:60], 1)


def test_a_channel_that_declares_a_bubble_a_card_or_stumbles_is_shown(logged_in, sent):
    person = logged_in("support")
    bubble = person.text(f"/messages/{sent('whatsapp', b'Hi https://shop.test/x.').id}/as-sent")
    assert "sent-bubble" in bubble
    assert '<span class="sent-link">https://shop.test/x</span>.' in bubble
    invitation = sent("inapp", "שלום\nיש לך הזמנה".encode())
    card = person.text(f"/messages/{invitation.id}/as-sent")
    assert 'class="sent-note-title" dir="auto">שלום' in card
    assert "sent-note-text" in card
    assert "In the app" in card
    assert "a plugin did something" not in card
    assert "as it stands" in person.text(f"/messages/{sent('stumbling', b'as it stands').id}/as-sent")
    assert "gone by now" in person.text(f"/messages/{sent('nobodys', b'gone by now').id}/as-sent")


@pytest.mark.parametrize(
    ("declared", "kind", "shown", "looks"),
    [
        (None, "email", Shown(html="<p>"), "mail"),
        (None, "phone", Shown(text="x"), "bubble"),
        (None, "contact", Shown(text="x"), "card"),
        (None, "postal", Shown(document=b"%PDF"), "page"),
        ("page", "postal", Shown(text="x"), "card"),
        ("card", "phone", Shown(text="x"), "card"),
        ("nonsense", "phone", Shown(text="x"), "bubble"),
    ],
)
def test_how_a_message_looks_is_declared_or_follows_from_what_it_holds(declared, kind, shown, looks):
    channel = RecordingChannel(name="x", address_kind=kind, facts=ChannelFacts())
    if declared:
        channel.preview = declared  # type: ignore[attr-defined]
    assert presentation(channel, shown) == looks


@pytest.mark.parametrize(
    ("text", "parts", "coding", "left"),
    [
        ("a" * 160, 1, "GSM-7", 0),
        ("a" * 161, 2, "GSM-7", 145),
        ("€" * 80, 1, "GSM-7", 0),  # two places each
        ("a" * 152 + "€" + "b" * 10, 2, "GSM-7", 141),  # not torn apart between two parts
        ("ש" * 70, 1, "UCS-2", 0),
        ("ש" * 71, 2, "UCS-2", 63),
        ("🎁" * 35, 1, "UCS-2", 0),
    ],
)
def test_an_sms_tells_its_parts_its_encoding_and_what_is_left(text, parts, coding, left):
    shown = show_text(text.encode())
    assert shown.measure is not None
    assert (shown.parts, shown.measure.coding, shown.measure.left) == (parts, coding, left)


def test_the_files_that_went_along_with_a_mail_are_listed():
    mail = EmailMessage()
    mail.set_content("שלום")
    mail.add_attachment(b"%PDF" + b"x" * 96, maintype="application", subtype="pdf", filename="חשבונית.pdf")
    mail.add_attachment("notes", filename="notes.txt")
    shown = read_shown(mail.as_bytes())
    assert shown.text == "שלום\n"
    assert [(one.name, one.kind, one.size) for one in shown.attachments] == [
        ("חשבונית.pdf", "application/pdf", 100),
        ("notes.txt", "text/plain", 6),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, {"content-type": "image/png"}, b"<html>a page that calls itself a picture"),
        Answer(200, {}, b"\x89PNG\r\n\x1a\n", complete=False),
        Answer(404, {}, b"\x89PNG\r\n\x1a\n"),
        Answer(302, {"location": "http://10.0.0.1/"}, b""),
        NotSentError("private", "10.0.0.1"),
        NoAnswerError("silence"),
    ],
)
def test_what_is_no_picture_or_comes_from_our_own_network_is_not_shown(monkeypatch, answer):
    def request(method: str, url: str, **options: Any) -> Answer:
        assert not options["allow_local"]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(outbound, "request", request)
    found = pictures.fetch(["https://shop.test/a.png", "https://shop.test/yael.png"], ["https://shop.test/a.png"])
    assert (found.loaded, found.own, found.failed) == ({}, ["https://shop.test/yael.png"], ["https://shop.test/a.png"])


def test_a_text_is_taken_apart_and_is_the_same_text_put_together():
    text = "קישור: https://shop.test/a?b=1, (https://panel.test/c/tok)! https://x"
    pieces = marked(text, {"https://panel.test/c/tok": "https://shop.test/two"})
    assert "".join(one.text for one in pieces) == text
    assert [(one.text, one.target) for one in pieces if one.is_link] == [
        ("https://shop.test/a?b=1", ""),
        ("https://panel.test/c/tok", "https://shop.test/two"),
        ("https://x", ""),
    ]


@pytest.mark.parametrize(
    ("language", "theme", "width"), [("en", "light", 1280), ("he", "dark", 390), ("fa", "light", 390)]
)
def test_each_way_of_showing_is_readable_by_everybody(browse, live_server, sent, language, theme, width):
    shown = [
        sent("letter", pdf("Dear Yael")),
        sent("whatsapp", "שלום יעל, התור שלך מחר ב־9:00. לפרטים: https://shop.test/x".encode()),
        sent("inapp", "הזמנה בדרך\nהחבילה שלך יצאה היום.".encode()),
    ]
    page = browse("/admin/", language=language, theme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    for message in shown:
        page.goto(f"{live_server}/messages/{message.id}/as-sent")
        expect(page.locator(".sent-pages img, .sent-bubble, .sent-note").first).to_be_visible()
        assert serious(page) == []
        assert fits(page)
    page.locator(".sent-note-title").wait_for()
    assert page.locator(".sent-note-title").evaluate("e => getComputedStyle(e).direction") == "rtl"
