"""The whole way of a mail, with everything real: queued, delivered by SMTP to the development mailbox, read there in a
browser, its pixel loaded and its link clicked, and all of it back on the timeline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from panel.consent.operations import opt_in
from panel.consent.queries import state_many
from panel.db import db, reading, writing
from panel.journeys.engine.deliver import deliver
from panel.messages.models import Message
from panel.messages.templates import Form, save_template
from panel.plugin_manager import manager
from panel.timeline.models import Event
from tests.fixtures.processes import wait_until
from tests.messages.conftest import make_contact, make_message  # noqa: F401
from tests.tracking.test_rules import CHROME

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


@pytest.fixture
def mailbox(app, monkeypatch) -> Iterator[None]:
    """The development mailbox as the supervisor starts it, on a free port."""
    service = manager.current().services()["email.mailbox"]
    arguments = [*service.args]
    arguments[arguments.index("--port") + 1] = "0"
    with subprocess.Popen(
        [sys.executable, "-m", service.module, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    ) as process:
        assert process.stdout is not None
        monkeypatch.setenv("PANEL_MAILBOX_PORT", process.stdout.readline().strip().rpartition(":")[2])
        yield
        process.send_signal(signal.SIGTERM)


def kinds(contact_id: int) -> list[str]:
    with reading() as session:
        query = select(Event.kind, Event.data).where(Event.contact_id == contact_id).order_by(Event.id)
        return [
            kind + ("" if "verdict" not in data else f":{data['verdict']}") for kind, data in session.execute(query)
        ]


def test_a_mail_is_sent_read_clicked_and_unsubscribed_from(
    live_server,
    mailbox,
    browse,
    session,
    now,
    make_contact,  # noqa: F811
    make_message,  # noqa: F811
):
    contact = make_contact("דנה", "לוי", language="he", emails=["dana@example.org"])
    opt_in(session, contact, "email", how="form", now=now)
    html = f'<p>שלום [[שם פרטי]]</p><p><a href="{live_server}/livez">לחנות</a></p>'
    version = save_template(session, "news", [Form("email", "he", "שלום [[שם פרטי]]", html)], now=now)
    make_message(contact, version.current_version_id, status="queued", purpose="marketing")
    session.commit()

    assert deliver("email") == 1
    assert "message_sent" in kinds(contact)
    with writing() as other:  # an hour goes by: nobody reads a mail within two seconds
        other.execute(update(Message).values(sent_at=now - timedelta(hours=1), wire_at=now - timedelta(hours=1)))

    page = browse("/plugins/email/mailbox", language="he")
    page.context.set_extra_http_headers({"User-Agent": CHROME})
    page.get_by_role("link", name="שלום דנה").click()
    frame = page.frame_locator("iframe.mail-frame")
    frame.get_by_text("שלום דנה").wait_for()
    wait_until(lambda: "message_opened:human" in kinds(contact))

    with page.context.expect_page() as opened:
        frame.get_by_role("link", name="לחנות").click()
    opened.value.wait_for_url("**/livez")
    assert kinds(contact).count("link_clicked:human") == 1
    with reading() as other:
        message = other.scalars(select(Message)).one()
        assert message.first_opened_at is not None
        assert message.first_clicked_at is not None

    with page.context.expect_page() as opened:
        frame.get_by_role("link", name="הסרה מרשימת התפוצה").click()
    opened.value.get_by_role("button", name="הסרה").first.click()
    opened.value.get_by_role("status").wait_for()
    db.session.rollback()
    assert state_many(db.session(), [contact], "email") == {contact: "opted_out"}
    assert "unsubscribed" in kinds(contact)


def test_a_server_that_is_not_there_leaves_the_mail_waiting_with_a_sentence(
    app,
    session,
    now,
    monkeypatch,
    make_contact,  # noqa: F811
    make_message,  # noqa: F811
):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PANEL_MAILBOX_PORT", str(free.getsockname()[1]))
    message = make_message(make_contact(), None, status="queued", inline={"text": "שלום"})
    session.commit()
    deliver("email")
    session.expire_all()
    session.rollback()
    row = session.get(Message, message.id)
    assert row.status == "queued"
    from panel.issues.models import Issue

    issue = session.scalars(select(Issue)).one()
    assert "nothing listens there" in str(issue.params)
