"""A file goes in, contacts come out."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact, ContactAddress
from panel.db import db, writing
from panel.imports import jobs, operations
from panel.imports.models import Import

PEOPLE = [
    ["שם פרטי", "שם משפחה", "נייד", 'דוא"ל', "עיר"],
    ["דנה", "לוי", "052-123-4567", "dana@shop.co.il", "חיפה"],
    ["יוסי", "כהן", "0541112233", "Yossi@Shop.co.il", "תל אביב"],
    ["שרה", "מזרחי", "", "sara@shop.co.il", ""],
]
PERSIANS = [
    ["نام", "نام خانوادگی", "موبایل", "ایمیل"],
    ["علی", "کریمی", "+989123456789", "ali@nour.org"],
    ["شیرین", "رضایی", "+989351112233", "shirin@nour.org"],
]


def csv_of(rows: list[list[str]], separator: str = ",") -> str:
    import csv

    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator).writerows(rows)
    return buffer.getvalue()


def xlsx_of(rows: list[list[Any]]) -> bytes:
    import xlsxwriter

    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("לקוחות")
        for line, row in enumerate(rows):
            for at, cell in enumerate(row):
                sheet.write(line, at, cell)
    return target.getvalue()


@pytest.fixture
def instance(app: Flask) -> Path:
    folder: Path = app.config["PANEL"].instance
    return folder


@pytest.fixture
def bring(app: Flask, instance: Path) -> Callable[..., int]:
    """Bring a file: `bring(b"...", columns=..., rules=...)`; guesses stand where nothing is given. Does not run it."""

    def bring_file(
        body: bytes | str,
        name: str = "people.csv",
        *,
        language: str = "en",
        columns: dict[str, str] | None = None,
        rules: dict[str, Any] | None = None,
        read_as: dict[str, Any] | None = None,
    ) -> int:
        data = body.encode("utf-8") if isinstance(body, str) else body
        with writing() as session:
            task = operations.bring(session, io.BytesIO(data), name, instance, language=language)
            if read_as:
                operations.read_as(session, task, instance, read_as)
            operations.map_columns(session, task, instance, task.mapping if columns is None else columns)
            operations.set_rules(session, task, instance, rules or {})
            operations.start(session, task)
            return task.id

    return bring_file


@pytest.fixture
def run(bring: Callable[..., int]) -> Callable[..., Import]:
    """Bring a file and import it to its end."""

    def run_file(body: bytes | str, name: str = "people.csv", **more: Any) -> Import:
        import_id = bring(body, name, **more)
        jobs.run_now(import_id)
        return task_of(import_id)

    return run_file


def task_of(import_id: int) -> Import:
    with Session(db.engine, expire_on_commit=False) as session:
        task = session.get(Import, import_id)
        assert task is not None
        return task


def everybody() -> list[dict[str, Any]]:
    """All contacts as plain data, by name, for comparing whole results."""
    with Session(db.engine) as session:
        addresses: dict[int, list[tuple[str, str]]] = {}
        for contact_id, kind, value in session.execute(
            select(ContactAddress.contact_id, ContactAddress.kind, ContactAddress.value).order_by(ContactAddress.id)
        ):
            addresses.setdefault(contact_id, []).append((kind, value))
        return [
            {
                "name": contact.name,
                "first": contact.first_name,
                "last": contact.last_name,
                "reference": contact.reference,
                "addresses": sorted(addresses.get(contact.id, [])),
            }
            for contact in session.scalars(select(Contact).order_by(Contact.name, Contact.id))
        ]
