"""Lists: searching, paging without counting, choices in the address, bulk actions, deleting, files."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from panel import clock
from panel.contacts.models import Contact, ContactList, Tag
from panel.contacts.operations import add_tag, create_contact, create_list, join_list
from panel.db import db, writing
from panel.issues.models import Issue
from panel.issues.operations import raise_issue
from panel.journeys.operations import publish
from panel.sdk.context import NewContact
from panel.staff.models import AuditEntry

NAMES = [("יעל", "כהן"), ("علی", "کریمی"), ("Dana", "Levi"), ("זהרה", "לוי"), ("مریم", "احمدی")]


@pytest.fixture
def contacts(app):
    with writing() as session:
        start = clock.now()
        ids = []
        for i in range(60):
            first, last = NAMES[i % len(NAMES)]
            new = NewContact(
                first_name=first, last_name=last, emails=[f"user{i}@example.com"], phones=[f"+97252123{i:04}"]
            )
            ids.append(create_contact(session, new, how="manual", now=start - timedelta(minutes=i)))
        create_list(session, "ניוזלטר")
        join_list(session, ids[0], "ניוזלטר")
        add_tag(session, ids[1], "VIP")
    return ids


def _shown(page: str) -> list[str]:
    return re.findall(r"user(\d+)@", page)


def test_paging_shows_every_contact_once_forwards_and_backwards(logged_in, contacts):
    person, url, seen, pages = logged_in("viewer"), "/admin/contacts/", [], []
    while url:
        page = person.text(url)
        pages.append(_shown(page))
        seen += _shown(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        url = "/admin/contacts/" + older[1].replace("&amp;", "&") if older else None
    assert seen == [str(i) for i in range(60)]
    newer = re.search(r'rel="prev" href="([^"]+)"', page)
    assert _shown(person.text("/admin/contacts/" + newer[1].replace("&amp;", "&"))) == pages[-2]


def test_a_list_never_counts_a_table_that_grows(logged_in, contacts):
    person = logged_in("owner")
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    for url in ("/admin/contacts/", "/admin/contacts/?search=dana", "/admin/messages/", "/admin/suppressions/"):
        person.text(url)
    counting = [s for s in statements if "count(" in s.lower() and "issues" not in s and "limit" not in s.lower()]
    assert counting == []


@pytest.mark.parametrize(
    ("typed", "found"),
    [("علي كريمي", 12), ("۰۵۲۱۲۳۰۰۰۷", 1), ("052-123-0007", 1), ("DANA levi", 12), ("vip", 1), ("nobody", 0)],
)
def test_search_folds_letters_and_digits(logged_in, contacts, typed, found):
    person = logged_in("viewer")
    page = person.client.get("/admin/contacts/", query_string={"search": typed, "size": 50}).text
    assert len(_shown(page)) == found


def test_choices_narrow_and_nonsense_in_the_address_is_ignored(logged_in, contacts, session):
    person = logged_in("viewer")
    list_id = session.scalars(select(ContactList.id)).one()
    assert _shown(person.text(f"/admin/contacts/?list={list_id}")) == ["0"]
    for query in ("list=99", "list=x", "after=junk", "after=1.2.3", "before=%00", "page=-3", "size=7", "sort=password",
                  "after=99999999999999999999999.1", "flt0_9=1"):  # fmt: skip
        assert person.get(f"/admin/contacts/?{query}").status_code == 200, query
        assert person.get(f"/admin/tags/?{query}").status_code == 200, query


def test_deleting_without_javascript_asks_on_a_page_and_cancel_keeps(logged_in, session):
    person = logged_in("owner")
    person.post("/admin/tags/new/", name="VIP", color="blue")
    tag = session.scalars(select(Tag)).one()
    asked = person.post("/admin/tags/delete/", id=tag.id, url="/admin/tags/")
    assert asked.status_code == 200
    assert "Delete" in asked.text
    assert 'name="confirmed" value="1"' in asked.text
    session.rollback()
    assert session.scalars(select(Tag.name)).all() == ["VIP"]
    person.post("/admin/tags/delete/", id=tag.id, url="/admin/tags/", confirmed="1")
    session.rollback()
    assert session.scalars(select(Tag.name)).all() == []
    assert session.scalars(select(AuditEntry.action).order_by(AuditEntry.id.desc())).first() == "tag_deleted"


def test_a_bulk_action_asks_first_and_then_does_it_to_the_chosen_lines_only(logged_in, session):
    person = logged_in("owner")
    for name in ("one", "two", "three"):
        person.post("/admin/tags/new/", name=name)
    ids = {tag.name: tag.id for tag in session.scalars(select(Tag))}
    form = {"action": "delete", "rowid": [ids["one"], ids["three"]]}
    assert "This concerns 2 lines" in re.sub(r"<[^>]+>", "", person.post("/admin/tags/action/", **form).text)
    session.rollback()
    assert len(session.scalars(select(Tag)).all()) == 3
    person.post("/admin/tags/action/", **form, confirmed="1")
    session.rollback()
    assert session.scalars(select(Tag.name)).all() == ["two"]


def test_a_name_that_is_taken_is_said_in_words(logged_in):
    person = logged_in("owner", language="he")
    person.post("/admin/lists/new/", name="ניוזלטר")
    answer = person.post("/admin/lists/new/", name="ניוזלטר")
    assert answer.status_code == 200
    assert "השם תפוס" in answer.text


def test_a_contact_is_made_and_changed_through_the_form_and_mistakes_stand_beside_their_field(logged_in, session):
    person = logged_in("support")
    answer = person.post("/admin/contacts/new/", first_name="נועה", email="not an address", phone="")
    assert answer.status_code == 200
    assert 'id="email-error"' in answer.text
    person.post("/admin/contacts/new/", first_name="נועה", email="noa@example.com", phone="052-123-4567")
    contact = session.scalars(select(Contact)).one()
    assert {a.value for a in contact.addresses} == {"noa@example.com", "+972521234567"}
    page = person.text(f"/admin/contacts/edit/?id={contact.id}")
    assert 'value="noa@example.com"' in page
    person.post(f"/admin/contacts/edit/?id={contact.id}", first_name="נועה", last_name="כהן", email="noa@example.com",
                phone="+972521234567")  # fmt: skip
    session.rollback()
    assert session.scalars(select(Contact.last_name)).one() == "כהן"


def test_an_issue_is_read_in_the_readers_language_and_settled(logged_in, session):
    with writing() as writer:
        raise_issue(writer, "k", code="x", sentence="Nothing matches")
        raise_issue(writer, "k", code="x", sentence="Nothing matches")
    person = logged_in("owner", language="fa", digits="local")
    page = person.text("/admin/issues/")
    assert "چیزی پیدا نشد" in page
    assert "۲" in page
    issue = session.scalars(select(Issue)).one()
    person.post("/admin/issues/action/", action="settle", rowid=issue.id)
    session.rollback()
    assert session.scalars(select(Issue.state)).one() == "resolved"
    assert "چیزی پیدا نشد" not in person.text("/admin/issues/")


def test_a_name_that_a_journey_uses_is_neither_changed_nor_deleted(logged_in, session):
    person = logged_in("owner")
    person.post("/admin/tags/new/", name="vip")
    tag = session.scalars(select(Tag)).one()
    text = (
        "thanks:\n  name: Thank you\n  purpose: service\n  start_when: [{tag_added: vip}]\n  review_after: 1 year\n"
        "  steps: [{note: hello}]\n"
    )
    publish(session, "thanks", text=text)
    session.commit()
    assert "Thank you" in person.post(f"/admin/tags/edit/?id={tag.id}", name="important").text
    person.post("/admin/tags/delete/", id=tag.id, confirmed="1")
    assert "Thank you" in person.text("/admin/tags/")
    session.rollback()
    assert session.scalars(select(Tag.name)).all() == ["vip"]
    person.post(f"/admin/tags/edit/?id={tag.id}", name="vip", color="red")
    session.rollback()
    assert session.scalars(select(Tag.color)).all() == ["red"]


@pytest.mark.parametrize("kind", ["list", "tag", "field"])
def test_what_a_segment_or_a_text_uses_is_not_deleted_and_the_refusal_names_it(logged_in, session, kind):
    """Else the segment would find nobody, and the letter have a hole, without a word."""
    from panel.contacts.memberships import create_list, create_tag
    from panel.contacts.models import ContactList, Field, Tag
    from panel.contacts.typed import create_field
    from panel.db import writing
    from panel.messages.templates import Form, save_template
    from panel.segments.operations import save

    condition = {"list": "in_list: Choir", "tag": "has_tag: Choir", "field": "{field: choir, is: x}"}[kind]
    with writing() as writer:
        create_list(writer, "Choir")
        create_tag(writer, "Choir")
        create_field(writer, "choir", labels={"en": "Choir", "he": "מקהלה"})
        create_field(writer, "voice", labels={"en": "Voice", "he": "קול"})
        save(writer, "Singers", condition + "\n")
        save_template(writer, "letter", [Form("email", "", "x", "", "[[קול|]]")])
        model = {"list": ContactList, "tag": Tag, "field": Field}[kind]
        number = writer.scalars(select(model.id).where(model.name.in_(("Choir", "choir")))).one()
        voice = writer.scalars(select(Field.id).where(Field.name == "voice")).one()
    person = logged_in("owner")
    person.post(f"/admin/{kind}s/delete/", id=number, confirmed="1")
    assert "is used by the segments: Singers" in person.text("/admin/")
    assert session.get(model, number) is not None
    if kind == "field":
        person.post("/admin/fields/delete/", id=voice, confirmed="1")
        assert "stands in the templates: letter" in person.text("/admin/")
        assert session.get(Field, voice) is not None
