"""What a mail looks like on the wire: MIME, directions, links, safety of values."""

from __future__ import annotations

import email
import email.policy
import json
import re
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panel.sdk.merge import TemplateError
from plugins.email.bodies import quoted
from plugins.email.headers import encode_address, encode_text
from plugins.email.reading import header_text
from plugins.email.tests.conftest import content, fill

SNAPSHOTS = Path(__file__).parent / "snapshots"
TEMPLATES = {
    "en": content(
        "<style>p { color: #333333 } @media (max-width: 600px) { p { font-size: 18px } }</style>"
        "<p>Dear [[first_name|friend]],</p><p>Your invoice [[given.invoicenumber]] is ready. "
        '<a href="https://shop.test/pay?a=1&amp;b=2">Pay now</a></p>'
        '<p><a href="[[unsubscribe_link]]">Unsubscribe</a></p>',
        subject="Invoice [[given.invoicenumber]]",
    ),
    "he": content(
        "<p>שלום [[first_name|חבר]],</p><p>החשבונית מוכנה, הטלפון שלך: [[phone]].</p>"
        '<ul><li><a href="https://shop.test/he">לחנות</a></li></ul><p><a href="[[unsubscribe_link]]">הסרה</a></p>',
        subject="שלום [[first_name|חבר]]",
        language="he",
    ),
    "fa": content(
        "<h1>سلام [[first_name|دوست عزیز]]</h1><p>تلفن شما [[phone]] است.</p>"
        '<p><a href="https://shop.test/fa">فروشگاه</a></p><p><a href="[[unsubscribe_link]]">لغو اشتراک</a></p>',
        subject="نامه‌ای برای [[first_name|دوست عزیز]]",
        language="fa",
    ),
}
VALUES = {
    "en": {"first_name": "Dana & Co <b>", "given.invoicenumber": "INV-1001", "subject": "Invoice INV-1001"},
    "he": {"first_name": "דנה", "phone": "+972 52-123-0003", "subject": "שלום דנה"},
    "fa": {"first_name": "علی‌رضا", "phone": "+98 912 345 6789", "subject": "نامه‌ای برای علی‌رضا"},
}


def parse(payload: bytes) -> EmailMessage:
    mail = email.message_from_bytes(payload, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_the_mail_is_exactly_as_it_was_read_and_approved(channel, language):
    payload = fill(channel, channel.compile(TEMPLATES[language]), **VALUES[language])
    assert payload == (SNAPSHOTS / f"{language}.eml").read_bytes()


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_every_mail_has_what_bulk_senders_must_write(channel, language):
    payload = fill(channel, channel.compile(TEMPLATES[language]), **VALUES[language])
    mail = parse(payload)
    for name in ("From", "To", "Date", "Message-ID", "Subject", "MIME-Version", "List-Unsubscribe", "Feedback-ID"):
        assert len(mail.get_all(name, [])) == 1, name
    assert mail["Message-ID"] == "<m1.1@nava.test>"
    assert mail["List-Unsubscribe"] == "<https://panel.test/u/UUU>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Subject"] == VALUES[language]["subject"]
    assert mail["From"].addresses[0].addr_spec == "shalom@nava.test"
    assert mail["From"].addresses[0].display_name == "נאווה"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert payload.isascii()
    assert max(len(line) for line in payload.split(b"\r\n")) <= 76
    assert b"\n" not in payload.replace(b"\r\n", b"")


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("he", "rtl"), ("fa", "rtl")])
def test_direction_stands_on_the_content_itself_because_mail_programs_drop_the_html_tag(channel, language, direction):
    html = (
        parse(fill(channel, channel.compile(TEMPLATES[language]), **VALUES[language])).get_body(("html",)).get_content()
    )
    assert f'<div lang="{language}" dir="{direction}"' in html
    assert '<span dir="auto">' in html


def test_a_value_in_html_is_text_never_markup(channel):
    html = parse(fill(channel, channel.compile(TEMPLATES["en"]), **VALUES["en"])).get_body(("html",)).get_content()
    assert "Dana &amp; Co &lt;b&gt;" in html


def test_the_text_part_reads_well_and_carries_the_links(channel):
    text = parse(fill(channel, channel.compile(TEMPLATES["he"]), **VALUES["he"])).get_body(("plain",)).get_content()
    assert text.splitlines()[0] == "שלום דנה,"
    assert "- לחנות: https://panel.test/c/LINK0" in text
    assert "הסרה: https://panel.test/u/UUU" in text


def test_one_target_is_one_link_in_both_parts(channel):
    skeleton = channel.compile(content('<p><a href="https://a.test/">a</a> <a href="https://b.test/">b</a></p>'))
    assert skeleton.links == ("https://a.test/", "https://b.test/")
    assert [slot.name for slot in skeleton.slots if slot.name.startswith("link")] == ["link:0", "link:1"] * 2


def test_styles_are_written_onto_the_elements_and_media_rules_stay(channel):
    html = parse(fill(channel, channel.compile(TEMPLATES["en"]), **VALUES["en"])).get_body(("html",)).get_content()
    assert '<p style="color: #333333;">' in html
    assert "@media (max-width: 600px)" in html


def test_a_text_only_mail_gets_an_html_part_with_links(channel):
    skeleton = channel.compile(content(text="שלום [[first_name]]\n\nhttps://shop.test/x?a=1\n", language="he"))
    mail = parse(fill(channel, skeleton, first_name="דנה"))
    assert skeleton.links == ("https://shop.test/x?a=1",)
    assert '<a href="https://panel.test/c/LINK0">' in mail.get_body(("html",)).get_content()
    assert mail.get_body(("plain",)).get_content().startswith("שלום דנה\r\n")


def test_without_tracking_links_and_pixel_stay_out(context, channel):
    context.given |= {"track_opens": False, "track_clicks": False}
    skeleton = channel.compile(TEMPLATES["he"])
    assert skeleton.links == ()
    assert not {"pixel", "link:0"} & {slot.name for slot in skeleton.slots}
    assert b"https://shop.test/he" in fill(channel, skeleton, **VALUES["he"])


def test_a_mail_without_unsubscribe_link_claims_no_list(channel):
    mail = parse(fill(channel, channel.compile(content("<p>Your invoice</p>"))))
    assert "List-Unsubscribe" not in mail
    assert "List-Unsubscribe-Post" not in mail


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ("<style>p { color: [[colour]] }</style><p>x</p>", "field_in_code"),
        ("<p style='color: [[colour]]'>x</p>", "field_in_code"),
        ("<!-- [[first_name]] --><p>x</p>", "field_in_code"),
        ("<a href='https://[[host]]/x'>x</a>", "field_in_host"),
        ("<a href='java[[x]]'>x</a>", "field_in_host"),
    ],
)
def test_a_field_where_no_value_is_safe_is_refused(channel, html, code):
    with pytest.raises(TemplateError) as caught:
        channel.compile(content(html))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("value", "href"),
    [
        ("https://pay.test/1?a=1&b=2", "https://pay.test/1?a=1&amp;b=2"),
        ("pay.test/1", "https://pay.test/1"),
        ("javascript:alert(1)", "#"),
        ("data:text/html,x", "#"),
        ('https://x.test/"><script>', "https://x.test/&quot;&gt;&lt;script&gt;"),
    ],
)
def test_a_link_from_a_field_leads_only_where_links_may_lead(channel, value, href):
    html = parse(fill(channel, channel.compile(content('<a href="[[pay]]">pay</a>')), pay=value))
    assert f'<a href="{href}">pay</a>' in html.get_body(("html",)).get_content()


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=300))
def test_any_text_survives_quoted_printable(text):
    import quopri

    raw = quoted(text.replace("\r", ""))
    assert quopri.decodestring(raw).replace(b"\r\n", b"\n").decode() == text.replace("\r", "")
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), max_size=300))
def test_any_subject_survives_its_header(text):
    raw = encode_text(text)
    assert raw.isascii()
    assert all(line.startswith(b" ") for line in raw.split(b"\r\n")[1:])
    assert header_text(raw.decode()) == text


def header_attacks() -> list[str]:
    """The values of the shared corpus where it is checked out, and the worst of them always."""
    always = [
        "Hi\r\nBcc: x@x.test",
        "=?utf-8?b?SGkNCkJjYzogeEB4?=",
        "=?utf-8?q?Hi=0D=0ABcc:_x@x?=",
        "a\x85Bcc: x",
        "\u2028x",
    ]
    corpus = Path(__file__).parents[4] / "shared/corpora/generated/header_injection.json"
    return always + (json.loads(corpus.read_text())["values"] if corpus.exists() else [])


@pytest.mark.parametrize("value", header_attacks())
def test_no_value_can_add_a_header_or_a_recipient(context, channel, value):
    context.given |= {"from_name": value}
    template = content("<p>[[first_name]]</p><p><a href='[[unsubscribe_link]]'>x</a></p>", subject="[[first_name]]")
    plain = fill(channel, channel.compile(template), first_name="Dana", subject="Dana")
    payload = fill(channel, channel.compile(template), first_name=value, subject=value, key=value, message_id=value)
    for policy in (email.policy.default, email.policy.compat32, email.policy.SMTP):
        mail = email.message_from_bytes(payload, policy=policy)
        assert mail.keys() == email.message_from_bytes(plain, policy=policy).keys()
        assert not mail.defects
    head = payload.partition(b"\r\n\r\n")[0]
    assert all(re.match(rb"[A-Za-z-]+: |[ \t]\S", line) for line in head.split(b"\r\n"))
    assert max(len(line) for line in head.split(b"\r\n")) <= 998


@pytest.mark.parametrize("value", [*header_attacks(), "a b@c.test", "a@b.test,c@d.test", "<a@b.test>", "דנה@b.test"])
def test_an_address_is_an_address_or_refused(value):
    try:
        written = encode_address(value)
    except ValueError:
        return
    assert re.fullmatch(rb"[^\s<>,:;\"]+@[^\s<>,:;\"]+", written)


def test_an_international_domain_travels_in_ascii():
    assert encode_address("dana@דוגמה.co.il") == b"dana@xn--6dbbec0c.co.il"
