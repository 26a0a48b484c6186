"""Bringing a file in through the pages, as a person does."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from panel.contacts.models import Contact
from panel.db import writing
from panel.imports import jobs
from panel.imports.models import Import
from tests.web.axe import serious

ROWS = 'שם פרטי,שם משפחה,נייד,דוא"ל,עיר\nדנה,לוי,052-123-4567,dana@shop.co.il,חיפה\nיוסי,כהן,,wrong,תל אביב\n'
MARKUP = b"name,<img src=x onerror=alert(1)>\n<script>alert(1)</script>,x\n"
HEBREW_WINDOWS = ROWS.encode("cp1255")


@pytest.fixture
def upload(logged_in):
    def send(body=HEBREW_WINDOWS, name="לקוחות.csv", language="he", role="marketing"):
        person = logged_in(role, language=language)
        answer = person.post("/admin/imports/", page="/admin/imports/", file=(io.BytesIO(body), name))
        return person, answer

    return send


def test_from_the_upload_to_the_result_and_back(app, upload, stored):
    person, answer = upload()
    assert answer.status_code == 303
    reading = answer.location
    page = person.text(reading)
    assert "דנה" in page
    assert 'value="cp1255" selected' in page
    wrong = person.get(f"{reading}?encoding=cp1256", headers={"HX-Request": "true"}).text
    assert "<html" not in wrong
    assert "דנה" not in wrong

    answer = person.post(reading, page=reading, encoding="cp1255", separator=",", header_row="1")
    columns = answer.location
    page = person.text(columns)
    assert page.count(" selected") == 4
    assert "+972521234567" in page
    sample = person.get(columns.replace("columns", "sample?column=2&c2=email")).text
    assert "text-red" in sample

    chosen = {"c0": "first_name", "c1": "last_name", "c2": "phone", "c3": "email", "c4": "new:text"}
    answer = person.post(columns, page=columns, **chosen)
    rules = answer.location
    answer = person.post(
        rules, page=rules, match=["email"], mode="both", new_list="לקוחות חדשים", tags="ייבוא", channels=["email"],
        consent_source="טופס", consent_day="", consent_wording="",
    )  # fmt: skip
    assert answer.status_code == 200
    assert "notice-danger" in answer.text
    answer = person.post(rules, page=rules, match=["email"], mode="both", new_list="לקוחות חדשים", tags="ייבוא")
    check = answer.location
    page = person.text(check)
    assert "wrong" in page
    stored.rollback()
    assert stored.scalars(select(Contact)).all() == []

    answer = person.post(check.replace("check", "run"), page=check, rows="2")
    result = answer.location
    page = person.text(result)
    assert 'role="progressbar"' in page
    assert 'hx-trigger="load delay:1s"' in page
    jobs.run_now(int(re.search(r"/imports/(\d+)", result)[1]))
    page = person.text(result)
    assert "progressbar" not in page
    errors = person.get(f"{result}/errors.csv")
    assert "attachment" in errors.headers["Content-Disposition"]
    assert "wrong" in errors.data.decode("utf-8-sig")
    errors.close()
    stored.rollback()
    assert [one.name for one in stored.scalars(select(Contact))] == ["דנה לוי"]

    asked = person.post(f"{result}/undo", page=result)
    assert asked.status_code == 200
    answer = person.post(f"{result}/undo", page=result, confirmed="1")
    assert answer.status_code == 303
    jobs.run_now(int(re.search(r"/imports/(\d+)", result)[1]))
    stored.rollback()
    assert stored.scalars(select(Contact)).all() == []
    assert person.get(reading).location.endswith(result)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "empty.csv"),
        (b"%PDF-1.7", "letter.pdf"),
        (b"PK\x03\x04 zip", "x.xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x.xls"),
    ],
)
@pytest.mark.databases("sqlite")
def test_a_file_that_is_no_table_is_a_sentence(upload, body, name, stored):
    person, answer = upload(body, name)
    assert answer.status_code == 302
    assert "notice-danger" in person.text("/admin/imports/")
    stored.rollback()
    assert stored.scalars(select(Import)).all() == []


@pytest.mark.databases("sqlite")
def test_only_those_who_may_import_see_it(logged_in):
    assert logged_in("viewer").get("/admin/imports/").status_code == 403
    assert logged_in("support").get("/admin/imports/").status_code == 403


@pytest.mark.databases("sqlite")
def test_an_unclear_encoding_is_asked_for(upload):
    person, answer = upload(language="en")
    page = person.text(answer.location)
    assert "notice-warning" in page
    answer = person.post(answer.location, page=answer.location, separator=",", header_row="1")
    assert person.get(answer.location).status_code == 302
    reading = answer.location.replace("columns", "reading")
    answer = person.post(reading, page=reading, encoding="cp1255", separator=",", header_row="1")
    assert "דנה" in person.text(answer.location)


@pytest.mark.databases("sqlite")
def test_what_a_file_says_is_never_markup(upload):
    person, answer = upload(
        b"name,<img src=x onerror=alert(1)>\n<script>alert(1)</script>,x\n", "<b>.csv", language="en"
    )
    for url in (answer.location, answer.location.replace("reading", "columns"), "/admin/imports/"):
        page = person.text(url)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b>.csv" not in page


@pytest.mark.databases("sqlite")
def test_a_dropped_file_is_gone(app, upload, stored):
    person, answer = upload()
    person.post(answer.location.replace("reading", "discard"), page=answer.location, confirmed="1")
    stored.rollback()
    assert stored.scalars(select(Import)).all() == []
    assert list((app.config["PANEL"].instance / "imports").iterdir()) == []
    assert person.get(answer.location).status_code == 404


@pytest.mark.databases("sqlite")
def test_the_bar_moves_while_the_import_runs(app, browse, live_server):
    page = browse("/admin/imports/", language="fa", role="marketing")
    rows = "نام,ایمیل\n" + "".join(f"نفر {n},p{n}@nour.org\n" for n in range(30))
    file = Path(app.config["PANEL"].instance) / "مخاطبان.csv"
    file.write_text(rows, encoding="utf-8")
    page.set_input_files("#file", str(file))
    page.click(".form-foot button")
    page.wait_for_selector("#preview td")
    page.select_option("#encoding", "cp1256")
    expect(page.locator("#preview")).not_to_contain_text("نفر 1")
    page.select_option("#encoding", "utf-8")
    expect(page.locator("#preview")).to_contain_text("نفر 1")
    for _ in range(4):
        assert serious(page) == []
        page.click("main .form-foot .btn-primary")
        page.wait_for_load_state()
    page.wait_for_selector("[role=progressbar]")
    assert serious(page) == []
    with writing() as session:
        import_id = session.scalars(select(Import.id)).one()
    jobs.run_now(import_id)
    page.wait_for_selector("[role=progressbar]", state="detached")
    assert "30" in page.text_content("#progress") or "۳۰" in page.text_content("#progress")
