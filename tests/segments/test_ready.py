"""The two segments that everybody begins with."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from panel import clock
from panel.contacts.operations import create_contact
from panel.db import db, reading, writing
from panel.installation.operations import set_setting
from panel.sdk.context import NewContact
from panel.segments import operations, ready
from panel.segments.models import Segment


def due() -> int:
    with db.engine.connect() as connection:
        return ready.due(connection, clock.now())


def names() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(Segment.name).order_by(Segment.id)))


def test_they_are_made_once_in_the_language_of_the_business_and_do_not_come_back(app: Flask) -> None:
    assert due() == 0
    with writing() as session:
        set_setting(session, "company", {"name": "Gan Nava", "language": "he"})
    assert due() == 1
    assert ready.run(1.0) is False
    assert names() == ["משתתקים", "התעוררו"]
    with writing() as session:
        operations.delete(session, session.scalars(select(Segment.id).order_by(Segment.id)).first())
    assert due() == 0
    ready.run(1.0)
    assert names() == ["התעוררו"]


def test_a_name_that_is_taken_is_left_alone(app: Flask) -> None:
    with writing() as session:
        set_setting(session, "company", {"name": "Gan Nava", "language": "en"})
        operations.save(session, "Going quiet", "has_tag: quiet")
    ready.run(1.0)
    assert names() == ["Going quiet", "woke up"]


def test_where_there_are_very_many_contacts_a_person_chooses_the_hour(app: Flask, monkeypatch) -> None:
    monkeypatch.setattr(ready, "MOST_CONTACTS", 1)
    with writing() as session:
        set_setting(session, "company", {"name": "Gan Nava", "language": "en"})
        for name in ("Dana", "Avi"):
            create_contact(session, NewContact(name=name), how="manual", now=clock.now())
    ready.run(1.0)
    assert names() == []
    assert due() == 0
