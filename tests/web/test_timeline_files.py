"""A timeline as CSV, XLSX and PDF; the evidence of one message as a page and as a PDF."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pypdfium2
import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from panel import clock
from panel.contacts import operations
from panel.db import writing
from panel.messages.models import Message
from panel.staff.models import AuditEntry
from panel.timeline.operations import record
from panel.web import pdf
from tests.web.story import add_hit, add_message, make_contact, make_story
from tests.web.test_contact_card import url_of

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def now():
    return clock.now()


def file_of(url: str, kind: str, query: str = "") -> str:
    return f"/admin/timeline-file/{url.rpartition('/')[2]}.{kind}{query}"


def rows_of(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200
    assert answer.data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))


def test_the_table_has_everything_the_page_has_and_no_live_formula(stored, logged_in, now):
    with writing() as session:
        contact_id = make_story(session, now, "en")
        operations.add_note(session, contact_id, '=HYPERLINK("http://evil.test")', now=now)
    person = logged_in(language="en")
    rows = rows_of(person.get(file_of(url_of(stored, contact_id), "csv")))
    said = "\n".join(" | ".join(row.values()) for row in rows)
    for words in (
        "Technical failure", "2 opens by a security scanner, not counted", "Prefers calls", "Paid an order",
        "Contact us", "When do you open?", "Joined the list Newsletter", "letter posted", "a machine, not counted",
    ):  # fmt: skip
        assert words in said, words
    assert "<" not in said
    note = next(row for row in rows if "evil" in row["What was written"])
    assert note["What was written"].startswith("'=")
    assert len(rows) == len({(row["When"], row["What happened"], row["Details"]) for row in rows})
    with writing() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert (entry.action, entry.subject) == ("exported", "contact_timeline.csv")


def test_a_file_holds_what_the_filters_let_through(stored, logged_in, now):
    with writing() as session:
        contact_id = make_story(session, now, "en")
    person, url = logged_in(language="en"), url_of(stored, contact_id)
    rows = rows_of(person.get(file_of(url, "csv", "?show=messages&channel=sms")))
    assert {row["Kind"] for row in rows} == {"Messages"}
    assert len(rows) == 2
    assert rows_of(person.get(file_of(url, "csv", "?q=nothing-like-this"))) == []


def test_a_long_history_is_in_the_table_whole_and_in_order(stored, logged_in, now):
    with writing() as session:
        contact_id = make_contact(session, now, "en")
        for number in range(450):
            record(session, contact_id=contact_id, kind="note_added", occurred_at=now - timedelta(seconds=number // 3),
                   data={"text": f"n{number:04}"})  # fmt: skip
    rows = rows_of(logged_in(language="en").get(file_of(url_of(stored, contact_id), "csv", "?show=notes")))
    notes = [row["What was written"] for row in rows]
    assert len(set(notes)) == len(notes) == 450
    assert [row["When"] for row in rows] == sorted((row["When"] for row in rows), reverse=True)


def test_the_sheet_has_real_dates_and_runs_from_right_to_left(stored, logged_in, now):
    with writing() as session:
        contact_id = make_story(session, now, "he")
    answer = logged_in(language="he").get(file_of(url_of(stored, contact_id), "xlsx"))
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(answer.data)).get_sheet_by_index(0).to_python()
    assert sheet[0][0] == "מתי"
    assert all(isinstance(row[0], datetime) for row in sheet[1:])
    assert any("תקלה טכנית" in str(row[3]) for row in sheet[1:])


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_the_paper_can_be_read_in_every_language(stored, logged_in, now, language):
    if not pdf.is_possible():
        pytest.fail("the browser code is not built: make assets")
    with writing() as session:
        contact_id = make_story(session, now, language)
    answer = logged_in(language=language).get(file_of(url_of(stored, contact_id), "pdf"))
    assert answer.status_code == 200
    document = pypdfium2.PdfDocument(answer.data)
    said = "".join(document[n].get_textpage().get_text_range() for n in range(len(document)))
    assert len(document) >= 1
    for words in (
        "example.com",
        "absent subscriber",
        {"en": "Technical failure", "he": "תקלה טכנית", "fa": "خطای فنی"}[language],
    ):
        assert words in said.replace("\r\n", " ")
    shades = document[0].render(scale=1).to_pil().convert("L").histogram()
    assert sum(shades[:128]) > 500, "there is ink on the page"


def test_pages_of_a_paper_are_numbered_and_none_ends_with_the_heading_of_a_day(stored, logged_in, now):
    with writing() as session:
        contact_id = make_contact(session, now, "en")
        for number in range(60):
            record(session, contact_id=contact_id, kind="note_added", occurred_at=now - timedelta(days=number),
                   data={"text": f"n{number:02} " + "word " * (number % 40)})  # fmt: skip
    answer = logged_in(language="en").get(file_of(url_of(stored, contact_id), "pdf", "?show=notes"))
    document = pypdfium2.PdfDocument(answer.data)
    assert len(document) >= 4
    for number, page in enumerate(document, start=1):
        lines = [line for line in page.get_textpage().get_text_range().splitlines() if line.strip()]
        assert lines[-1].endswith(f"· {number}")
        assert not re.search(r"day, .* 20\d\d$", lines[-2]), lines[-2]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "pdf"])
def test_a_file_needs_the_right_and_is_not_offered_without_it(stored, logged_in, now, kind):
    with writing() as session:
        contact_id = make_story(session, now, "en")
    person, url = logged_in("support"), url_of(stored, contact_id)
    assert "timeline-file" not in person.text(url)
    assert person.get(file_of(url, kind)).status_code == 403
    assert person.get(file_of("/nobody", kind)).status_code == 403


# Did it arrive?


def evidence_of(person, message: int) -> str:
    return unescape(person.text(f"/admin/evidence/{message}"))


@pytest.fixture
def contact(app, now):
    with writing() as session:
        return make_contact(session, now, "en")


def make(contact: int, now, **given) -> int:
    with writing() as session:
        detail = given.pop("detail", {})
        id_ = add_message(session, contact, now - timedelta(hours=3), journey_id=None, **given)
        session.get_one(Message, id_).detail = detail
        return id_


@pytest.mark.parametrize(
    ("given", "says", "never"),
    [
        ({"status": "skipped", "reason": "opted_out", "kinds": (("message_skipped", timedelta(0), {}),)},
         ("It never left", "opted out", "the contact chose"), "Technical"),
        ({"status": "skipped", "reason": "no_address"}, ("It never left", "something is missing"), "chose not"),
        ({"status": "skipped", "reason": "skipped_limit"}, ("It never left", "our own rules"), "chose not"),
        ({"status": "failed", "reason": "failed_address", "detail": {"answer": "550 5.1.1 no such user"}},
         ("did not go out", "550 5.1.1 no such user", "no opt-out"), "chose"),
        ({"status": "bounced", "kinds": (("message_sent", timedelta(0), {}),
                                         ("message_bounced", timedelta(minutes=2), {"detail": "5.2.2 mailbox full"}))},
         ("It came back", "5.2.2 mailbox full", "did not get it"), "chose"),
        ({"status": "unknown", "kinds": (("message_unknown", timedelta(0), {}),)},
         ("We do not know whether it went out", "may have arrived, or not"), "It never left"),
        ({"status": "queued", "reason": "postponed_hours", "kinds": ()}, ("It has not left yet", "hours"), "arrived:"),
        ({"status": "sent", "kinds": (("message_sent", timedelta(0), {}),
                                      ("message_complained", timedelta(minutes=9), {}))},
         ("It arrived", "reported it as spam"), "chose not"),
    ],
)  # fmt: skip
def test_each_state_is_told_honestly(stored, logged_in, contact, now, given, says, never):
    text = evidence_of(logged_in(language="en"), make(contact, now, **given))
    for words in says:
        assert words in text, words
    assert never not in text


def test_what_the_server_said_is_there_to_the_second_and_nothing_more_is_claimed(stored, logged_in, contact, now):
    at = datetime(2026, 3, 1, 8, 2, 14, tzinfo=UTC)
    message = make(contact, now, status="sent", detail={"answer": "250 2.0.0 OK: queued as 4XyZ12"},
                   address="emma@example.com", sent_at=at, wire_at=at)  # fmt: skip
    person = logged_in(language="en", time_zone="Asia/Jerusalem")
    text = evidence_of(person, message)
    for words in ("10:02:14", "(UTC+02:00)", "250 2.0.0 OK: queued as 4XyZ12", "4XyZ12", "only the receiver's side",
                  "It stands in the contact's details since", f"m{message}@panel.test", "None were seen"):  # fmt: skip
        assert words in text, words
    with writing() as session:
        for verdict, minutes in (("machine", 1), ("proxy", 5), ("human", 60)):
            add_hit(session, contact, message, now - timedelta(minutes=70 - minutes), "open", verdict)
    text = evidence_of(person, message)
    assert "probably by a person: whoever reads at this address saw it" in text
    assert "a machine, not counted" in text
    answer = person.get(f"/admin/evidence/{message}.pdf")
    said = pypdfium2.PdfDocument(answer.data)[0].get_textpage().get_text_range()
    assert "250 2.0.0 OK: queued as 4XyZ12" in said


def test_an_address_that_was_changed_since_is_shown_as_it_was_used(stored, logged_in, contact, now):
    text = evidence_of(logged_in(language="en"), make(contact, now, status="sent", address="old@example.com"))
    assert "old@example.com" in text
    assert "does not stand in the contact's details any more" in text
    assert "emma@example.com" in text


def test_the_way_there_stands_on_every_message_and_a_viewer_may_go_it(stored, logged_in, now):
    with writing() as session:
        contact_id = make_story(session, now, "en")
    person = logged_in("viewer", language="en")
    text = person.text(url_of(stored, contact_id))
    assert text.count("Did it arrive?") == 5
    assert person.get("/admin/evidence/999999").status_code == 404
