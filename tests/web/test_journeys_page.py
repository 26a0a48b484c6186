"""The page of journeys: what runs, in words; drafts, problems, the file on disk; pausing, closing, versions."""

from __future__ import annotations

import html
import re

import pytest

from panel import clock
from panel.contacts import operations as contacts
from panel.db import writing
from panel.journeys import operations
from panel.journeys.by_hand import start_by_hand
from panel.journeys.models import Enrolment, Journey
from panel.journeys.names import vocabulary
from panel.sdk.context import NewContact
from tests.web.journeys import BROKEN, FILE, WIN_BACK, put_file, shown


@pytest.fixture
def path(app):
    return put_file(app, FILE)


@pytest.fixture
def published(app, path):
    """`win_back` is live as version 1, one contact is inside."""
    with writing() as session:
        operations.watch_file(session, path, vocabulary=vocabulary(session))
        operations.publish(session, "win_back", file_text=FILE, vocabulary=vocabulary(session), now=clock.now())
        contact_id = contacts.create_contact(
            session, NewContact(name="דנה לוי", emails=["d@example.co.il"]), how="manual"
        )
        assert start_by_hand(session, contact_id, "win_back").code == "entered"
    return contact_id


def plain(page):
    """The words of a page, without markup and isolates."""
    return " ".join(re.sub("[\u2066-\u2069]", "", html.unescape(re.sub("<[^>]+>", "", page))).split())


def state(stored, journey_id="win_back"):
    stored.expire_all()
    found = stored.get(Journey, journey_id)
    stored.rollback()
    return found.state if found else None


@pytest.mark.databases("sqlite")
def test_without_journeys_the_page_offers_a_beginning(logged_in):
    text = logged_in().text("/admin/journeys/")
    assert "No journeys yet" in text
    assert "/admin/journeys/new" in text


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "When a colleague starts it"), ("he", "מתגעגעים"), ("fa", "وقتی")],
)
def test_each_journey_is_said_in_the_readers_language(logged_in, published, language, words):
    text = logged_in(language=language).text("/admin/journeys/")
    assert words in text
    assert "מתגעגעים אליך" in text


def test_a_journey_says_who_is_inside_and_where(logged_in, published):
    person = logged_in()
    assert "1</bdi> contact inside" in person.text("/admin/journeys/")
    text = person.text("/admin/journeys/win_back")
    steps = text[text.index("words-steps") :]
    assert re.search(r"Send[^<]*</span><span class=\"words-people\">.*?1</bdi> contact", steps, re.S)


def test_a_changed_file_becomes_drafts_and_a_broken_journey_names_its_line(logged_in, path):
    person = logged_in()
    path.write_text(FILE + BROKEN, encoding="utf-8")
    text = person.text("/admin/journeys/")
    assert "journeys.yaml has changed on disk" in text
    assert person.post("/admin/journeys/read-file").status_code == 303
    text = person.text("/admin/journeys/")
    assert "has changed on disk" not in text
    assert "2</bdi> drafts wait to be published" in text
    flat = " ".join(re.sub("<[^>]+>", " ", text).split())
    assert re.search(r"1 problem in the draft · line \d+", flat)
    assert "is not known" in text  # the issue about the file, in words


def test_one_broken_journey_does_not_keep_the_other_from_running(logged_in, stored, path):
    path.write_text(FILE + BROKEN, encoding="utf-8")
    person = logged_in()
    person.post("/admin/journeys/read-file")
    page = person.text("/admin/journeys/win_back/publish")
    answer = person.post("/admin/journeys/win_back/publish", **shown(page))
    assert answer.status_code == 303, answer.text
    assert state(stored) == "live"
    assert "1</bdi> problem keeps this draft from being published" in person.text("/admin/journeys/broken/publish")


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(("what", "after"), [("pause", "paused"), ("close", "closing")])
def test_a_state_changes_only_after_a_yes_that_names_the_people_inside(logged_in, stored, published, what, after):
    person = logged_in("marketing")
    asked = person.post(f"/admin/journeys/win_back/{what}", page="/admin/journeys/")
    assert asked.status_code == 200
    assert "1 contact is inside." in asked.text
    assert state(stored) == "live"
    assert person.post(f"/admin/journeys/win_back/{what}", page="/admin/journeys/", confirmed="1").status_code == 303
    assert state(stored) == after


def test_a_paused_journey_runs_again(logged_in, stored, published):
    person = logged_in()
    person.post("/admin/journeys/win_back/pause", confirmed="1")
    person.post("/admin/journeys/win_back/resume", confirmed="1")
    assert state(stored) == "live"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("role", ["support", "viewer"])
def test_who_may_not_publish_sees_no_button_and_is_refused(logged_in, stored, published, role):
    person = logged_in(role)
    text = person.text("/admin/journeys/")
    assert "/pause" not in text
    assert "/edit" not in text
    for url in ("pause", "publish", "drop-draft"):
        assert person.post(f"/admin/journeys/win_back/{url}", confirmed="1").status_code == 403
    assert person.get("/admin/journeys/win_back/edit").status_code == 403
    assert person.get("/admin/journeys/new").status_code == 403
    assert state(stored) == "live"


def test_versions_are_compared_and_an_old_one_becomes_the_draft_again(logged_in, stored, published):
    person = logged_in()
    with writing() as session:
        journey = session.get(Journey, "win_back")
        text = operations.text_of(session, journey).replace("1 week", "5 days")
        operations.publish(
            session, "win_back", text=text, file_text=FILE, vocabulary=vocabulary(session), note="quicker"
        )
    page = person.text("/admin/journeys/win_back/versions/2")
    assert "diff-line is-gone" in page
    assert "wait: 5 days" in page
    assert "quicker" in person.text("/admin/journeys/win_back")
    person.post("/admin/journeys/win_back/versions/1/restore", page="/admin/journeys/win_back")
    assert "wait: 1 week" in (stored.get(Journey, "win_back", populate_existing=True).draft_text or "")
    stored.rollback()
    assert person.get("/admin/journeys/win_back/versions/9").status_code == 404


def test_throwing_a_draft_away_asks_and_leaves_what_runs(logged_in, stored, published):
    person = logged_in()
    with writing() as session:
        operations.save_draft(session, "win_back", "win_back:\n  name: nothing yet\n")
    asked = person.post("/admin/journeys/win_back/drop-draft")
    assert "Throw the draft away?" in asked.text
    person.post("/admin/journeys/win_back/drop-draft", confirmed="1")
    journey = stored.get(Journey, "win_back", populate_existing=True)
    assert (journey.draft_text, journey.state) == (None, "live")
    assert stored.query(Enrolment).count() == 1
    stored.rollback()


def test_a_file_changed_beside_a_draft_is_told_and_taken_when_the_draft_goes(logged_in, stored, published, path):
    person = logged_in()
    text = WIN_BACK.replace("1 week", "5 days").replace("\n  ", "\n").removeprefix("  ")
    page = person.text("/admin/journeys/win_back/edit")
    assert person.post("/admin/journeys/win_back/edit", page=page, text=text, do="save").status_code < 400
    path.write_text(FILE.replace("1 week", "9 days"), encoding="utf-8")
    person.post("/admin/journeys/read-file")
    journey = stored.get(Journey, "win_back", populate_existing=True)
    assert "5 days" in journey.draft_text
    stored.rollback()
    assert "was changed in journeys.yaml, and it has a draft" in plain(person.text("/admin/issues/"))
    assert "was changed in journeys.yaml as well" in person.text("/admin/journeys/win_back/publish")
    person.post("/admin/journeys/win_back/drop-draft", confirmed="1")
    assert "The draft now says what journeys.yaml says" in person.text("/admin/journeys/win_back/edit")
    assert "9 days" in stored.get(Journey, "win_back", populate_existing=True).draft_text
    stored.rollback()
    assert "was changed in journeys.yaml" not in plain(person.text("/admin/issues/"))


def save(person, text):
    person.post("/admin/journeys/win_back/edit", text=text, do="save", base=base_of(person))


def base_of(person):
    found = re.search(r'name="base" value="([^"]*)"', person.text("/admin/journeys/win_back/edit"))
    return found[1] if found else ""


def test_only_the_draft_that_was_seen_is_thrown_away(logged_in, stored, published):
    person = logged_in()
    text = WIN_BACK.replace("\n  ", "\n").removeprefix("  ")
    save(person, text.replace("1 week", "5 days"))
    seen = re.search(r'name="base" value="([^"]+)"', person.text("/admin/journeys/win_back"))[1]
    save(person, text.replace("1 week", "6 days"))
    answer = person.post("/admin/journeys/win_back/drop-draft", confirmed="1", base=seen)
    assert answer.location.endswith("/edit")
    assert "nothing was thrown away" in person.text(answer.location)
    assert "6 days" in stored.get(Journey, "win_back", populate_existing=True).draft_text
    stored.rollback()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (b"\n  oops: [\n", "A bracket is not closed"),
        (b"\n# \xff\n", "not UTF-8 text"),
        (b"\nblueprints: 5\ndefaults: {send_hours: {from: 25:00, to: 9}}\n", "has to be put right first"),
    ],
)
def test_a_file_that_keeps_everything_from_being_published_is_told_with_its_line(
    logged_in, stored, published, path, damage, words
):
    person = logged_in()
    save(person, WIN_BACK.replace("1 week", "5 days").replace("\n  ", "\n").removeprefix("  "))
    found = shown(person.text("/admin/journeys/win_back/publish"))
    path.write_bytes(path.read_bytes() + damage)
    for page in (
        person.text("/admin/journeys/win_back/publish"),
        person.post("/admin/journeys/win_back/publish", **found).text,
    ):
        assert words in plain(page)
        assert "has to be put right first" in plain(page)
        assert 'name="text_sha256"' not in page
    assert "5 days" in stored.get(Journey, "win_back", populate_existing=True).draft_text
    stored.rollback()


@pytest.mark.databases("sqlite")
def test_publishing_says_that_a_journey_that_closes_goes_on_closing(logged_in, stored, published):
    person = logged_in()
    save(person, WIN_BACK.replace("1 week", "5 days").replace("\n  ", "\n").removeprefix("  "))
    assert "stays so" not in person.text("/admin/journeys/win_back/publish")
    person.post("/admin/journeys/win_back/close", confirmed="1")
    page = person.text("/admin/journeys/win_back/publish")
    assert "nobody enters the new version either" in plain(page)
    person.post("/admin/journeys/win_back/publish", **shown(page))
    assert stored.get(Journey, "win_back", populate_existing=True).state == "closing"
    stored.rollback()


def test_an_old_version_takes_the_place_of_a_draft_only_when_somebody_says_so(logged_in, stored, published):
    person = logged_in()
    text = WIN_BACK.replace("\n  ", "\n").removeprefix("  ")
    save(person, text.replace("1 week", "5 days"))
    restore = "/admin/journeys/win_back/versions/1/restore"
    assert "Its text is gone then" in person.post(restore).text
    assert "5 days" in stored.get(Journey, "win_back", populate_existing=True).draft_text
    stored.rollback()
    assert person.post(restore, confirmed="1").status_code == 303
    assert stored.get(Journey, "win_back", populate_existing=True).draft_text is None  # version 1 is what runs
    stored.rollback()


def test_defaults_that_change_while_the_page_is_open_are_shown_before_they_are_published(
    logged_in, stored, published, path
):
    person = logged_in()
    text = WIN_BACK.replace("1 week", "5 days").replace("\n  ", "\n").removeprefix("  ")
    save(person, text)
    found = shown(person.text("/admin/journeys/win_back/publish"))
    version = stored.get(Journey, "win_back", populate_existing=True).live_version_id
    stored.rollback()
    path.write_text(FILE.replace("Asia/Jerusalem", "Asia/Tehran"), encoding="utf-8")
    answer = person.post("/admin/journeys/win_back/publish", **found)
    assert answer.status_code == 409
    assert "were changed by somebody while" in answer.text
    assert stored.get(Journey, "win_back", populate_existing=True).live_version_id == version
    stored.rollback()
    assert person.post("/admin/journeys/win_back/publish", **shown(answer.text)).status_code == 303


@pytest.mark.databases("sqlite")
def test_a_journey_that_nobody_knows_is_not_found(logged_in):
    person = logged_in()
    for url in ("nothing", "nothing/edit", "nothing/publish", "nothing/versions/1"):
        assert person.get(f"/admin/journeys/{url}").status_code == 404


@pytest.mark.databases("sqlite")
def test_texts_of_a_journey_are_never_markup(logged_in, path):
    evil = WIN_BACK.replace("מתגעגעים אליך", '"<script>alert(1)</script>"').replace("quiet", "<img src=x>")
    put = path.read_text().replace(WIN_BACK, evil)
    path.write_text(put)
    person = logged_in()
    person.post("/admin/journeys/read-file")
    for url in ("", "win_back", "win_back/edit", "win_back/publish"):
        text = person.text(f"/admin/journeys/{url}")
        assert "<script>alert" not in text
        assert "<img src=x>" not in text
