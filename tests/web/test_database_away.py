"""A database that does not answer: a page in words, at once, in the reader's language."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from panel.db import db

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize(("language", "says"), [("fa", "پایگاه داده پاسخ نمی‌دهد"), ("he", "מסד הנתונים אינו עונה")])
def test_a_locked_database_is_told_in_words_without_asking_it_again(logged_in, app, monkeypatch, language, says):
    person = logged_in("marketing")
    monkeypatch.setitem(app.config, "SHOW_ERROR_PAGES", True)
    token = person.token("/admin/issues/")
    waits = []

    @event.listens_for(db.engine, "connect")
    def impatient(connection, _record):
        connection.execute("PRAGMA busy_timeout=10")

    @event.listens_for(db.engine, "begin", insert=True)
    def count(connection):
        waits.append(connection)

    db.session.remove()
    db.engine.dispose()
    other = sqlite3.connect(db.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        headers = {"Accept-Language": language}
        answer = person.client.post(
            "/admin/issues/action/", data={"action": "settle", "csrf_token": token}, headers=headers
        )
        script = person.client.post(
            "/admin/issues/action/", headers=headers | {"Accept": "application/json", "X-CSRFToken": token}
        )
    finally:
        other.execute("ROLLBACK")
        other.close()
    page = answer.get_data(as_text=True)
    assert answer.status_code == 503, page
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert says in page
    assert 'dir="rtl"' in page
    assert "Traceback" not in page
    assert script.get_json()["error"]["code"] == "database_away"
    assert not waits, "whoever was refused is not looked up again"
    assert person.client.get("/admin/issues/").status_code == 200


def test_a_form_that_is_sent_while_the_database_is_gone_is_answered_in_words(logged_in, app, monkeypatch):
    person = logged_in("marketing")
    monkeypatch.setitem(app.config, "SHOW_ERROR_PAGES", True)
    token = person.token("/admin/issues/")
    db.session.remove()

    def gone():
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("connection refused"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db.engine, "raw_connection", gone)
        answer = person.client.post(
            "/admin/lists/new/", data={"name": "x", "csrf_token": token}, headers={"Accept-Language": "he"}
        )
    assert (answer.status_code, "מסד הנתונים אינו עונה" in answer.text) == (503, True)
