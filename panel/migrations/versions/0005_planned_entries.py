"""Dates and schedules; messages by address"""

import sqlalchemy as sa
from alembic import op

import panel.db

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "entry_plans",
        sa.Column("journey_id", sa.String(length=80), nullable=False),
        sa.Column("rule", sa.String(length=140), nullable=False),
        sa.Column("version_id", BIG_ID, nullable=False),
        sa.Column("looked_at", panel.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("full_at", panel.db.UTCDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("journey_id", "rule", name=op.f("pk_entry_plans")),
    )
    # Nothing was planned before this version, and its key gets another meaning: a rule keeps its name when the triggers
    # of a journey change places.
    op.drop_table("planned_entries")
    op.create_table(
        "planned_entries",
        sa.Column("journey_id", sa.String(length=80), nullable=False),
        sa.Column("rule", sa.String(length=140), nullable=False),
        sa.Column("contact_id", BIG_ID, nullable=False),
        sa.Column("occurrence", sa.Date(), nullable=False),
        sa.Column("due_at", panel.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("done_at", panel.db.UTCDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("journey_id", "rule", "contact_id", "occurrence", name=op.f("pk_planned_entries")),
    )
    op.create_index(
        "ix_planned_entries_due",
        "planned_entries",
        ["due_at"],
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
