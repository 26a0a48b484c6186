"""Changing a contact on its page: one field, the addresses, what is said when it cannot be."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts import operations
from panel.contacts.models import Contact, ContactAddress
from panel.db import writing
from panel.timeline.models import Event
from panel.timeline.operations import record
from tests.web.story import make_contact


@pytest.fixture
def contact(app) -> tuple[int, str]:
    with writing() as session:
        now = clock.now()
        id_ = make_contact(session, now, "en")
        operations.create_field(session, "city", now=now)
        operations.create_field(session, "birthday", "date", now=now)
        operations.create_field(session, "children", "number", now=now)
        operations.create_field(session, "member", "yes_no", now=now)
        operations.create_field(session, "size", "choice", choices=["small", "large"], now=now)
        operations.set_field(session, id_, "city", "Haifa", now=now)
        return id_, session.get_one(Contact, id_).public_id


def last(stored, contact_id: int, kind: str = "contact_updated") -> Event | None:
    stored.rollback()  # a new look, not what this session saw before
    found = stored.scalars(
        select(Event).where(Event.contact_id == contact_id, Event.kind == kind).order_by(Event.id.desc())
    ).first()
    stored.expunge_all()
    stored.rollback()
    return found


@pytest.mark.parametrize(
    ("field", "typed", "stored_as"),
    [("city", "תל אביב", "תל אביב"), ("birthday", "1405/9/1", "2026-11-22"), ("birthday", "22.11.2026", "2026-11-22"),
     ("children", "۱۲", "12"), ("member", "yes", "yes"), ("size", "large", "large"), ("language", "fa", "fa"),
     ("company", "Nour & Co", "Nour & Co"), ("time_zone", "asia/tehran", "Asia/Tehran")],
)  # fmt: skip
def test_every_kind_of_field_is_changed_and_the_timeline_says_before_and_after(
    stored, logged_in, contact, field, typed, stored_as
):
    id_, public_id = contact
    person = logged_in("support")
    form = person.text(f"/admin/card-edit/{public_id}/field/{field}")
    was = form.split('name="was" value="')[1].split('"')[0]
    answer = person.post(f"/admin/card-edit/{public_id}/field/{field}", value=typed, was=was)
    assert answer.status_code == 303
    event = last(stored, id_)
    assert event.data["changes"] == {field: [was, stored_as]}
    page = person.text(f"/admin/contact/{public_id}")
    assert "Undo" in page
    # Undo puts back what was there.
    assert person.post(f"/admin/card-edit/{public_id}/field/{field}", value=was).status_code == 303
    assert last(stored, id_).data["changes"] == {field: [stored_as, was]}


def test_what_is_refused_keeps_what_was_typed(stored, logged_in, contact):
    id_, public_id = contact
    person = logged_in(language="he")
    for field, typed in (("children", "many"), ("birthday", "31/02/2026"), ("size", "huge"), ("time_zone", "Mars")):
        answer = person.post(f"/admin/card-edit/{public_id}/field/{field}", value=typed, was="")
        assert answer.status_code == 422
        assert f'value="{typed}"' in answer.text
        assert 'id="edit-value-error"' in answer.text
    assert last(stored, id_).data["changes"] == {"city": ["", "Haifa"]}
    # In the page itself only the form comes back, and stays where it is.
    inside = person.client.post(
        f"/admin/card-edit/{public_id}/field/children",
        data={"value": "many", "was": "", "csrf_token": person.token("/admin/")},
        headers={"HX-Request": "true"},
    )
    assert inside.status_code == 200
    assert inside.headers["HX-Retarget"] == "#field-new"  # it has no line of its own yet
    assert "<html" not in inside.text


def test_the_second_of_two_people_is_told_what_the_first_wrote(stored, logged_in, contact):
    id_, public_id = contact
    url = f"/admin/card-edit/{public_id}/field/city"
    first, second = logged_in("support", name="Noa"), logged_in("marketing")
    assert first.post(url, value="Akko", was="Haifa").status_code == 303
    answer = second.post(url, value="Lod", was="Haifa")
    assert answer.status_code == 422
    assert "Noa" in answer.text
    assert "Akko" in answer.text
    assert 'value="Lod"' in answer.text
    assert second.post(url, value="Lod", was="Akko").status_code == 303  # saved again, knowing
    assert last(stored, id_).data["changes"] == {"city": ["Akko", "Lod"]}
    assert second.post(url, value="Lod", was="Akko").status_code == 303  # pressed twice: changed once


def test_a_viewer_changes_nothing(logged_in, contact):
    _, public_id = contact
    viewer = logged_in("viewer")
    assert viewer.post(f"/admin/card-edit/{public_id}/field/city", value="x").status_code == 403
    assert "card-edit" not in viewer.text(f"/admin/contact/{public_id}")


def test_addresses_are_added_corrected_chosen_and_marked(stored, logged_in, contact):
    id_, public_id = contact
    person = logged_in("support")
    base = f"/admin/card-edit/{public_id}/addresses"

    def rows(kind: str = "email") -> list[ContactAddress]:
        stored.rollback()
        query = select(ContactAddress).where(ContactAddress.contact_id == id_, ContactAddress.kind == kind)
        found = list(stored.scalars(query.order_by(ContactAddress.position)))
        stored.expunge_all()
        stored.rollback()
        return found

    before = rows()
    refused = person.post(base, kind="email", value="not an address")
    assert refused.status_code == 422
    assert "not an address" in refused.text
    assert person.post(base, kind="email", value="Second@Example.com").status_code == 303
    second = rows()[-1]
    assert (second.value, second.shown) == ("second@example.com", "Second@Example.com")
    assert person.post(base, kind="email", value="second@example.com").status_code == 422  # there already
    assert person.post(f"{base}/{second.id}/first").status_code == 303
    assert rows()[0].id == second.id
    assert last(stored, id_, "address_first").data == {"address": "Second@Example.com"}
    assert person.post(f"{base}/{second.id}/broken", note="bounced back to Dana").status_code == 303
    assert rows()[0].unusable_reason == "by_hand"
    assert person.post(f"{base}/{second.id}/repair", value="second@example.org").status_code == 303
    assert (rows()[0].value, rows()[0].unusable_reason) == ("second@example.org", None)
    assert last(stored, id_).data["changes"] == {"email": ["Second@Example.com", "second@example.org"]}
    twice = person.post(f"{base}/{second.id}/repair", value=before[0].value)
    assert twice.status_code == 422
    asked = person.post(f"{base}/{second.id}/remove")
    assert asked.status_code == 200  # asks first
    assert person.post(f"{base}/{second.id}/remove", confirmed="1").status_code == 303
    assert [one.id for one in rows()] == [one.id for one in before]
    assert person.post(f"{base}?kind=email", value="second@example.org").status_code == 303  # what Undo does
    assert len(rows()) == len(before) + 1


def test_a_day_is_shown_as_the_reader_writes_days(logged_in, contact):
    id_, public_id = contact
    with writing() as session:
        operations.set_field(session, id_, "birthday", date(2026, 11, 22).isoformat())
    person = logged_in(language="fa", calendar="solar_hijri")
    assert 'value="1405/09/01"' in person.text(f"/admin/card-edit/{public_id}/field/birthday")


def test_a_form_shows_every_field_as_it_was_typed_and_a_visit_where_it_came_from(logged_in, contact):
    id_, public_id = contact
    typed = {"status": "<b>urgent</b>", "text": "please call", "shoe size": "42", "left empty": "", "city": "Lod"}
    with writing() as session:
        for data in ({"form": "Contact us", "fields": typed}, {"form": "Short form", **typed}):
            record(session, contact_id=id_, kind="form_submitted", data=data)
        visit = {"page": "/prices", "title": "Our prices", "url": "https://shop.example/prices",
                 "referrer": "https://search.example/?q=x", "seconds": 95}  # fmt: skip
        record(session, contact_id=id_, kind="page_visited", data=visit)
        operations.set_field(session, id_, "city", "Lod")
    page = logged_in().text(f"/admin/contact/{public_id}")
    for words in ("&lt;b&gt;urgent&lt;/b&gt;", "please call", "shoe size", "left empty"):
        assert page.count(words) >= 2, words
    for words in ("Our prices", "https://search.example/?q=x", "95", "came from"):
        assert words in page, words
    assert "before:" in page  # the field that changed says what it was
