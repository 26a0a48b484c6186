"""Mails to colleagues: what they asked for, once, in their language, and nothing of it in a contact's ledger."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from panel import clock
from panel.contacts.models import Contact
from panel.db import writing
from panel.issues.models import Issue
from panel.messages.models import Message
from panel.plugin_manager import manager
from panel.plugin_manager.operations import set_enabled
from panel.staff.mentions import tell_mentioned
from panel.staff.models import Notice, NoticeMail, User
from panel.staff.notices import notify
from panel.staff.people import Meant
from panel.tasks.mailing import send_due
from panel.tasks.operations import NewTask, create_task
from panel.tasks.reminding import remind_due
from tests.tasks.conftest import NOW


@pytest.fixture
def sink(app, smtp_sink, monkeypatch):
    """The development mailbox of the email plugin is this server."""
    monkeypatch.setenv("PANEL_MAILBOX_PORT", str(smtp_sink.port))
    with writing() as session:
        set_enabled(session, "email", True)
        manager.current().refresh_if_changed(session)
    return smtp_sink


def states(session) -> list[str]:
    session.rollback()
    return list(session.scalars(select(NoticeMail.state).order_by(NoticeMail.notice_id)))


def test_a_reminder_is_mailed_once_in_the_colleagues_language(sink, session, colleague, contact):
    dana = colleague("Dana Levi", handle="dana")
    session.get(User, dana).language = "he"
    create_task(session, NewTask(contact, "Call [[name]] <b>now</b>", who=Meant(dana), due_at=NOW))
    session.execute(Notice.__table__.delete())  # that the task is new was told before
    remind_due(session, NOW + timedelta(minutes=1))
    session.commit()
    assert send_due(NOW + timedelta(minutes=1)) == 1
    assert send_due(NOW + timedelta(minutes=2)) == 0
    [mail] = sink.accepted
    assert list(mail.to) == ["dana.levi@example.com"]
    message = mail.message
    assert "Call" in message["subject"]
    assert "תזכורת" in message["subject"]
    text = message.get_body(("plain",)).get_content()
    assert "Noa Bar" in text
    assert session.scalar(select(Contact.public_id).where(Contact.id == contact)) in text
    page = message.get_body(("html",)).get_content()
    assert "<b>now" not in page
    assert "data:" not in page or "pixel" not in page
    assert states(session) == ["sent"]
    assert session.scalar(select(func.count()).select_from(Message)) == 0


def test_who_asked_for_nothing_gets_nothing_and_the_rest_comes_together(sink, session, colleague, contact):
    dana, yossi = colleague("Dana Levi", handle="dana"), colleague("Yossi Katz", handle="yossi")
    session.get(User, dana).mailed, session.get(User, yossi).mailed = "notice mention", ""
    for text in ("one", "two"):
        for handle in ("dana", "yossi"):
            notify(session, handle, text, now=NOW)
    told = tell_mentioned(session, "@dana @yossi @gone a@b.com", contact_id=contact, event_id=1, by_id=yossi, now=NOW)
    assert [one.id for one in told.people] == [dana, yossi]
    assert told.absent == ("gone",)
    session.commit()
    send_due(NOW)
    [mail] = sink.accepted  # the mention went at once and took along what waited
    assert list(mail.to) == ["dana.levi@example.com"]
    assert all(word in mail.message.get_body(("plain",)).get_content() for word in ("one", "two", "mentions you"))
    assert set(states(session)) == {"sent"}


def test_a_refusal_is_tried_again_and_silence_after_the_body_never(sink, session, colleague, contact):
    dana = colleague("Dana Levi", handle="dana")
    tell_mentioned(session, "@dana", contact_id=contact, event_id=1, by_id=0, now=NOW)
    session.commit()
    sink.refuse("mail", "451 4.3.0 later", times=1)
    assert send_due(NOW) == 0
    assert states(session) == ["waiting"]
    assert session.scalars(select(Issue.code).where(Issue.state == "open")).all() == ["mail_to_colleagues"]
    assert send_due(NOW + timedelta(minutes=10)) == 1
    assert states(session) == ["sent"]
    tell_mentioned(session, "@dana", contact_id=contact, event_id=2, by_id=0, now=NOW)
    session.commit()
    sink.drop("body", times=1, accept=True)
    assert send_due(NOW + timedelta(minutes=11)) == 0
    assert send_due(clock.now() + timedelta(days=2)) == 0
    assert states(session) == ["sent", "unknown"]
    assert len(sink.accepted) == 2
    assert dana
