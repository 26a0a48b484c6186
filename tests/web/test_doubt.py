"""A message in doubt, and a run that stands still: a person decides on the lists."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.operations import create_contact
from panel.db import writing
from panel.issues.models import Issue
from panel.issues.operations import raise_issue
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.sdk.context import NewContact


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
