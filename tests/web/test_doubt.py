"""A message in doubt, and a run that stands still: a person decides on the lists."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.operations import create_contact
from panel.db import writing
from panel.issues.models import Issue
from panel.issues.operations import raise_issue
from panel.journeys import helping
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.sdk.context import NewContact
from panel.staff.models import AuditEntry


@pytest.fixture
def doubtful(app) -> int:
    """The id of a message that nobody knows the fate of."""
    now = clock.now()
    with writing() as session:
        contact = create_contact(session, NewContact(name="דנה", emails=("dana@example.com",)), how="manual")
        message = Message(
            dedupe_key="enrolment:1:0", our_message_id="1.0.aa", contact_id=contact, channel="email", status="unknown",
            reason="unknown", planned_at=now, not_before=now, wire_at=now, address="dana@example.com",
        )  # fmt: skip
        session.add(message)
        session.flush()
        return message.id


@pytest.mark.parametrize(("answer", "status"), [("arrived", "sent"), ("send_again", "queued"), ("skip", "skipped")])
def test_the_three_answers(logged_in, session: Session, doubtful: int, answer: str, status: str) -> None:
    person = logged_in("marketing")
    person.post("/admin/messages/action/", action=answer, rowid=doubtful, confirmed="1")
    assert session.get_one(Message, doubtful).status == status
    again = person.post("/admin/messages/action/", action="skip", rowid=doubtful, confirmed="1")
    assert again.status_code in (302, 303)
    session.expire_all()
    assert session.get_one(Message, doubtful).status == status, "the second decision finds nothing in doubt"


def test_support_may_look_but_not_decide(logged_in, session: Session, doubtful: int) -> None:
    person = logged_in("support")
    assert person.post("/admin/messages/action/", action="arrived", rowid=doubtful, confirmed="1").status_code == 403
    assert session.get_one(Message, doubtful).status == "unknown"


@pytest.mark.databases("sqlite")
def test_help_that_met_a_worker_on_its_way_is_given_anew_and_once(
    logged_in, session: Session, doubtful: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, settle, met = clock.now(), helping.settle_what_is_done, []
    with writing() as writer:
        issue = raise_issue(writer, "k", code="held_missing_template", sentence="x", params={})
        writer.add(
            Enrolment(
                journey_id="j", version_id=1, contact_id=1, entered_at=now, step_began_at=now, status="held",
                reason="held_missing_template", held_issue=issue.id, step_id="s",
            )
        )  # fmt: skip
        number = issue.id

    def meet(*arguments: Any) -> None:
        settle(*arguments)
        met.append(len(met))
        if len(met) == 1:
            raise OperationalError("UPDATE issues", {}, Exception("deadlock detected"))

    monkeypatch.setattr(helping, "settle_what_is_done", meet)
    answer = logged_in("owner").post("/admin/held/help", what="retry", issue=number, everybody="1")
    assert (answer.status_code, met) == (303, [0, 1])
    assert session.scalars(select(Enrolment.status)).all() == ["active"]
    assert session.get_one(Issue, number).state == "resolved"
    assert session.scalars(select(AuditEntry.action)).all().count("runs_retried") == 1


def test_trying_again_lets_the_runs_go_on_that_this_issue_holds(logged_in, session: Session, doubtful: int) -> None:
    now = clock.now()
    with writing() as writer:
        issue = raise_issue(writer, "k", code="held_missing_template", sentence="x", params={})
        writer.add(
            Enrolment(
                journey_id="j", version_id=1, contact_id=1, entered_at=now, step_began_at=now, status="held",
                reason="held_missing_template", held_issue=issue.id, step_id="s",
            )
        )  # fmt: skip
        number = issue.id
    logged_in("owner").post("/admin/issues/action/", action="retry", rowid=number, confirmed="1")
    [run] = session.query(Enrolment).all()
    assert (run.status, run.held_issue) == ("active", None)
    assert session.get_one(Issue, number).state == "resolved"


def test_trying_again_never_sends_what_is_in_doubt_and_its_issue_leads_to_the_decision(
    logged_in, session: Session, doubtful: int
) -> None:
    with writing() as writer:
        number = raise_issue(writer, "unknown:j:s", code="message_unknown", sentence="x", journey_id="j").id
    person = logged_in("owner")
    page = person.text("/admin/issues/")
    assert "/admin/messages/?status=unknown" in page
    assert "דנה" in person.text("/admin/messages/?status=unknown")
    person.post("/admin/issues/action/", action="retry", rowid=number, confirmed="1")
    assert session.get_one(Message, doubtful).status == "unknown"
    assert session.get_one(Issue, number).state == "open", "nobody has decided"


def test_trying_again_reaches_those_whom_the_watchdog_found_and_every_issue_leads_somewhere(
    logged_in, session: Session
) -> None:
    now = clock.now()
    with writing() as writer:
        number = raise_issue(writer, "watchdog_stranded", code="watchdog_stranded", sentence="x").id
        writer.add(
            Enrolment(
                journey_id="j", version_id=1, contact_id=1, entered_at=now, step_began_at=now, status="active",
                step_id="s",
            )
        )  # fmt: skip
        raise_issue(writer, "channel_missing:sms", code="held_plugin", sentence="x")
        raise_issue(writer, "held_calendar:j:x", code="held_calendar", sentence="x", journey_id="j")
        asks = raise_issue(writer, "e", code="experiment_asks", sentence="x", journey_id="j", step_id="s").id
        poison = raise_issue(writer, "poison:1", code="message_poison", sentence="x", journey_id="j").id
    person = logged_in("owner")
    page = person.text("/admin/issues/")
    for way in ("/admin/plugins/", "/admin/journeys/j", "/admin/experiments/j/s", f"/admin/held/?issue={poison}"):
        assert f'href="{way}"' in page, way
    person.post("/admin/issues/action/", action="retry", rowid=[number, asks], confirmed="1")
    assert session.get_one(Issue, asks).state == "open", "nobody has chosen"
    [run] = session.query(Enrolment).all()
    assert run.due_at is not None, "it looks again"


def test_helped_from_the_list_of_all_an_issue_with_nobody_behind_it_is_settled(logged_in, session: Session) -> None:
    now = clock.now()
    with writing() as writer:
        create_contact(writer, NewContact(name="דנה"), how="manual")
        issue = raise_issue(writer, "k", code="held_error", sentence="x", journey_id="j")
        writer.add(
            Enrolment(
                journey_id="j", version_id=1, contact_id=1, entered_at=now, step_began_at=now, status="held",
                reason="held_error", held_issue=issue.id, step_id="s",
            )
        )  # fmt: skip
        number = issue.id
    answer = logged_in("owner").post("/admin/held/help", everybody="1", what="retry")
    assert answer.status_code == 303
    assert session.get_one(Issue, number).state == "resolved"


def test_an_issue_shows_days_as_its_reader_writes_them_and_in_the_readers_direction(logged_in) -> None:
    with writing() as writer:
        raise_issue(
            writer, "r", code="held_error", sentence="%(journey)s: since %(point)s, by %(day)s", journey_id="j",
            params={"journey": "welcome", "point": "2026-11-23T00:59+00:00", "day": "2026-12-01"},
        )  # fmt: skip
    page = logged_in("owner").text("/admin/issues/")
    assert "by \u20681 December 2026\u2069" in page
    assert "T00:59+00:00" not in page
    assert "<bdi>\u2068welcome" not in page, "a sentence that begins with a name takes no direction from it"
