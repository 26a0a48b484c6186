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
from panel.staff.notices import mark_read, notify
from panel.staff.people import Meant
from panel.tasks.mailing import GoneError, _Journal, send_due, take
from panel.tasks.operations import NewTask, assign, complete, create_task, snooze
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
    assert send_due(NOW + timedelta(minutes=25)) == 0
    assert send_due(clock.now() + timedelta(days=2)) == 0
    assert states(session) == ["sent", "unknown"]
    assert len(sink.accepted) == 2
    assert dana


def told(session, handle: str, text: str, now, key: str | None = None) -> None:
    tell_mentioned(session, f"@{handle} {text}", contact_id=session.scalar(select(Contact.id)), by_id=0, now=now)
    session.commit()


def texts(sink) -> list[str]:
    return [one.message.get_body(("plain",)).get_content() for one in sink.accepted]


def test_never_two_mails_in_a_quarter_of_an_hour_and_the_next_one_gathers_the_rest(sink, session, colleague, contact):
    colleague("Dana Levi", handle="dana")
    colleague("Yossi Katz", handle="yossi")
    went: list[tuple[int, int]] = []
    for minute in range(61):
        now = NOW + timedelta(minutes=minute)
        told(session, "dana", f"number-{minute};", now)
        if minute == 7:
            told(session, "yossi", "yours", now)
        if sent := send_due(now):
            went.append((minute, sent))
    assert went == [(0, 1), (7, 1), (15, 1), (30, 1), (45, 1), (60, 1)]
    hers = [text for text in texts(sink) if "yours" not in text]
    assert [text.count("number-") for text in hers] == [1, 15, 15, 15, 15]
    assert all(any(f"number-{minute};" in text for text in hers) for minute in range(61))


def test_what_was_seen_or_settled_in_the_panel_meanwhile_is_not_mailed(sink, session, colleague, contact):
    dana, yossi = colleague("Dana Levi", handle="dana"), colleague("Yossi Katz", handle="yossi")
    told(session, "dana", "the first", NOW)
    assert send_due(NOW) == 1
    told(session, "dana", "read-since", NOW)
    mark_read(session, dana, now=NOW)
    titles = ("done-since", "put-off-since", "handed-over-since", "still-open")
    ids = [create_task(session, NewTask(contact, title, who=Meant(dana), due_at=NOW), now=NOW) for title in titles]
    remind_due(session, NOW + timedelta(minutes=1))
    later = NOW + timedelta(minutes=5)
    complete(session, ids[:1], now=later)
    snooze(session, ids[1:2], NOW + timedelta(days=1), now=later)
    assign(session, ids[2:3], Meant(yossi), now=later)
    session.commit()
    assert send_due(NOW + timedelta(minutes=15)) == 1
    text = texts(sink)[1]
    assert text.count("still-open") == 2  # that it is new, and that it is time
    assert text.count("put-off-since") == 1  # that it is new
    for gone in ("read-since", "done-since", "handed-over-since"):
        assert gone not in text
    session.rollback()
    told(session, "dana", "read-before-any-mail", later)
    mark_read(session, dana, now=later)
    session.commit()
    before = len(sink.accepted)
    send_due(NOW + timedelta(hours=1))
    assert not any("read-before-any-mail" in one for one in texts(sink)[before:])
    assert set(states(session)) == {"sent", "seen"}


def test_a_worker_that_dies_before_the_text_leaves_loses_nothing(sink, session, colleague, contact):
    dana = colleague("Dana Levi", handle="dana")
    told(session, "dana", "one;", NOW)
    with writing() as own:
        letter = take(own, dana, NOW)
    assert letter is not None  # and here the worker dies
    told(session, "dana", "two;", NOW + timedelta(minutes=1))
    for minute in (1, 14):
        assert send_due(NOW + timedelta(minutes=minute)) == 0
    assert send_due(NOW + timedelta(minutes=15)) == 1
    [text] = texts(sink)
    assert "one;" in text
    assert "two;" in text
    # It was not dead, only slow: it finds its letter gone and sends nothing.
    with pytest.raises(GoneError):
        _Journal(letter).begin(None)
    assert len(sink.accepted) == 1
    assert states(session) == ["sent", "sent"]


def test_two_workers_at_once_send_one_mail(sink, session, colleague, contact):
    dana = colleague("Dana Levi", handle="dana")
    told(session, "dana", "one;", NOW)
    with writing() as first:
        assert take(first, dana, NOW) is not None
        if first.get_bind().dialect.name == "postgresql":
            with writing() as second:
                assert take(second, dana, NOW) is None
    with writing() as second:
        assert take(second, dana, NOW + timedelta(minutes=1)) is None
