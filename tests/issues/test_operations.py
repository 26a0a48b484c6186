"""An issue is said once and counted; it never becomes the trouble itself."""

from __future__ import annotations

import threading

from sqlalchemy import select

from panel.db import writing
from panel.issues.models import Issue
from panel.issues.operations import raise_issue, resolve_issue


def raise_it(session, **changes):
    values = {"code": "c", "sentence": "Nothing matches %(n)s", "params": {"n": 1}}
    return raise_issue(session, "k", **(values | changes))


def test_the_same_again_counts_up_and_says_the_latest(session):
    first = raise_it(session)
    again = raise_it(session, params={"n": 2}, severity="warning")
    assert again is first
    assert (again.count, again.params, again.severity, again.state) == (2, {"n": 2}, "warning", "open")
    assert again.first_seen <= again.last_seen


def test_a_settled_issue_opens_again_and_an_ignored_one_does_not(session):
    issue = raise_it(session)
    resolve_issue(session, "k")
    assert issue.state == "resolved"
    assert raise_it(session).state == "open"
    issue.state = "ignored"
    session.flush()
    assert raise_it(session).state == "ignored"
    resolve_issue(session, "nothing")


def test_many_who_meet_the_same_trouble_at_once_all_succeed(app, session):
    start = threading.Barrier(6)
    failed = []

    def meet():
        with app.app_context():
            try:
                start.wait(10)
                with writing() as own:
                    raise_it(own)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=meet) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert session.scalars(select(Issue.count)).all() == [6]
