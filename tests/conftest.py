"""The fixtures live in `tests/fixtures/`, loaded for `tests/` and `plugins/*/tests/` alike (`-p tests.fixtures`).

database_url   the address of a fresh, migrated database; each test that uses it runs twice: SQLite and PostgreSQL.
               `@pytest.mark.databases("sqlite")` keeps a test to one, where the database is not what it is about.
app            the application on that database, its instance folder under tmp_path, an app context pushed.
make_app       build more of them: `make_app(PANEL_WORKERS="1")`; takes the environment variables of `panel.config`.
session        a plain SQLAlchemy session on that database. Commit before another session or the client must see it:
               SQLite has one writer, and an uncommitted write would make the client wait for ever.
client         Flask's test client. Each request gets a context of its own, as in production.
redis_url      a real Valkey on a private unix socket, emptied before each test.
smtp_sink      a real SMTP server that logs all it accepts, and can be told to misbehave (`tests/fixtures/smtp.py`).
live_server    the application behind waitress in a thread; gives its base address.
page           a page of a real Chromium. A script error or a CSP violation on it fails the test.
"""
