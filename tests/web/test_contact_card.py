"""The contact's page: what it shows, what can be done on it, by whom, and at what cost."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts import operations
from panel.contacts.models import Contact, ContactTag, ListMember
from panel.db import writing
from panel.journeys.models import Enrolment
from panel.timeline.models import Event
from panel.timeline.operations import record
from tests.web.statements import asked_anew, counted
from tests.web.story import add_hit, add_message, make_contact, make_journey, make_story


@pytest.fixture
def now() -> datetime:
    return clock.now()


def url_of(session, contact_id: int) -> str:
    public_id = session.scalar(select(Contact.public_id).where(Contact.id == contact_id))
    session.rollback()
    return f"/admin/contact/{public_id}"


def test_the_page_tells_the_whole_story(stored, logged_in, now):
    with writing() as session:
        contact_id = make_story(session, now, "en")
    text = logged_in().text(url_of(stored, contact_id))
    for words in (
        "Emma Wilson", "+44 20 7123 4567", "emma@example.com", "VIP", "Newsletter", "Coming up", "Welcome series",
        "Technical failure", "This is not an opt-out", "2 opens by a security scanner, not counted", "Replied",
        "In doubt", "letter posted", "From the file", "joined a list", "Wait 2 days", "ABC-123",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("language", ["he", "fa"])
def test_the_page_speaks_the_readers_language(stored, logged_in, now, language):
    with writing() as session:
        contact_id = make_story(session, now, language)
    text = logged_in(language=language).text(url_of(stored, contact_id))
    main = re.sub(r"<script.*?</script>|<style.*?</style>", "", text[text.index("<main") :], flags=re.S)
    others = r"<bdi[^>]*>.*?</bdi>|<code>.*?</code>|<kbd>.*?</kbd>|<blockquote.*?</blockquote>|<dl>.*?</dl>|<[^>]+>"
    bare = re.sub(others, " ", main, flags=re.S)
    english = set(re.findall(r"\b[A-Za-z]{3,}\b", bare)) - {"SMS", "API", "nbsp", "oldplugin", "letter", "posted"}
    assert not english, sorted(english)


def test_the_number_of_statements_does_not_grow_with_the_history(stored, logged_in, now):
    with writing() as session:
        small, many = make_story(session, now, "en"), make_contact(session, now, "he")
        for number in range(200):
            at = now - timedelta(hours=number)
            message = add_message(session, many, at, subject=f"Letter {number}", status="delivered")
            add_hit(session, many, message, at, "open", "human")
            for kind in ("tag_added", "note_added", "form_submitted", "journey_entered", f"custom.kind_{number % 7}"):
                record(
                    session, contact_id=many, kind=kind, occurred_at=at, data={"tag": "t", "text": "t", "journey": "x"}
                )
    urls = [url_of(stored, contact_id) for contact_id in (small, many)]
    for role in ("owner", "marketing", "support", "viewer"):
        person, costs = logged_in(role), []
        person.text(urls[0])  # a process's first page reads plugins' settings besides
        for url in urls:
            asked_anew()
            with counted() as statements:  # of the whole page, its frame and who is looking included
                person.text(url)
            costs.append(list(statements))
        assert len(costs[0]) <= 12, "\n".join(one[:150].replace("\n", " ") for one in costs[0])
        assert len(costs[0]) == len(costs[1]), role


def test_older_pages_follow_each_other_without_gap_or_repeat(stored, logged_in, now):
    with writing() as session:
        contact_id = make_contact(session, now, "en")
        for number in range(75):
            at = now - timedelta(minutes=number % 5)  # many at the same moment: the id decides
            record(
                session, contact_id=contact_id, kind="note_added", occurred_at=at, data={"text": f"note {number:03}"}
            )
    person, url, seen = logged_in(), url_of(stored, contact_id), []
    while url:
        text = person.text(url)
        seen += re.findall(r"note \d{3}", text)
        older = re.search(r'class="older"><a class="btn" href="([^"]+)"', text)
        url = older[1].replace("&amp;", "&") if older else ""
    assert len(seen) == len(set(seen)) == 75


def test_a_message_stands_once_even_when_its_life_spans_pages(stored, logged_in, now):
    with writing() as session:
        contact_id = make_contact(session, now, "en")
        kinds = (("message_sent", timedelta(0), {}), ("message_delivered", timedelta(days=3), {}))
        add_message(
            session, contact_id, now - timedelta(days=4), subject="The only one", status="delivered", kinds=kinds
        )
        for number in range(40):
            record(session, contact_id=contact_id, kind="note_added",
                   occurred_at=now - timedelta(days=2, minutes=number), data={"text": "x"})  # fmt: skip
    person, url = logged_in(), url_of(stored, contact_id)
    first = person.text(url)
    assert "The only one" not in first
    older = re.search(r'class="older"><a class="btn" href="([^"]+)"', first)
    assert older is not None
    assert person.text(older[1].replace("&amp;", "&")).count("The only one") == 1


@pytest.mark.parametrize(
    ("show", "there", "not_there"),
    [
        ("messages", "Technical failure", "Prefers calls"),
        ("engagement", "Replied", "Technical failure"),
        ("journeys", "Entered the journey", "Paid an order"),
        ("forms", "Filled in the form", "Entered the journey"),
        ("notes", "Prefers calls", "Filled in the form"),
        ("nonsense", "Prefers calls", "zzzz"),
    ],
)
def test_filters_live_in_the_address(stored, logged_in, now, show, there, not_there):
    with writing() as session:
        contact_id = make_story(session, now, "en")
    text = logged_in().text(url_of(stored, contact_id) + f"?show={show}")
    days = text[text.index('id="timeline-days"') : text.index("contact-side")]
    assert there in days
    assert not_there not in days


def test_merged_contacts_are_one_page_and_both_histories_appear(stored, logged_in, now):
    with writing() as session:
        kept = make_contact(session, now, "en")
        merged = make_contact(session, now, "he")
        operations.add_note(session, merged, "from the other card", now=now - timedelta(hours=1))
        operations.merge(session, kept, merged)
    person = logged_in()
    answer = person.get(url_of(stored, merged))
    assert answer.status_code == 302
    assert answer.location.endswith(url_of(stored, kept).rpartition("/")[2])
    text = person.text(url_of(stored, kept))
    assert "from the other card" in text
    assert "יעל" in text


@pytest.mark.databases("sqlite")
def test_a_note_is_written_with_its_author(stored, logged_in, now):
    with writing() as session:
        contact_id = make_contact(session, now, "he")
    person, url = logged_in("support"), url_of(stored, contact_id)
    answer = person.post(url + "/notes", page=url, text="להתקשר בערב")
    assert answer.status_code == 303
    text = person.text(url)
    assert "להתקשר בערב" in text
    assert "By <bdi>דנה לוי</bdi>" in text


def test_tags_and_lists_are_changed_here_and_taken_back(stored, logged_in, now):
    with writing() as session:
        contact_id = make_contact(session, now, "en")
        operations.create_list(session, "Partners")
    person, url = logged_in(), url_of(stored, contact_id)
    person.post(url + "/tags/remove", page=url, tag="VIP")
    text = person.text(url)
    assert "data-undo" in text
    assert "/tags/add" in text[text.index("data-undo") :]
    assert "data-undo" not in person.text(url)  # the offer is for the very next look only
    person.post(url + "/tags/add", page=url, tag="VIP")
    person.post(url + "/lists/join", page=url, list="Partners")
    person.post(url + "/lists/leave", page=url, list="Newsletter")
    assert len(stored.scalars(select(ContactTag).where(ContactTag.contact_id == contact_id)).all()) == 1
    kinds = stored.scalars(select(Event.kind).where(Event.contact_id == contact_id).order_by(Event.id)).all()
    assert kinds[-4:] == ["tag_removed", "tag_added", "list_joined", "list_left"]
    assert len(stored.scalars(select(ListMember).where(ListMember.contact_id == contact_id)).all()) == 1


def test_a_journey_is_started_by_hand_and_a_refusal_says_why(stored, logged_in, now):
    with writing() as session:
        contact_id = make_contact(session, now, "en")
        make_journey(session, now)
    person, url = logged_in("support"), url_of(stored, contact_id)
    assert "Welcome series" in person.text(url + "/start")
    assert person.post(url + "/start", page=url, journey="welcome").status_code == 303
    assert stored.scalars(select(Enrolment.status).where(Enrolment.contact_id == contact_id)).all() == ["active"]
    stored.rollback()
    assert "Started by <bdi>דנה לוי</bdi>" in person.text(url)
    person.post(url + "/start", page=url, journey="welcome")
    assert "Was already inside this journey" in person.text(url + "/start")
    assert "Was already inside this journey" in person.text(url + "/why?journey=welcome")


@pytest.mark.databases("sqlite")
def test_taking_out_asks_first(stored, logged_in, now):
    with writing() as session:
        contact_id = make_story(session, now, "en")
    run = stored.scalars(select(Enrolment.id).where(Enrolment.contact_id == contact_id)).one()
    person, url = logged_in(), url_of(stored, contact_id)
    asked = person.post(f"{url}/runs/{run}/take_out", page=url)
    assert "Take this contact out of the journey?" in asked.text
    stored.expire_all()
    assert stored.get(Enrolment, run).status == "active"
    stored.rollback()
    person.post(f"{url}/runs/{run}/take_out", page=url, confirmed="1")
    assert stored.get(Enrolment, run, populate_existing=True).status == "removed"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/notes", {"text": "x"}),
        ("/tags/add", {"tag": "x"}),
        ("/lists/join", {"list": "x"}),
        ("/start", {"journey": "x"}),
    ],
)
def test_a_viewer_sees_everything_and_changes_nothing(stored, logged_in, now, path, data):
    with writing() as session:
        contact_id = make_contact(session, now, "en")
    viewer, url = logged_in("viewer"), url_of(stored, contact_id)
    text = viewer.text(url)
    assert "Emma Wilson" in text
    assert "/tags/remove" not in text
    assert viewer.post(url + path, page=url, **data).status_code == 403


@pytest.mark.databases("sqlite")
def test_a_form_without_the_token_changes_nothing(stored, logged_in, now):
    with writing() as session:
        contact_id = make_contact(session, now, "en")
    person, url = logged_in(), url_of(stored, contact_id)
    assert person.client.post(url + "/notes", data={"text": "x"}).status_code == 400


def test_news_are_nothing_until_there_are_some(stored, logged_in, now):
    with writing() as session:
        contact_id = make_story(session, now, "en")
    person, url = logged_in(), url_of(stored, contact_id)
    found = re.search(r'data-news-url="([^"]+)"', person.text(url))
    assert found is not None
    news = found[1].replace("&amp;", "&")
    assert person.get(news).status_code == 204
    with writing() as session:
        record(session, contact_id=contact_id, kind="order_paid", data={"amount": "5"})
        record(session, contact_id=contact_id, kind="page_visited", data={"page": "/"})
    assert re.search(r"<bdi[^>]*>2</bdi> new things happened", person.text(news))
    assert person.get(url + "/news?after=rubbish").status_code == 400


def test_an_erased_contact_can_be_looked_at_and_nothing_more(stored, logged_in, now):
    with writing() as session:
        contact_id = make_story(session, now, "en")
        operations.erase(session, contact_id)
    person, url = logged_in(), url_of(stored, contact_id)
    text = person.text(url)
    assert "Emma" not in text
    assert "emma@example.com" not in text
    assert 'id="note-text"' not in text
    person.post(url + "/notes", page="/admin/", text="x")
    assert (
        "note_added"
        not in stored.scalars(select(Event.kind).where(Event.source == "panel", Event.user_id.is_not(None))).all()
    )


@pytest.mark.databases("sqlite")
def test_a_stranger_is_sent_to_the_login(client):
    answer = client.get("/admin/contact/whatever")
    assert answer.status_code == 302
    assert "/account/login" in answer.location


@pytest.mark.databases("sqlite")
def test_there_is_nothing_under_a_wrong_number(logged_in):
    assert logged_in().get("/admin/contact/nobody").status_code == 404


def test_what_went_wrong_is_read_from_what_was_recorded(stored, logged_in, now):
    with writing() as session:
        contact_id = make_story(session, now, "en")
    text = logged_in().text(url_of(stored, contact_id) + "/why")
    assert "Welcome series" in text
    assert "Wait 2 days" in text


@pytest.mark.databases("sqlite")
def test_a_journey_that_never_looked_says_what_starts_it_and_what_its_conditions_see(stored, logged_in, now):
    with writing() as session:
        contact_id = make_contact(session, now, "en")
        make_journey(session, now, more="    exclude_if: {has_tag: VIP}\n")
    text = logged_in().text(url_of(stored, contact_id) + "/why?journey=welcome")
    flat = " ".join(re.sub("<[^>]+>", " ", text).split())
    assert "never considered this contact" in flat
    assert "It starts when: the contact joins the list" in flat
    assert "would not enter" in flat
    assert "What must not hold:" in flat
    assert "(there is: VIP)" in flat.replace("( ", "(").replace(" )", ")")
