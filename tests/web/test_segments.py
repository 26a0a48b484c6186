"""The pages of segments: writing one, looking at whom it finds, what uses it, deleting it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from panel.contacts.operations import add_tag, create_contact
from panel.db import reading, writing
from panel.sdk.context import NewContact
from panel.segments import operations
from panel.segments.models import Segment

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


@pytest.fixture
def people(app):
    with writing() as session:
        ids = [create_contact(session, NewContact(name=f"Person {n}"), how="manual", now=NOW) for n in range(3)]
        add_tag(session, ids[0], "vip")
    return ids


def _save(name="Important", text="has_tag: vip"):
    with writing() as session:
        return operations.save(session, name, text).id


def test_one_is_written_seen_and_found_in_the_list(logged_in, people):
    person = logged_in("owner")
    assert "No segments yet" in person.text("/admin/segments/")
    answer = person.post("/admin/segments/new", name="Important", description="For the fair", text="has_tag: vip")
    assert answer.status_code == 303, answer.text
    page = person.text(answer.location)
    assert "Person 0" in page
    assert "Person 1" not in page
    assert "Nothing uses it yet" in page
    listed = person.text("/admin/segments/")
    assert "Important" in listed
    assert re.search(r"1\W+contact\b", re.sub(r"<[^>]+>", " ", listed))


def test_a_look_before_saving_counts_and_saves_nothing(logged_in, people):
    person = logged_in("owner")
    page = person.post("/admin/segments/new", name="Important", text="not: {has_tag: vip}", do="check").text
    assert "Person 1" in page
    assert "Person 0" not in page
    with reading() as session:
        assert session.query(Segment).count() == 0


def test_as_one_types_problems_come_with_places_and_words_in_the_readers_language(logged_in, people):
    person = logged_in("owner", language="he")
    headers = {"X-CSRFToken": person.token("/admin/segments/new")}
    answer = person.client.post("/admin/segments/check", json={"text": "has_tag: vip"}, headers=headers).json
    assert answer["problems"] == []
    assert "Person 0" in answer["words"]
    assert "תגית" in answer["words"]
    answer = person.client.post("/admin/segments/check", json={"text": "in_list: nowhere"}, headers=headers).json
    assert [one["code"] for one in answer["problems"]] == ["unknown_list"]
    assert answer["words"] is None
    answer = person.client.post(
        "/admin/segments/check", json={"text": "{message: a, was: opened}"}, headers=headers
    ).json
    assert [one["code"] for one in answer["problems"]] == ["condition_of_a_run"]


def test_a_mistake_is_shown_and_nothing_is_lost(logged_in, people):
    person = logged_in("owner")
    answer = person.post("/admin/segments/new", name="Important", text="has_tagg: vip")
    assert answer.status_code == 422
    assert "has_tagg: vip" in answer.text
    _save()
    answer = person.post("/admin/segments/new", name="important", text="has_tag: vip")
    assert "There is a segment called" in answer.text


def test_one_in_use_says_by_what_and_stays(logged_in, people):
    person = logged_in("owner")
    first = _save()
    other = _save("Others", "not: {in_segment: Important}")
    page = person.text(f"/admin/segments/{first}")
    assert f"/admin/segments/{other}" in page
    assert "Delete" not in page
    person.post(f"/admin/segments/{first}/delete", confirmed="1")
    with reading() as session:
        assert session.get(Segment, first) is not None
    assert person.post(f"/admin/segments/{other}/delete", confirmed="1").status_code == 303
    with reading() as session:
        assert session.get(Segment, other) is None


def test_whoever_may_only_look_changes_nothing(logged_in, people):
    segment = _save()
    viewer = logged_in("viewer")
    assert "Edit" not in viewer.text(f"/admin/segments/{segment}")
    assert viewer.get("/admin/segments/new").status_code == 403
    assert viewer.post(f"/admin/segments/{segment}/delete", confirmed="1").status_code == 403


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_every_page_opens_in_every_language(logged_in, people, language):
    segment = _save()
    person = logged_in("owner", language=language)
    for page in ("", "new", str(segment), f"{segment}/edit"):
        person.text(f"/admin/segments/{page}")
    person.text("/admin/help/segments")
