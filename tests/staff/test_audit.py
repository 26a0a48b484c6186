"""The audit trail: a chain whose gaps show, written with the commit of what it tells about."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import Tag
from panel.db import db, writing
from panel.staff.audit import record_audit
from panel.staff.models import AuditEntry
from panel.staff.queries import broken_audit_lines


def test_the_audit_trail_notices_an_edited_and_a_removed_line(session):
    for i in range(5):
        record_audit(session, action="tag_created", subject=f"tag {i}", detail={"שם": i})
    session.commit()
    ids = list(session.scalars(select(AuditEntry.id).order_by(AuditEntry.id)))
    assert broken_audit_lines(session) == []
    session.execute(update(AuditEntry).where(AuditEntry.id == ids[2]).values(subject="something else"))
    session.expire_all()
    assert broken_audit_lines(session) == [ids[2]]
    session.rollback()
    session.delete(session.get(AuditEntry, ids[1]))
    session.flush()
    assert broken_audit_lines(session) == [ids[2]]


def said(session) -> list[str]:
    return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_a_line_goes_with_what_it_tells_about(session):
    with writing() as one:
        record_audit(one, action="kept")
        undone = one.begin_nested()
        record_audit(one, action="of a savepoint that was rolled back")
        with one.begin_nested():
            record_audit(one, action="of one inside of it")
        undone.rollback()
        with one.begin_nested():
            record_audit(one, action="of a savepoint that was kept")
    again = Session(db.engine)
    record_audit(again, action="rolled back")
    again.rollback()
    record_audit(again, action="closed")
    again.close()
    record_audit(again, action="later")
    again.commit()
    again.close()
    assert said(session) == ["kept", "of a savepoint that was kept", "later"]
    assert broken_audit_lines(session) == []


@pytest.mark.databases("postgresql")
def test_who_has_told_the_trail_and_waits_for_a_row_does_not_keep_others_from_telling_it(app, session):
    """What once was a deadlock: one holds the end of the chain and wants the row, the other the row and the chain."""
    with writing() as first:
        first.add(Tag(name="row", created_at=clock.now()))
    has_told, problems = threading.Event(), []

    def other() -> None:
        try:
            with app.app_context(), writing() as second:
                record_audit(second, action="second")
                has_told.set()
                second.execute(update(Tag).values(name="second"))
        except Exception as error:
            problems.append(error)

    thread = threading.Thread(target=other)
    with writing() as first:
        first.execute(update(Tag).values(name="first"))
        thread.start()
        assert has_told.wait(20)
        record_audit(first, action="first")
    thread.join(30)
    assert problems == []
    assert said(session) == ["first", "second"]
    assert broken_audit_lines(session) == []
