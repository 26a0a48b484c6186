"""Notes after they were written, and two cards made one from the page."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts import operations
from panel.contacts.models import Contact, ContactMerge
from panel.db import writing
from panel.journeys.by_hand import start_by_hand
from panel.sdk.context import NewContact
from panel.staff.models import User
from panel.timeline.models import Event
from tests.web.story import make_contact, make_journey


@pytest.fixture
def contact(app) -> tuple[int, str]:
    with writing() as session:
        id_ = make_contact(session, clock.now(), "en")
        return id_, session.get_one(Contact, id_).public_id


def note_of(stored, id_) -> Event:
    stored.rollback()
    found = stored.scalars(select(Event).where(Event.contact_id == id_, Event.kind == "note_added")).one()
    stored.expunge_all()
    stored.rollback()
    return found


def test_a_note_is_changed_taken_back_and_pinned_with_a_trace(stored, logged_in, contact):
    id_, public_id = contact
    author, other = logged_in("support", name="Noa"), logged_in("marketing", name="Tal")
    card = f"/admin/contact/{public_id}"
    assert author.post(f"{card}/notes", text="likes coffee").status_code == 303
    note = note_of(stored, id_)
    url = f"/admin/card-notes/{public_id}/{note.id}"
    page = author.text(card)
    assert "The note was saved." in page
    assert "/take_back" in page
    assert f'href="{url}"' in page
    assert f'href="{url}"' not in other.text(card)  # another's note is not changed
    assert other.post(url, text="likes tea").status_code == 422
    assert author.post(url, text="likes tea").status_code == 303
    assert author.post(url, text="likes tea").status_code == 303  # twice: once
    note = note_of(stored, id_)
    assert (note.data["text"], [one["text"] for one in note.data["earlier"]]) == ("likes tea", ["likes coffee"])
    page = author.text(card)
    assert "Changed by" in page
    assert "likes coffee" in page
    assert author.post(url, text="  ").status_code == 422
    assert other.post(f"{url}/pin").status_code == 303
    assert "Pinned notes" in other.text(card)
    assert author.post(f"{url}/take_back").status_code == 303
    page = author.text(card)
    assert "Note taken back" in page
    assert "Pinned notes" not in page
    assert author.post(f"{url}/bring_back").status_code == 303
    assert "Note taken back" not in author.text(card)
    assert logged_in("viewer").post(f"{url}/pin").status_code == 403


def test_a_corrected_note_makes_a_line_of_its_own_and_the_pill_counts_what_fits_the_filter(stored, logged_in, contact):
    """Nothing vanishes: what it said before is read where everybody reads on."""
    id_, public_id = contact
    author = logged_in("support", name="Dana Levi", language="en")
    with writing() as session:
        author_id = session.scalar(select(User.id).where(User.email == author.email))
        operations.add_note(session, id_, "Call her at 50", by=operations.By(user_id=author_id), now=clock.now())
        note = session.scalars(select(Event).where(Event.kind == "note_added").order_by(Event.id.desc())).first()
        note_id = note.id
    author.post(f"/admin/card-notes/{public_id}/{note_id}", text="Call her at 60")
    page = re.sub(r"</?bdi>", "", author.text(f"/admin/contact/{public_id}"))
    assert "A note was corrected; before: Call her at 50" in page
    assert "By Dana Levi" in page
    stored.rollback()
    line = stored.scalars(select(Event).where(Event.kind == "note_changed")).one()
    assert (line.contact_id, line.data["note_id"]) == (id_, note_id)
    news = f"/admin/contact/{public_id}/news?after=0-0"
    assert author.get(news).status_code == 200
    assert author.get(news + "&show=notes").status_code == 200
    assert author.get(news + "&q=nothing+like+this").status_code == 204


def test_two_cards_are_compared_merged_and_parted_from_the_page(stored, logged_in, contact):
    id_, public_id = contact
    with writing() as session:
        now = clock.now()
        make_journey(session, now)
        new = NewContact(name="emma  WILSON", phones=["+44 20 7123 4567"])
        other = operations.create_contact(session, new, how="manual", now=now, match=False)
        operations.create_list(session, "Newsletter", now=now)
        operations.join_list(session, other, "Newsletter", now=now)
        operations.add_tag(session, other, "VIP", now=now)
        start_by_hand(session, other, "welcome", now=now)
        operations.create_field(session, "city", now=now)
        for one, city in ((id_, "Haifa"), (other, "Yafo")):
            operations.set_field(session, one, "city", city, now=now)
        other_public = session.get_one(Contact, other).public_id
    person = logged_in("marketing")
    found = person.text(f"/admin/merge/{public_id}")
    assert "Probably the same person" in found
    assert other_public in found
    assert other_public in person.text(f"/admin/merge/{public_id}?q=emma")
    assert "Nobody else was found" in person.text(f"/admin/merge/{public_id}?q=zzzz")
    url = f"/admin/merge/{public_id}/with/{other_public}"
    page = person.text(url)
    for words in ("Haifa", "Yafo", 'name="take-city"', "Newsletter", "VIP", "Welcome series", "Lines of the timeline"):
        assert words in page, words
    answer = person.post(url, **{"take-city": "other"})
    assert answer.status_code == 303
    assert person.post(url).status_code == 303  # pressed twice: merged once
    stored.rollback()
    (merge,) = stored.scalars(select(ContactMerge)).all()
    assert (merge.kept_id, merge.merged_id) == (id_, other)
    merge_id = merge.id
    stored.rollback()
    card = person.text(f"/admin/contact/{public_id}")
    assert "Yafo" in card
    assert f"/admin/merge/undo/{merge_id}" in card
    assert person.get(f"/admin/contact/{other_public}").location.endswith(public_id)
    assert person.post(f"/admin/merge/undo/{merge_id}").status_code == 200  # asks first
    assert person.post(f"/admin/merge/undo/{merge_id}", confirmed="1").status_code == 303
    assert "Haifa" in person.text(f"/admin/contact/{public_id}")
    assert "Yafo" in person.text(f"/admin/contact/{other_public}")
    viewer = logged_in("viewer")
    assert viewer.get(url).status_code == 403
    assert not re.search(r'href="/admin/merge/', viewer.text(f"/admin/contact/{public_id}"))
