from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy import text as sql

from panel import clock
from panel.consent import operations as consent
from panel.consent.queries import history, state_many
from panel.contacts import queries
from panel.contacts.models import Contact
from panel.contacts.operations import add_note, create_contact, create_field
from panel.db import writing
from panel.errors import UserError
from panel.imports import jobs, running, undoing
from panel.imports.models import Import
from panel.sdk.context import NewContact
from panel.timeline.models import Event
from panel.timeline.queries import page
from tests.imports.conftest import PEOPLE, PERSIANS, csv_of, everybody, task_of, xlsx_of

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"


def counts(task):
    return (task.state, task.created_count, task.updated_count, task.unchanged_count, task.error_count)


def contact_named(session, name):
    return session.scalars(select(Contact).where(Contact.name == name)).one()


def error_rows(task, instance):
    assert task.error_path
    with (instance / task.error_path).open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream))


def test_everybody_comes_in_once_and_each_line_says_from_where(run, session):
    task = run(csv_of(PEOPLE), language="he")
    assert counts(task) == ("done", 3, 0, 0, 0)
    dana = contact_named(session, "דנה לוי")
    (event,) = page(session, [dana.id])
    assert event.kind == "contact_created"
    assert event.data == {"how": "import", "detail": {"file": "people.csv", "row": 2, "import": task.id}}
    assert event.source == f"import:{task.id}"
    assert event.routed_at is not None  # history only: an import starts no journey unless asked to
    again = run(csv_of(PEOPLE), language="he")
    assert counts(again) == ("done", 0, 0, 3, 0)


@pytest.mark.parametrize(
    ("encoding", "people", "language"),
    [
        ("utf-8", PEOPLE, "he"), ("utf-8-sig", PEOPLE, "he"), ("utf-16", PEOPLE, "he"), ("utf-16-be", PEOPLE, "he"),
        ("cp1255", PEOPLE, "he"), ("xlsx", PEOPLE, "he"), ("utf-8", PERSIANS, "fa"), ("utf-16", PERSIANS, "fa"),
        ("cp1256", PERSIANS, "fa"), ("xlsx", PERSIANS, "fa"),
    ],
)  # fmt: skip
@pytest.mark.databases("sqlite")
def test_the_same_people_come_out_of_every_kind_of_file(run, encoding, people, language):
    text = csv_of(people)
    if encoding == "cp1256":  # which has no letters but the Arabic ones
        text = text.replace("ی", "ي").replace("ک", "ك")
    task = run(xlsx_of(people) if encoding == "xlsx" else text.encode(encoding), language=language)
    assert counts(task) == ("done", len(people) - 1, 0, 0, 0)
    found = everybody()
    assert {(one["first"], one["last"]) for one in found} == {(row[0], row[1]) for row in people[1:]}
    assert sum(len(one["addresses"]) for one in found) == sum(bool(cell) for row in people[1:] for cell in row[2:4])


def test_lists_tags_fields_and_consent_with_its_proof(run, session):
    proof = {
        "channels": "email, sms",
        "source": "Paper form at the till",
        "date": "1404/12/10",
        "wording": "מסכימה לדיוור",
    }
    task = run(
        csv_of(PEOPLE),
        language="he",
        columns={"0": "first_name", "1": "last_name", "2": "phone", "3": "email", "4": "new:text"},
        rules={"list": "לקוחות חדשים", "tags": ["ייבוא", "vip"], "consent": proof},
    )
    assert counts(task)[:2] == ("done", 3)
    dana = contact_named(session, "דנה לוי")
    card = queries.card(session, dana.id)
    assert [one.name for one in card.lists] == ["לקוחות חדשים"]
    assert {one.name for one in card.tags} == {"ייבוא", "vip"}
    assert [(info.label("he"), value.text) for info, value in card.fields] == [("עיר", "חיפה")]
    assert state_many(session, [dana.id], "sms") == {dana.id: "opted_in"}
    given = history(session, dana.id)[0]
    assert (given.how, given.wording, given.source) == ("import", "מסכימה לדיוור", "Paper form at the till")
    assert given.proof["row"] == 2
    assert given.at.date() == date(2026, 3, 1)


@pytest.mark.parametrize("missing", ["channels", "source", "date", "wording"])
def test_consent_without_its_proof_is_refused(bring, missing):
    proof = {"channels": "email", "source": "form", "date": "2026-01-01", "wording": "yes"}
    del proof[missing]
    with pytest.raises(UserError) as caught:
        bring(csv_of(PEOPLE), rules={"consent": proof})
    assert caught.value.code == "consent_incomplete"


def test_known_contacts_are_completed_and_the_change_is_on_their_timeline(run, session):
    with writing() as writer:
        known = create_contact(writer, NewContact(name="D", emails=["dana@shop.co.il"]), how="manual")
    task = run(csv_of(PEOPLE), language="he")
    assert counts(task) == ("done", 2, 1, 0, 0)
    event = page(session, [known])[0]
    assert event.kind == "contact_updated"
    assert event.data["changes"]["full_name"] == ["D", "דנה לוי"]
    assert event.data["changes"]["phone"] == ["", "052-123-4567"]
    assert event.data["detail"]["row"] == 2


def test_create_only_and_update_only(run, session):
    with writing() as writer:
        known = create_contact(writer, NewContact(name="D", emails=["dana@shop.co.il"]), how="manual")
    assert counts(run(csv_of(PEOPLE), rules={"mode": "update"})) == ("done", 0, 1, 0, 2)
    assert counts(run(csv_of(PEOPLE), rules={"mode": "create"})) == ("done", 2, 0, 1, 0)
    assert session.get(Contact, known).name == "דנה לוי"


def test_bad_rows_go_to_a_file_with_the_reason_that_can_be_mended_and_brought_again(run, instance, session):
    rows = [
        ["name", "email", "phone"],
        ["Dana", "dana@shop", ""],
        ["Yossi", "yossi@shop.co.il", "call me"],
        ["Sara", "sara@shop.co.il", ""],
        ["", "", "12"],
        ["Too", "many@shop.co.il", "", "cells", "here"],
        ["=1+1", "x", ""],
    ]
    task = run(csv_of(rows), language="he")
    assert counts(task) == ("done", 1, 0, 0, 5)
    headers, *refused = error_rows(task, instance)
    assert headers[:3] == rows[0]
    assert [row[0] for row in refused] == ["Dana", "Yossi", "", "Too", "'=1+1"]
    assert all(row[3] for row in refused)
    assert "dana@shop" in refused[0][3]
    assert any("\u05d0" <= letter <= "\u05ea" for letter in refused[0][3]), refused[0][3]
    mended = [headers, ["Dana", "dana@shop.co.il", "", refused[0][3]], ["'=1+1", "x@shop.co.il", "", ""]]
    again = run(csv_of(mended))
    assert counts(again) == ("done", 2, 0, 0, 0)
    assert contact_named(session, "=1+1").first_name == "=1+1"


def test_two_rows_about_one_person_are_one_contact(run, session):
    rows = [
        ["name", "email", "phone"],
        ["Dana", "dana@shop.co.il", ""],
        ["Dana Levi", "DANA@shop.co.il", "0521234567"],
        ["", "", "+972 52 123 4567"],
        ["Yossi", "yossi@shop.co.il", "0521234567"],
    ]
    task = run(csv_of(rows))
    assert (task.created_count, task.updated_count, task.unchanged_count, task.error_count) == (2, 1, 1, 0)
    assert [one["name"] for one in everybody()] == ["Dana Levi", "Yossi"]


def test_it_is_not_guessed_which_of_two_contacts_a_row_is(run, instance):
    with writing() as writer:
        for name in ("Dana", "Noa"):
            create_contact(writer, NewContact(name=name, phones=["0521234567"]), how="manual", match=False)
    task = run(csv_of([["name", "phone"], ["Somebody", "0521234567"]]))
    assert counts(task) == ("done", 0, 0, 0, 1)
    assert "2" in error_rows(task, instance)[1][2]


def test_journeys_wake_only_when_asked(run, session):
    task = run(csv_of(PEOPLE), rules={"start_journeys": "yes", "list": "Newsletter"})
    events = session.scalars(select(Event).where(Event.source == f"import:{task.id}")).all()
    assert {event.kind for event in events} == {"contact_created", "list_joined"}
    assert all(event.routed_at is None for event in events)


def test_a_killed_import_goes_on_where_it_stopped_and_adds_nobody_twice(bring, instance, monkeypatch):
    rows = [["name", "email"], *[[f"Person {n}", f"p{n}@shop.co.il" if n % 10 else "wrong"] for n in range(95)]]
    import_id = bring(csv_of(rows))
    real = running._note_refused
    calls = []

    def killed_after_writing_the_error_file(*arguments):
        real(*arguments)
        calls.append(1)
        if len(calls) in (2, 4):
            raise KeyboardInterrupt

    monkeypatch.setattr(running, "_note_refused", killed_after_writing_the_error_file)
    for _ in range(3):
        running._open.clear()
        try:
            running.work(import_id, instance, batch_size=20)
        except KeyboardInterrupt:
            continue
    task = task_of(import_id)
    assert counts(task) == ("done", 85, 0, 0, 10)
    assert task.rows_done == 95
    assert len(everybody()) == 85
    assert [row[0] for row in error_rows(task, instance)[1:]] == [f"Person {n}" for n in range(0, 95, 10)]


def test_a_slice_of_time_ends_and_the_next_one_goes_on(bring, instance):
    rows = [["name", "email"], *[[f"Person {n}", f"p{n}@shop.co.il"] for n in range(50)]]
    import_id = bring(csv_of(rows))
    turns = 0
    while running.work(import_id, instance, seconds=0, batch_size=20):
        turns += 1
    assert turns == 2
    assert counts(task_of(import_id)) == ("done", 50, 0, 0, 0)


def test_undo_takes_back_what_nobody_used_since(run, session):
    with writing() as writer:
        create_field(writer, "city")
        known = create_contact(
            writer, NewContact(name="Old Name", emails=["dana@shop.co.il"], fields={"city": "עכו"}), how="manual"
        )
    columns = {"0": "first_name", "1": "last_name", "2": "phone", "3": "email", "4": "city"}
    consent_given = {"channels": "email", "source": "form", "date": "2026-01-01", "wording": "yes"}
    task = run(csv_of(PEOPLE), columns=columns, rules={"list": "A", "tags": "t", "consent": consent_given})
    assert counts(task) == ("done", 2, 1, 0, 0)
    used = contact_named(session, "יוסי כהן").id
    with writing() as writer:
        add_note(writer, used, "Phoned on Monday")
        undoing.begin(writer, task.id)
    jobs.run_now(task.id)
    session.rollback()  # SQLite shows a transaction what it was at its beginning
    task = task_of(task.id)
    assert (task.state, task.reading["kept"]) == ("undone", 1)
    assert {one["name"] for one in everybody()} == {"Old Name", "יוסי כהן"}
    card = queries.card(session, known)
    assert [(one.kind, one.value) for one in card.addresses] == [("email", "dana@shop.co.il")]
    assert (card.lists, card.tags, card.fields[0][1].text) == ([], [], "עכו")
    assert state_many(session, [known], "email") == {}
    assert session.scalar(select(func.count()).select_from(Event).where(Event.kind == "contact_created")) == 2


def test_undo_is_refused_after_seven_days_and_while_running(bring, run):
    running_id = bring(csv_of(PEOPLE))
    with writing() as writer, pytest.raises(UserError):
        undoing.begin(writer, running_id)
    jobs.run_now(running_id)
    with clock.hold(clock.now() + timedelta(days=8)), writing() as writer, pytest.raises(UserError):
        undoing.begin(writer, running_id)


def test_an_import_brings_nobody_back_who_refused(run, session):
    with writing() as writer:
        known = create_contact(writer, NewContact(name="D", emails=["dana@shop.co.il"]), how="manual")
        consent.opt_out(writer, known, "email", how="one_click", address="dana@shop.co.il")
    given = {"channels": "email", "source": "form", "date": "2026-01-01", "wording": "yes"}
    run(csv_of(PEOPLE), rules={"consent": given})
    assert state_many(session, [known], "email") == {known: "opted_out"}


def test_the_check_counts_as_the_run_does_and_writes_nothing(bring, instance, session):
    rows = [
        ["name", "email"],
        ["Dana", "dana@shop.co.il"],
        ["D", "dana@shop.co.il"],
        ["Yossi", "wrong"],
        ["N", "n@x.co.il"],
    ]
    with writing() as writer:
        create_contact(writer, NewContact(name="N", emails=["n@x.co.il"]), how="manual")
    import_id = bring(csv_of(rows))
    found = running.check(session, session.get(Import, import_id), instance / task_of(import_id).path)
    assert (found.rows, found.new, found.known, found.refused) == (4, 1, 2, 1)
    assert [number for number, _ in found.examples] == [4]
    assert len(everybody()) == 1


def test_days_are_read_in_the_order_the_column_shows(run, session):
    with writing() as writer:
        create_field(writer, "birthday", "date")
    columns = {"0": "full_name", "1": "birthday"}
    run("name,birthday\nA,03/04/1990\nB,12/31/1990\n", columns=columns)
    run("name,birthday\nC,03/04/1990\nD,31/12/1990\nE,۱۳۶۹/۰۱/۱۴\n", columns=columns)
    values = {}
    for name in "ABCDE":
        contact = contact_named(session, name)
        values[name] = queries.card(session, contact.id).fields[0][1].day
    assert values == {
        "A": date(1990, 3, 4), "B": date(1990, 12, 31), "C": date(1990, 4, 3), "D": date(1990, 12, 31),
        "E": date(1990, 4, 3),
    }  # fmt: skip


@pytest.mark.databases("postgresql")
def test_zero_bytes_and_half_letters_lose_nothing_else(run, instance):
    body = b"name,email\nDa\x00na,dana@shop.co.il\n\xff\xfeYossi,y@shop.co.il\nSara,sara@shop.co.il\n"
    task = run(body, read_as={"encoding": "utf-8"})
    assert counts(task) == ("done", 2, 0, 0, 1)
    assert [one["name"] for one in everybody()] == ["Dana", "Sara"]


def test_five_thousand_rows_from_excel_in_hebrew_and_persian(run, session):
    hebrew = [["שם מלא", "נייד", 'דוא"ל', "מספר לקוח"]]
    hebrew += [[f"לקוח מספר {n}", 520000000 + n, f"he{n}@shop.co.il", n] for n in range(2500)]
    hebrew += [[f"مشتری شمارهٔ {n}", f"+9891{n:08}", f"fa{n}@shop.ir", 10_000 + n] for n in range(2500)]
    task = run(xlsx_of(hebrew), "לקוחות.xlsx", language="he")
    assert counts(task) == ("done", 5000, 0, 0, 0)
    assert queries.by_address(session, "phone", "+972520000007") == [contact_named(session, "לקוח מספר 7").id]
    assert queries.by_reference(session, "10007") == contact_named(session, "مشتری شمارهٔ 7").id


@pytest.mark.databases("postgresql")
def test_after_a_large_file_the_database_knows_how_much_is_in_its_tables(run, session):
    people = [PEOPLE[0], *([f"דנה {n}", "לוי", "", f"dana{n}@shop.co.il", ""] for n in range(running.BATCH + 1))]
    run(csv_of(people))
    if session.get_bind().dialect.name == "postgresql":
        known = "SELECT reltuples FROM pg_class WHERE relname = 'contact_addresses'"
    else:
        known = "SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = 'contact_addresses'"
    assert session.scalar(sql(known)) == running.BATCH + 1


def test_naughty_strings_and_formulas_come_through_as_they_are(run, instance, session):
    path = CORPORA / "strings" / "blns.json"
    if not path.exists():
        pytest.skip(f"the corpora are not beside this checkout ({path.parent})")
    strings = json.loads(path.read_text())
    formulas = json.loads((CORPORA / "generated" / "csv_formula.json").read_text())
    strings += formulas["formula"] + formulas["must_round_trip"]
    with writing() as writer:
        create_field(writer, "text of it")
    rows = [["customer number", "text of it"], *[[f"s{n}", text] for n, text in enumerate(strings)]]
    task = run(csv_of(rows))
    assert counts(task)[4] == 0
    assert task.created_count == len(strings)
    for n, text in enumerate(formulas["must_round_trip"], start=len(strings) - 10):
        contact_id = queries.by_reference(session, f"s{n}")
        assert queries.card(session, contact_id).fields[0][1].text == text


def test_what_must_survive_an_error_file_survives_it(run, instance, session):
    path = CORPORA / "generated" / "csv_formula.json"
    if not path.exists():
        pytest.skip(f"the corpora are not beside this checkout ({path.parent})")
    formulas = json.loads(path.read_text())
    texts = formulas["must_round_trip"] + formulas["formula"]
    with writing() as writer:
        create_field(writer, "text of it")
    columns = {"0": "reference", "1": "text_of_it", "2": "email"}
    rows = [["number", "text of it", "email"], *[[f"s{n}", text, "wrong"] for n, text in enumerate(texts)]]
    task = run(csv_of(rows), columns=columns)
    assert task.error_count == len(texts)
    headers, *refused = error_rows(task, instance)
    live = [row[1] for row in refused if row[1].lstrip().startswith(("=", "-", "@")) and not row[1].startswith("'")]
    assert live == []
    mended = [headers, *[[number, text, "", ""] for number, text, _, _ in refused]]
    again = run(csv_of(mended), columns=columns)
    assert again.created_count == len(texts)
    for n, text in enumerate(formulas["must_round_trip"]):
        contact_id = queries.by_reference(session, f"s{n}")
        assert queries.card(session, contact_id).fields[0][1].text == text


def test_a_file_that_is_gone_or_broken_stops_with_a_sentence(bring, instance):
    import_id = bring(xlsx_of(PEOPLE), "people.xlsx")
    (instance / task_of(import_id).path).write_bytes(b"PK\x03\x04 broken since")
    jobs.run_now(import_id)
    task = task_of(import_id)
    assert task.state == "failed"
    assert task.problem["code"] == "workbook_broken"


def test_columns_that_cannot_work_are_refused(bring):
    for columns, code in (
        ({"0": "first_name", "1": "first_name"}, "field_twice"),
        ({"9": "first_name"}, "column_unknown"),
        ({"0": "no such field"}, "field_unknown"),
        ({"4": "language"}, "nothing_to_know_by"),
        ({"0": "personal_link"}, "field_unknown"),
        ({"0": "id", "1": "public_id"}, "field_unknown"),
    ):
        with pytest.raises(UserError) as caught:
            bring(csv_of(PEOPLE), columns=columns)
        assert caught.value.code == code, columns


def test_a_sheet_of_another_kind_of_rows_is_streamed(run):
    buffer = io.StringIO()
    buffer.write("name\n")
    for n in range(3000):
        buffer.write(f"Person {n}\n\n")
    task = run(buffer.getvalue())
    assert counts(task) == ("done", 3000, 0, 0, 0)
