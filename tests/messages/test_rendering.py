"""From ledger rows to bytes, and back again."""

from __future__ import annotations

import email
import email.policy

import pytest
from sqlalchemy import select

from panel.contacts.models import Field, FieldValue
from panel.installation.operations import set_setting
from panel.messages import skeletons
from panel.messages.models import Message, Skeleton
from panel.messages.preview import as_sent, preview_template
from panel.messages.rendering import NotRendered, Rendered, Renderer
from panel.messages.templates import Form, save_template
from panel.sdk.channels import TemplateContent, digest
from tests.messages.conftest import PUBLIC_URL, SECRET


def parsed(result):
    assert isinstance(result, Rendered), result
    return email.message_from_bytes(result.payload, policy=email.policy.default)


def html_of(result) -> str:
    return parsed(result).get_body(("html",)).get_content()


def test_each_contact_gets_the_form_of_their_language(renderer, make_contact, make_template, make_message):
    version = make_template(he="<p>שלום [[שם פרטי]]</p>", fa="<p>سلام [[نام]]</p>", any="<p>Hello [[first name]]</p>")
    people = [("דנה", "he"), ("علی", "fa"), ("Jean", "fr"), ("Ann", None)]
    rows = [make_message(make_contact(name, language=code), version) for name, code in people]
    results = renderer.render(rows)
    assert [one.language for one in results] == ["he", "fa", "en", "en"]
    for result, (name, _) in zip(results, people, strict=True):
        assert f'<span dir="auto">{name}</span>' in html_of(result)
        assert result.subject == f"Hello {name}"
    assert [one.message_id for one in results] == [row.id for row in rows]


def test_stored_skeleton_and_values_give_back_the_exact_bytes(
    session, renderer, channel, make_contact, make_template, make_message
):
    version = make_template(he='<p>שלום [[שם פרטי]] <a href="https://shop.test/">לחנות</a></p>')
    message = make_message(make_contact(), version, purpose="marketing")
    (result,) = renderer.render([message])
    row = session.get(Skeleton, result.skeleton_sha256)
    assert row.links == ["https://shop.test/"]
    skeleton = skeletons.load(session, [result.skeleton_sha256])[result.skeleton_sha256]
    assert skeletons.address_of(skeleton) == result.skeleton_sha256
    assert skeleton.fill([value.encode() for value in result.values]) == result.payload
    assert digest(result.payload) == result.content_sha256


def store(session, message: Message, result: Rendered) -> None:
    message.skeleton, message.values, message.content_sha256 = (
        result.skeleton_sha256,
        result.values,
        result.content_sha256,
    )
    message.subject, message.language, message.address = result.subject, result.language, result.address
    session.flush()


def test_a_retry_is_the_same_mail_even_after_template_contact_and_day_changed(
    session, renderer, channel, now, make_contact, make_template, make_message
):
    message = make_message(make_contact("דנה"), make_template(he="<p>שלום [[שם פרטי]]</p>"))
    (first,) = renderer.render([message])
    store(session, message, first)
    make_template(he="<p>אחר לגמרי</p>")
    from datetime import timedelta

    later = Renderer(session, {"email": channel}, "https://elsewhere.test", "x", now=now + timedelta(days=3))
    (second,) = later.render([message])
    assert second == first


def test_what_was_sent_is_proven_and_a_changed_value_is_not(
    session, renderer, channel, make_contact, make_template, make_message
):
    html = '<p>שלום [[שם פרטי]] <a href="https://shop.test/">לחנות</a></p><img src="https://img.test/a.png">'
    message = make_message(make_contact("דנה"), make_template(he=html), purpose="marketing")
    (result,) = renderer.render([message])
    store(session, message, result)
    shown = as_sent(session, message, channel, PUBLIC_URL)
    assert shown.proven
    assert shown.payload == result.payload
    assert "דנה" in shown.html
    assert PUBLIC_URL + "/c/" in shown.shown.html
    assert 'title="https://shop.test/"' in shown.html
    assert PUBLIC_URL not in shown.html
    assert shown.remote_images == ["https://img.test/a.png"]
    assert "https://img.test/a.png" in shown.common_images
    assert "/o/" not in shown.html
    assert ' src="' not in shown.html.replace("data-src", "")
    assert shown.document.index('<base target="_blank">') < shown.document.index("<title>")
    message.values = [*message.values[:-1], "x"]
    assert not as_sent(session, message, channel, PUBLIC_URL).proven


@pytest.mark.parametrize(
    ("policy", "code"),
    [(None, "held_missing_field"), ("hold", "held_missing_field"), ("skip", "skipped_missing_field")],
)
def test_a_missing_value_holds_or_skips_as_the_step_says(
    renderer, make_contact, make_template, make_message, policy, code
):
    version = make_template(any="<p>[[coupon code]]</p>")
    message = make_message(make_contact(), version, rules={"if_missing": policy} if policy else {})
    assert renderer.render([message]) == [NotRendered(message.id, code, "couponcode")]


def test_blank_leaves_the_place_empty_and_a_default_fills_it(renderer, make_contact, make_template, make_message):
    contact = make_contact("", "")
    blank = make_message(contact, make_template("a", any="<p>Hi [[first name]]!</p>"), rules={"if_missing": "blank"})
    default = make_message(contact, make_template("b", any="<p>Hi [[first name|friend]]!</p>"))
    one, two = renderer.render([blank, default])
    assert '<span dir="auto"></span>!' in html_of(one)
    assert '<span dir="auto">friend</span>!' in html_of(two)


def test_custom_fields_and_what_the_journey_hands_along_stand_in_the_text(
    session, renderer, channel, now, make_contact, make_template, make_message
):
    contact = make_contact("علی", "کریمی", language="fa")
    field = Field(name="coupon", labels={"fa": "کد تخفیف"}, aliases=[], choices=[], created_at=now)
    session.add(field)
    session.flush()
    session.add(FieldValue(contact_id=contact, field_id=field.id, text="NOWRUZ"))
    version = make_template(fa="<p>[[کد تخفیف]] [[invoice number]] [[event.amount_due]] [[شماره مشتری|-]]</p>")
    rules = {"values": {"event": {"invoice_number": "INV-7", "amount_due": {"amount": "10", "currency": "ILS"}}}}
    fresh = Renderer(session, {"email": channel}, PUBLIC_URL, SECRET, now=now)
    html = html_of(fresh.render([make_message(contact, version, rules=rules)])[0])
    for value in ("NOWRUZ", "INV-7", "10.00", "-"):
        assert value in html


def test_a_merged_contact_gets_the_values_of_the_one_that_is_shown(
    session, renderer, make_contact, make_template, make_message
):
    from panel.contacts.operations import merge

    kept, merged = make_contact("דנה"), make_contact("דני")
    merge(session, kept, merged)
    session.flush()
    session.expire_all()
    (result,) = renderer.render([make_message(merged, make_template())])
    assert result.subject == "Hello דנה"


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_marketing_says_who_writes_and_how_to_stop_it_in_the_messages_language(
    renderer, make_contact, make_template, make_message, language
):
    texts = {"en": "<p>Hello</p>", "he": "<p>שלום</p>", "fa": "<p>سلام</p>"}
    words = {"en": "Unsubscribe", "he": "הסרה", "fa": "لغو اشتراک"}
    contact = make_contact(language=language)
    version = make_template(**texts)
    marketing, service = renderer.render(
        [make_message(contact, version, purpose="marketing"), make_message(contact, version, purpose="service")]
    )
    assert words[language] in html_of(marketing)
    assert "Herzl 1, Tel Aviv" in html_of(marketing)
    assert parsed(marketing)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in parsed(service)
    assert "Herzl" not in html_of(service)


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("מבצע לחג", "פרסומת: מבצע לחג"),
        ("Holiday sale", "פרסומת: Holiday sale"),
        ("פרסומת - מבצע", "פרסומת - מבצע"),
        ("\u200fפרסומת: מבצע", "\u200fפרסומת: מבצע"),
    ],
)
def test_in_israel_an_advertisement_says_so_first_and_an_invoice_does_not(
    session, channel, now, make_contact, make_message, subject, shown
):
    set_setting(session, "company", {"name": "Nava", "country": "IL", "language": "he"})
    session.flush()
    renderer = Renderer(session, {"email": channel}, PUBLIC_URL, SECRET, now=now)
    contact, inline = make_contact(), {"text": "שלום", "subject": subject}
    advert, invoice = renderer.render(
        [
            make_message(contact, None, inline=inline, purpose="marketing"),
            make_message(contact, None, inline=inline, purpose="service"),
        ]
    )
    assert advert.subject == shown
    assert str(parsed(advert)["Subject"]) == shown
    assert invoice.subject == subject


def test_an_author_who_placed_the_link_gets_no_second_one(renderer, make_contact, make_template, make_message):
    version = make_template(he='<p>שלום</p><a href="[[קישור הסרה]]">די</a>')
    (result,) = renderer.render([make_message(make_contact(), version, purpose="marketing")])
    assert html_of(result).count("/u/") == 1
    assert parsed(result)["List-Unsubscribe-Post"]


def test_a_short_text_of_a_journey_is_a_mail_too(renderer, make_contact, make_message):
    inline = {"text": "[[שם פרטי|שלום]], תודה שהצטרפת! פרטים כאן: [[קישור אישי]]"}
    (result,) = renderer.render([make_message(make_contact("דנה"), None, inline=inline)])
    assert result.language == "he"
    assert result.subject.startswith("דנה, תודה שהצטרפת!")
    assert f"{PUBLIC_URL}/p/" in html_of(result)


def test_without_a_form_for_the_channel_or_an_address_nothing_is_made_up(
    session, renderer, make_contact, make_message, now
):
    version = save_template(session, "sms only", [Form("sms", text="hi")], now=now).current_version_id
    contact = make_contact()
    without = make_contact(emails=[], phones=["+972521230001"])
    rows = [
        make_message(contact, version),
        make_message(contact, None),
        make_message(without, None, inline={"text": "x"}),
        make_message(contact, None, inline={"text": "x"}, channel="fax"),
    ]
    assert [one.code for one in renderer.render(rows)] == [
        "held_missing_template", "held_missing_template", "no_address", "held_missing_template",
    ]  # fmt: skip


def test_one_contact_that_cannot_be_rendered_leaves_the_batch_alone(
    renderer, make_contact, make_template, make_message
):
    version = make_template(any="<p>[[company]]</p>")
    rows = [make_message(make_contact(), version, address="not an address") for _ in range(2)]
    rows.append(make_message(make_contact(), make_template("other")))
    assert [type(one) for one in renderer.render(rows)] == [NotRendered, NotRendered, Rendered]


def test_a_batch_takes_a_fixed_number_of_statements(session, renderer, make_contact, make_template, make_message):
    from sqlalchemy import event

    version = make_template(he="<p>[[first name]] [[email]]</p>")
    rows = [make_message(make_contact(f"שם{n}"), version) for n in range(40)]
    renderer.render(rows[:1])
    seen: list[str] = []
    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    results = renderer.render(rows)
    assert all(isinstance(one, Rendered) for one in results)
    assert len(seen) <= 6
    assert len({one.payload for one in results}) == 40
    assert session.scalar(select(Skeleton.sha256).where(Skeleton.sha256 == results[0].skeleton_sha256))


def test_a_preview_shows_a_real_contact_without_tracking(session, renderer, channel, make_contact):
    content = TemplateContent(
        "שלום [[שם פרטי]]",
        '<p>שלום [[שם פרטי]] [[invoice number]] <a href="https://shop.test/x">לחנות</a></p>',
        "",
        "he",
    )
    preview = preview_template(session, content, channel, make_contact("דנה"), public_url=PUBLIC_URL)
    assert preview.problems == []
    assert preview.shown.subject == "שלום דנה"
    assert 'href="https://shop.test/x"' in preview.document
    assert "[invoicenumber]" in preview.document
    assert "/o/" not in preview.document
    assert "/c/" not in preview.document
    assert session.scalars(select(Skeleton)).all() == []


def test_a_preview_names_every_problem_and_still_shows_what_it_can(session, renderer, channel):
    content = TemplateContent("x", "<p>[[frist name]]</p>", "", "en")
    preview = preview_template(session, content, channel, None, public_url=PUBLIC_URL)
    assert [one.params.get("guess") for one in preview.problems] == ["first name"]
    assert preview.shown is not None
    broken = TemplateContent("x", "<p style='color: [[first name]]'>x</p>", "", "en")
    assert [one.code for one in preview_template(session, broken, channel, None, public_url=PUBLIC_URL).problems] == [
        "field_in_code"
    ]
