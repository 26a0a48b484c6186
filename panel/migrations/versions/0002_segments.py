"""Segments, and whom a condition holds for"""

import sqlalchemy as sa
from alembic import op

import panel.db

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _moment() -> panel.db.UTCDateTime:
    return panel.db.UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "audiences",
        sa.Column("id", sa.String(length=140), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("condition", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("seen_event", BIG_ID, nullable=False),
        sa.Column("fresh", sa.Boolean(), nullable=False),
        sa.Column("check_at", _moment(), nullable=True),
        sa.Column("taken_at", _moment(), nullable=False),
        sa.Column("changed_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audiences")),
    )
    # Nothing was kept in it before this version.
    op.drop_table("audience_states")
    op.create_table(
        "audience_states",
        sa.Column("audience", sa.String(length=140), nullable=False),
        sa.Column("contact_id", BIG_ID, nullable=False),
        sa.Column("is_true", sa.Boolean(), nullable=False),
        sa.Column("since", _moment(), nullable=False),
        sa.Column("recheck_at", _moment(), nullable=True),
        sa.PrimaryKeyConstraint("audience", "contact_id", name=op.f("pk_audience_states")),
    )
    op.create_index("ix_audience_states_contact_id", "audience_states", ["contact_id"])
    op.create_index(
        "ix_audience_states_recheck",
        "audience_states",
        ["recheck_at"],
        sqlite_where=sa.text("recheck_at IS NOT NULL"),
        postgresql_where=sa.text("recheck_at IS NOT NULL"),
    )
    op.create_table(
        "waiting_entries",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("journey_id", sa.String(length=80), nullable=False),
        sa.Column("contact_id", BIG_ID, nullable=False),
        sa.Column("entry_key", sa.String(length=200), nullable=False),
        sa.Column("start", sa.JSON(), nullable=False),
        sa.Column("waits_since", _moment(), nullable=False),
        sa.Column("due_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_entries")),
        sa.UniqueConstraint(
            "journey_id", "contact_id", "entry_key", name=op.f("uq_waiting_entries_journey_id_contact_id_entry_key")
        ),
    )
    op.create_index("ix_waiting_entries_due_at", "waiting_entries", ["due_at"])
    op.create_index("ix_waiting_entries_contact_id", "waiting_entries", ["contact_id"])
    op.create_table(
        "segments",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("source_yaml", sa.Text(), nullable=False),
        sa.Column("resolved", sa.JSON(), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.Column("updated_by", BIG_ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
        sa.UniqueConstraint("name", name=op.f("uq_segments_name")),
    )
