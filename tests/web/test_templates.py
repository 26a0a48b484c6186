"""The template editor: texts per channel and language, a preview for a real contact, problems in words."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from panel.contacts.operations import create_contact
from panel.db import writing
from panel.messages.models import Template
from panel.messages.templates import Form, current_forms, save_template
from panel.sdk.context import NewContact

EDITOR = "/admin/templates/new"


def fields(*texts: dict[str, str], **more: str) -> dict[str, str]:
    data = {"name": "welcome", "description": "", "do": "save", **more}
    for number, text in enumerate(texts):
        data |= {f"f{number}-{key}": value for key, value in {"channel": "email", "language": "", **text}.items()}
    return data


def stored(session, name: str = "welcome") -> list[Form]:
    session.rollback()
    template = session.scalars(select(Template).where(Template.name == name)).one()
    return current_forms(session, template)


def test_a_template_is_written_in_several_languages_and_channels(logged_in, session):
    person = logged_in("marketing")
    answer = person.post(
        EDITOR,
        EDITOR,
        **fields(
            {"language": "he", "subject": "שלום", "html": "<p>שלום [[שם פרטי]]</p>"},
            {"language": "fa", "subject": "سلام", "text": "سلام [[نام]]"},
            {"channel": "sms", "text": "hi\r\nthere"},
        ),
    )
    assert answer.status_code == 303
    assert stored(session) == [
        Form("email", "he", "שלום", "<p>שלום [[שם פרטי]]</p>"),
        Form("email", "fa", "سلام", "", "سلام [[نام]]"),
        Form("sms", "", "", "", "hi\nthere"),
    ]
    page = person.text(answer.location)
    assert "&lt;p&gt;שלום [[שם פרטי]]&lt;/p&gt;" in page
    assert "welcome" in person.text("/admin/templates/")


def test_saving_makes_a_version_and_saving_the_same_again_does_not(logged_in, session):
    person = logged_in("marketing")
    with writing() as other:
        template = save_template(other, "welcome", [Form("email", text="one")])
        first = template.current_version_id
    path = f"/admin/templates/{template.id}"
    person.post(path, path, **fields({"text": "one"}))
    session.rollback()
    assert session.get(Template, template.id).current_version_id == first
    person.post(path, path, **fields({"text": "two"}))
    session.rollback()
    assert session.get(Template, template.id).current_version_id != first


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (fields({"text": "x"}, name=" "), "needs a name"),
        (fields({"subject": "only"}), "needs a text"),
        (fields({"text": "x"}, name="taken"), None),
    ],
)
def test_what_cannot_be_saved_is_said_and_nothing_typed_is_lost(logged_in, session, data, words):
    with writing() as other:
        save_template(other, "taken", [Form("email", text="x")])
        mine = save_template(other, "mine", [Form("email", text="x")])
    path = f"/admin/templates/{mine.id}" if words is None else EDITOR
    answer = logged_in().post(path, path, **data | {"description": "what I typed"})
    assert answer.status_code == 200
    assert (words or "already") in answer.text
    assert "what I typed" in answer.text


def test_a_text_can_be_added_and_taken_away_before_saving(logged_in, session):
    person = logged_in("marketing")
    data = fields({"text": "keep me"}, do="add", add_channel="email", add_language="fa")
    page = person.post(EDITOR, EDITOR, **data).text
    assert "keep me" in page
    assert 'name="f1-language" value="fa"' in page
    data = fields({"text": "keep me"}, {"language": "fa", "text": "gone"}, do="remove:1")
    page = person.post(EDITOR, EDITOR, **data).text
    assert "keep me" in page
    assert "gone" not in page
    assert session.scalars(select(Template)).all() == []


def test_the_preview_reads_for_a_real_contact_and_names_problems_with_a_guess(logged_in, session):
    with writing() as other:
        create_contact(other, NewContact(name="דנה לוי", first_name="דנה", emails=["dana@example.org"]), how="manual")
    person = logged_in("marketing")
    data = fields({"language": "he", "subject": "שלום [[שם פרטי]]", "html": "<p>היי [[שם פרטי]] [[frist name]]</p>"})
    frame = person.post("/admin/templates/preview", EDITOR, **data, contact="dana@")
    assert "היי" in frame.text
    assert "דנה" in frame.text
    assert "sandbox" in frame.headers["Content-Security-Policy"]
    facts = person.post("/admin/templates/check", EDITOR, **data, contact="dana@").text
    assert "שלום דנה" in facts
    assert "did you mean [[\u2068first name\u2069]]?" in facts


def test_a_preview_of_hostile_html_runs_nothing(logged_in):
    html = "<script>alert(1)</script><img src=x onerror=alert(2)><iframe src=//evil.test></iframe><p onclick=x>hi</p>"
    frame = logged_in().post("/admin/templates/preview", EDITOR, **fields({"html": html})).text
    for bad in ("<script", "onerror", "onclick", "<iframe", "evil.test"):
        assert bad not in frame


def test_who_may_only_look_cannot_change(logged_in, session):
    with writing() as other:
        template = save_template(other, "welcome", [Form("email", text="one")])
    person = logged_in("viewer")
    path = f"/admin/templates/{template.id}"
    assert "one" in person.text(path)
    for url in (path, EDITOR, f"{path}/archive"):
        assert person.post(url, path, **fields({"text": "changed"})).status_code == 403
    assert stored(session)[0].text == "one"


def test_putting_a_template_away_asks_first_and_keeps_what_is_there(logged_in, session):
    with writing() as other:
        template = save_template(other, "welcome", [Form("email", text="one")])
    person = logged_in("marketing")
    path = f"/admin/templates/{template.id}/archive"
    assert 'name="confirmed"' in person.post(path, "/admin/templates/").text
    assert person.post(path, "/admin/templates/", confirmed="1").status_code == 303
    session.rollback()
    assert session.get(Template, template.id).archived_at is not None
    assert "welcome" not in person.text("/admin/templates/")


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_in_the_browser_the_preview_follows_the_typing_and_a_field_is_put_where_one_types(browse, language):
    with writing() as other:
        create_contact(other, NewContact(name="דנה לוי", first_name="דנה", emails=["dana@example.org"]), how="manual")
        template = save_template(
            other, "welcome", [Form("email", "he", "שלום", "", "בוקר טוב "), Form("email", "fa", text="سلام")]
        )
    page = browse(f"/admin/templates/{template.id}", language=language)
    page.frame_locator("#template-preview").get_by_text("בוקר טוב").wait_for()
    page.locator("#f0-text").focus()
    page.keyboard.press("Control+End")
    page.locator(".field-names > summary").click()
    page.locator("[data-field]").first.click()
    page.frame_locator("#template-preview").get_by_text("דנה").first.wait_for()
    assert page.locator("#f0-text").input_value().startswith("בוקר טוב [[")
    page.locator("label[for=tab-1]").click()
    page.locator("#f1-text").fill("درود بر شما")
    page.frame_locator("#template-preview").get_by_text("درود بر شما").wait_for()
