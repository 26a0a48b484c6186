from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from panel.contacts import operations, queries
from panel.contacts.models import Contact
from panel.contacts.origin import By
from panel.contacts.search import fold, search
from panel.errors import UserError
from panel.sdk.context import NewContact
from panel.timeline.models import Event
from panel.timeline.queries import page


def kinds(session, contact_id):
    return [event.kind for event in page(session, queries.aliases(session, contact_id))]


def test_how_a_contact_came_in_is_its_first_event(session, now):
    contact_id = operations.create_contact(
        session,
        NewContact(
            name="شیرین کریمی", emails=["Shirin@Nour.org"], phones=["+989123456789"], fields={"نام شرکت": "نور"}
        ),
        how="form",
        detail={"form": "sign-up"},
        by=By("form:3"),
        now=now,
    )
    card = queries.card(session, contact_id)
    assert card is not None
    assert (card.contact.first_name, card.contact.last_name, card.contact.company) == ("شیرین", "کریمی", "نور")
    assert [(one.kind, one.value) for one in card.addresses] == [
        ("email", "shirin@nour.org"),
        ("phone", "+989123456789"),
    ]
    (event,) = page(session, [contact_id])
    assert (event.kind, event.source, event.data) == (
        "contact_created", "form:3", {"how": "form", "detail": {"form": "sign-up"}},
    )  # fmt: skip
    assert event.routed_at is None


def test_creating_a_known_contact_completes_it(session, make_contact, now):
    first = make_contact(emails=["dana@shop.co.il"])
    again = operations.create_contact(
        session, NewContact(name="Somebody else", emails=["DANA@shop.co.il"], phones=["0521234567"]), how="api", now=now
    )
    assert again == first
    contact = session.get(Contact, first)
    assert contact.name == "דנה לוי"
    assert kinds(session, first) == ["contact_updated", "contact_created"]
    assert queries.by_address(session, "phone", "+972521234567") == [first]
    third = operations.create_contact(session, NewContact(emails=["dana@shop.co.il"]), how="api", now=now)
    assert third == first
    assert kinds(session, first) == ["contact_updated", "contact_created"]


def test_two_customer_numbers_are_two_people_though_they_share_a_telephone(session, make_contact, now):
    mother = make_contact(reference="1001", phones=["0521234567"])
    son = operations.create_contact(
        session, NewContact(name="עומר", reference="1002", phones=["0521234567"]), how="api", now=now
    )
    assert son != mother
    assert queries.by_address(session, "phone", "+972521234567") == [mother, son]


def test_a_change_records_before_and_after_and_only_real_changes(session, make_contact, now):
    contact_id = make_contact()
    operations.create_field(session, "city", labels={"en": "city", "he": "עיר", "fa": "شهر"}, now=now)
    changes = {"עיר": "חיפה", "first name": "דנה", "email": "dana@shop.co.il", "language": "עברית"}
    assert operations.update_contact(session, contact_id, changes, now=now) == ["email", "language", "city"]
    assert operations.update_contact(session, contact_id, changes, now=now) == []
    event = page(session, [contact_id])[0]
    assert event.data["changes"] == {"email": ["", "dana@shop.co.il"], "language": ["", "he"], "city": ["", "חיפה"]}
    assert operations.set_field(session, contact_id, "شهر", "", now=now)
    assert queries.values_many(session, [contact_id], queries.all_fields(session))[contact_id] == {
        "first_name": "דנה", "last_name": "לוי", "full_name": "דנה לוי", "language": "he", "email": "dana@shop.co.il",
        "score": "0",
    }  # fmt: skip
    with pytest.raises(UserError) as caught:
        operations.set_field(session, contact_id, "lenguage", "he", now=now)
    assert "language" in caught.value.words("en")


def test_only_those_who_changed_are_recorded_and_each_with_its_author(session, make_contact, now):
    first, second, third = make_contact(), make_contact(name="Ali"), make_contact(name="Sara")
    operations.create_list(session, "Newsletter", now=now)
    operations.join_list(session, second, "newsletter", now=now)
    authors = {id_: By("journey:welcome", enrolment_id=100 + id_, depth=2) for id_ in (first, second, third)}
    joined = operations.join_list_many(session, [first, second, third, 999_999], "Newsletter", by=authors, now=now)
    assert joined == [first, third]
    assert operations.join_list_many(session, [first, second, third], "Newsletter", by=authors, now=now) == []
    event = page(session, [first])[0]
    assert (event.kind, event.enrolment_id, event.depth, event.source) == (
        "list_joined", 100 + first, 2, "journey:welcome",
    )  # fmt: skip
    assert operations.add_tag_many(session, [first, second], "warm", now=now) == [first, second]
    assert operations.add_tag(session, first, "WARM", now=now) is False
    assert operations.remove_tag_many(session, [first, third], "warm", now=now) == [first]
    assert operations.remove_tag(session, first, "no such tag", now=now) is False
    assert operations.leave_list_many(session, [first, second], "Newsletter", now=now) == [first, second]
    with pytest.raises(UserError):
        operations.join_list(session, first, "No such list", now=now)
    assert operations.note_many(session, {first: "שלום", second: "x"}, now=now)[0] is not None


def test_one_field_of_many_contacts(session, make_contact, now):
    ids = [make_contact(name=f"Person {n}") for n in range(5)]
    operations.create_field(session, "score_card", "number", labels={"en": "score card"}, now=now)
    assert operations.set_field_many(session, "score card", dict.fromkeys(ids, "۱۲"), now=now) == ids
    assert operations.set_field_many(session, "score card", dict.fromkeys(ids, "12"), now=now) == []
    assert operations.set_field_many(session, "score card", {ids[0]: "", ids[1]: 13}, now=now) == ids[:2]
    assert operations.set_field_many(session, "company", dict.fromkeys(ids, "Nour"), now=now) == ids


@pytest.mark.parametrize(
    "text",
    ["علي كريمي", "علی کریمی", "کریمی ali@", "+98 912 345 6789", "0912-345-6789", "۰۹۱۲۳۴۵۶۷۸۹", "3456789", "ali@nour",
     "VIP", "مشتری ویژه", "A-17"],
)  # fmt: skip
def test_a_contact_is_found_however_it_is_typed(session, make_contact, now, text):
    contact_id = make_contact(name="علی کریمی", emails=["ali@nour.org"], phones=["+989123456789"], reference="A-17")
    make_contact(name="Somebody Else", emails=["else@nour.com"])
    operations.add_tag(session, contact_id, "vip", now=now)
    operations.add_tag(session, contact_id, "مشتري ويژه", now=now)
    assert [one.id for one in search(session, text, 10)] == [contact_id]


def test_folding():
    assert fold("שָׁלוֹם") == "שלום"
    assert fold("نیم‌فاصله") == "نیم فاصله"
    assert fold("مُحَمَّد") == "محمد"
    assert fold("ÉCOLE") == "ecole"
    assert fold("ｆｕｌｌ　ｗｉｄｔｈ") == "full width"
    assert fold("كـــتاب ۱۲۳ ٤٥") == "کتاب 123 45"


def test_a_percent_sign_or_nothing_finds_nobody_by_accident(session, make_contact):
    make_contact()
    assert search(session, "%", 10) == []
    assert search(session, "   ", 10) == []
    assert search(session, "_", 10) == []


def test_a_merge_keeps_both_histories_and_is_undone_whole(session, make_contact, now):
    operations.create_list(session, "A", now=now)
    operations.create_list(session, "B", now=now)
    operations.create_field(session, "city", now=now)
    kept = make_contact(emails=["dana@shop.co.il"])
    merged = make_contact(name="Dana L.", emails=["dana@shop.co.il", "dana@home.co.il"], reference="77")
    for contact_id, name in ((kept, "A"), (merged, "A"), (merged, "B")):
        operations.join_list(session, contact_id, name, now=now)
    operations.add_tag(session, merged, "vip", now=now)
    operations.set_field(session, merged, "city", "Haifa", now=now)
    assert operations.merge(session, kept, merged, now=now)
    assert not operations.merge(session, kept, merged, now=now)
    card = queries.card(session, merged)
    assert card is not None
    assert card.contact.id == kept
    assert card.aliases == [kept, merged]
    assert [one.value for one in card.addresses] == ["dana@shop.co.il", "dana@home.co.il"]
    assert [one.name for one in card.lists] == ["A", "B"]
    assert card.contact.reference == "77"
    assert queries.by_address(session, "email", "dana@home.co.il") == [kept]
    assert queries.by_address(session, "email", "dana@shop.co.il") == [kept]
    assert kinds(session, kept).count("contact_created") == 2
    assert [one.id for one in search(session, "dana@home", 10)] == [kept]

    assert operations.unmerge(session, merged, now=now + timedelta(days=29))
    assert not operations.unmerge(session, merged, now=now)
    first, second = queries.card(session, kept), queries.card(session, merged)
    assert [one.name for one in first.lists] == ["A"]
    assert [one.name for one in second.lists] == ["A", "B"]
    assert [one.name for one in second.tags] == ["vip"]
    assert first.tags == []
    assert (first.contact.reference, second.contact.reference) == (None, "77")
    assert [one.value for one in first.addresses] == ["dana@shop.co.il"]
    assert {one.value for one in second.addresses} == {"dana@shop.co.il", "dana@home.co.il"}
    assert second.fields[0][1].text == "Haifa"
    assert first.fields[0][1] is None


def test_a_merge_is_final_after_thirty_days(session, make_contact, now):
    kept, merged = make_contact(), make_contact(name="Dana L.")
    operations.merge(session, kept, merged, now=now)
    with pytest.raises(UserError):
        operations.unmerge(session, merged, now=now + timedelta(days=31))


def test_chains_of_merges_end_at_the_last_one_kept(session, make_contact, now):
    a, b, c = make_contact(), make_contact(name="B"), make_contact(name="C")
    operations.merge(session, b, a, now=now)
    operations.merge(session, c, b, now=now)
    assert queries.canonical(session, a) == c
    assert queries.aliases(session, c) == [c, a, b]
    with pytest.raises(UserError) as caught:
        operations.unmerge(session, a, now=now)
    assert caught.value.code == "merge_not_the_last"
    assert operations.unmerge(session, b, now=now)
    assert (queries.aliases(session, c), queries.aliases(session, b)) == ([c], [b, a])
    assert operations.unmerge(session, a, now=now)
    assert queries.aliases(session, b) == [b]


def test_erasing_leaves_no_personal_word_but_the_lines_stay(session, make_contact, now):
    contact_id = make_contact(emails=["dana@shop.co.il"])
    operations.add_note(session, contact_id, "Her daughter is called Noa", now=now)
    operations.update_contact(session, contact_id, {"company": "Levi & Sons"}, now=now)
    assert operations.erase(session, contact_id, now=now)
    assert not operations.erase(session, contact_id, now=now)
    session.flush()
    events = session.scalars(select(Event).where(Event.contact_id == contact_id)).all()
    assert {event.kind for event in events} >= {"note_added", "contact_created", "contact_erased"}
    words = " ".join(str(event.data) for event in events)
    assert "Noa" not in words
    assert "Levi" not in words
    assert queries.by_address(session, "email", "dana@shop.co.il") == []
    assert search(session, "דנה", 10) == []
    with pytest.raises(UserError):
        operations.set_field(session, contact_id, "company", "x", now=now)
