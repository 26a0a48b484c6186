"""Words for searching contacts, mentions, mails to colleagues, who is looking, calendar feeds"""

import sqlalchemy as sa
from alembic import op
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

import panel.db

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = panel.db.UTCDateTime(timezone=True)

# Blanks and punctuation as characters: what PostgreSQL holds for a letter depends on the database's locale.
SPLIT = r"""[\s!-/:-@\[-`{-~·–—…،؛؟«»“”„]+"""
ON_SQLITE = (
    "CREATE VIRTUAL TABLE contact_words USING fts5(search_text, content='contacts', content_rowid='id',"
    " tokenize='unicode61 remove_diacritics 0', prefix='2 3 4')",
    "CREATE TRIGGER contact_words_new AFTER INSERT ON contacts BEGIN"
    " INSERT INTO contact_words(rowid, search_text) VALUES (new.id, new.search_text); END",
    "CREATE TRIGGER contact_words_gone AFTER DELETE ON contacts BEGIN"
    " INSERT INTO contact_words(contact_words, rowid, search_text) VALUES ('delete', old.id, old.search_text); END",
    "CREATE TRIGGER contact_words_changed AFTER UPDATE OF search_text ON contacts"
    " WHEN old.search_text IS NOT new.search_text BEGIN"
    " INSERT INTO contact_words(contact_words, rowid, search_text) VALUES ('delete', old.id, old.search_text);"
    " INSERT INTO contact_words(rowid, search_text) VALUES (new.id, new.search_text); END",
    "INSERT INTO contact_words(contact_words) VALUES ('rebuild')",
)
ON_POSTGRESQL = (
    "CREATE TABLE contact_words (contact_id BIGINT PRIMARY KEY REFERENCES contacts (id) ON DELETE CASCADE,"
    " words TSVECTOR NOT NULL)",
    "CREATE FUNCTION contact_words_of(said TEXT) RETURNS TSVECTOR LANGUAGE sql IMMUTABLE PARALLEL SAFE AS"
    f" $$ SELECT array_to_tsvector(array_remove(regexp_split_to_array(said, '{SPLIT}'), '')) $$",
    "CREATE FUNCTION contact_words_kept() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO contact_words (contact_id, words) VALUES (NEW.id, contact_words_of(NEW.search_text))"
    " ON CONFLICT (contact_id) DO UPDATE SET words = EXCLUDED.words; RETURN NULL; END $$",
    "CREATE TRIGGER contact_words_new AFTER INSERT ON contacts FOR EACH ROW EXECUTE FUNCTION contact_words_kept()",
    "CREATE TRIGGER contact_words_changed AFTER UPDATE OF search_text ON contacts FOR EACH ROW"
    " WHEN (OLD.search_text IS DISTINCT FROM NEW.search_text) EXECUTE FUNCTION contact_words_kept()",
    "INSERT INTO contact_words SELECT id, contact_words_of(search_text) FROM contacts",
    "CREATE INDEX ix_contact_words_words ON contact_words USING gin (words)",
)


def upgrade() -> None:
    connection = op.get_bind()
    _numbers_in_each_form(connection)
    for statement in ON_POSTGRESQL if connection.dialect.name == "postgresql" else ON_SQLITE:
        connection.exec_driver_sql(statement)
    op.add_column("users", sa.Column("mailed", sa.String(length=200), nullable=False, server_default="default"))
    op.create_table(
        "notice_mails",
        sa.Column("notice_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("claimed_at", MOMENT, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name=op.f("fk_notice_mails_notice_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notice_mails_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notice_mails")),
    )
    is_open = sa.text("state IN ('waiting', 'claimed')")
    op.create_index("ix_notice_mails_open", "notice_mails", ["due_at"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_index("ix_notice_mails_user_id", "notice_mails", ["user_id", "claimed_at"])
    op.create_table(
        "presences",
        sa.Column("contact_id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("is_writing", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_presences_contact_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_presences_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("contact_id", "user_id", name=op.f("pk_presences")),
    )
    op.create_table(
        "calendar_feeds",
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("read_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_calendar_feeds_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_calendar_feeds")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_calendar_feeds_token_sha256")),
    )


def _numbers_in_each_form(connection: sa.Connection) -> None:
    """Contacts stored before now get their telephone numbers as they are typed, and backwards."""
    after = 0
    rows_after = sa.text(
        "SELECT a.id, a.contact_id, a.value FROM contact_addresses a"
        " WHERE a.kind = 'phone' AND a.id > :after ORDER BY a.id LIMIT 5000"
    )
    write = sa.text(
        "UPDATE contacts SET search_text = search_text || :forms"
        " WHERE id = :id AND erased_at IS NULL AND length(search_text) < 3900"
    )
    while rows := connection.execute(rows_after, {"after": after}).all():
        numbers = [(row.contact_id, row.value.removeprefix("+")) for row in rows]
        forms = [
            {"id": id_, "forms": f" {_national(number)} z{number[::-1]}"} for id_, number in numbers if number.isdigit()
        ]
        if forms:
            connection.execute(write, forms)
        after = rows[-1].id


def _national(number: str) -> str:
    """As the search writes it; a migration keeps what it does to itself."""
    return next((number[n:] for n in (1, 2, 3) if int(number[:n]) in COUNTRY_CODE_TO_REGION_CODE), number)
