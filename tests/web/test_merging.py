"""Merging from a contact's page: who may, what is not for their eyes, and a worker at the same run meanwhile."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts import operations
from panel.contacts.models import Contact, ContactMerge, FieldValue
from panel.db import db, writing
from panel.journeys import merging
from panel.journeys.models import Enrolment
from panel.sdk.context import NewContact
from panel.staff.models import AuditEntry
from tests.web.story import make_story


@pytest.fixture
def two(app) -> tuple[dict[int, str], int, int]:
    """Public ids by id, the card that is kept, and the other one, which has a run."""
    with writing() as session:
        operations.create_field(session, "balance", "money", labels={"en": "Balance"})
        merged = make_story(session, clock.now(), "en")
        kept = operations.create_contact(session, NewContact(name="Emma Wilson"), how="manual")
        operations.set_field(session, kept, "balance", "7319046")
        operations.set_field(session, merged, "balance", "8264175")
        return dict(session.execute(select(Contact.id, Contact.public_id)).all()), kept, merged  # type: ignore[arg-type]


def url_of(two: Any) -> str:
    ids, kept, merged = two
    return f"/admin/merge/{ids[kept]}/with/{ids[merged]}"


@pytest.mark.databases("sqlite")
def test_support_meets_duplicates_first_and_may_merge_them_without_choosing_amounts(stored, logged_in, two):
    person, url = logged_in("support"), url_of(two)
    card = f"/admin/contact/{two[0][two[1]]}"
    assert f"/admin/merge/{two[0][two[1]]}" in person.text(card)
    page = person.text(url)
    assert "take-balance" not in page
    assert "•••" in page
    person.post(url, page=url, **{"take-balance": "other"})
    assert stored.scalars(select(ContactMerge.undone_at)).all() == [None]
    assert stored.scalar(select(FieldValue.text).where(FieldValue.contact_id == two[1])) == "7319046"
    assert "merge/undo/" in person.text(card)
    person.post(f"/admin/merge/undo/{stored.scalar(select(ContactMerge.id))}", page=card, confirmed="1")
    stored.rollback()
    assert stored.scalars(select(ContactMerge.undone_at)).one() is not None
    assert "Merge with another card" not in logged_in("viewer").text(card)


@pytest.mark.databases("postgresql")
@pytest.mark.parametrize("what", ["merge", "undo"])
def test_a_worker_that_waits_for_the_same_rows_makes_it_begin_again(app, stored, logged_in, two, what, caplog):
    """The worker has the run and wants the contacts, the merge has the contacts and wants the run: PostgreSQL ends one
    of them, and the operation, not the person, tries again."""
    person, url, (_, kept, merged) = logged_in("owner"), url_of(two), two
    data, run = {}, stored.scalar(text("select id from enrolments"))
    if what == "undo":
        person.post(url, page=url)
        stored.rollback()
        url, data = f"/admin/merge/undo/{stored.scalar(select(ContactMerge.id))}", {"confirmed": "1"}
    token = person.token("/admin/")
    has_run, failures = threading.Event(), []

    def worker() -> None:
        try:
            with app.app_context(), Session(db.engine) as session, session.begin():
                session.execute(text("set local deadlock_timeout = '60s'"))  # it is the other one that is ended
                session.execute(text("select id from enrolments where id = :id for update"), {"id": run})
                has_run.set()
                waits = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
                with db.engine.connect() as looking:
                    while not looking.execute(waits).scalar():
                        looking.rollback()
                both = text("select id from contacts where id in (:a, :b) order by id for no key update")
                session.execute(both, {"a": kept, "b": merged})
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=worker)
    thread.start()
    assert has_run.wait(30)
    stored.rollback()
    with caplog.at_level("INFO", logger="panel.journeys.engine.turns"):
        answer = person.client.post(url, data={"csrf_token": token, **data})
    thread.join(60)
    assert failures == []
    assert "deadlock detected" in caplog.text
    assert answer.status_code == 303, answer.text
    stored.rollback()
    found = stored.scalars(select(ContactMerge)).one()
    assert (found.undone_at is not None) is (what == "undo")
    action = "contacts_parted" if what == "undo" else "contacts_merged"
    assert len(stored.scalars(select(AuditEntry).where(AuditEntry.action == action)).all()) == 1


@pytest.mark.databases("postgresql")
def test_a_card_that_enters_the_same_journey_in_this_moment_is_merged_all_the_same(
    app, stored, logged_in, two, monkeypatch
):
    person, url, (_, kept, _) = logged_in("owner"), url_of(two), two
    page, read, seen = person.text(url), merging.runs_of, []

    def enters_meanwhile(session: Session, contact_ids: Any, **more: Any) -> Any:
        rows = read(session, contact_ids, **more)
        if more.get("lock") and not seen:
            with Session(db.engine) as worker, worker.begin():
                run = dict(worker.execute(select(Enrolment.__table__)).mappings().one())
                worker.execute(insert(Enrolment).values(run | {"id": run["id"] + 1000, "contact_id": kept}))
        seen.append(len(rows))
        return rows

    monkeypatch.setattr(merging, "runs_of", enters_meanwhile)
    assert person.post(url, page=page).status_code == 303
    assert seen[0] == 1
    assert seen[-1] > 1
    assert stored.scalars(select(Enrolment.contact_id)).all() == [kept, kept]
    assert sorted(stored.scalars(select(Enrolment.run_no))) == [1, 2]
