"""Merges that can be undone, contacts at rest, notes that are corrected, taken back and pinned"""

import sqlalchemy as sa
from alembic import op

import panel.db

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = panel.db.UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "rests",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("contact_id", BIG_ID, nullable=False),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_rests_contact_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rests")),
    )
    op.create_index("ix_rests_contact_id", "rests", ["contact_id"])
    in_force = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_rests_open", "rests", ["contact_id"], unique=True, sqlite_where=in_force, postgresql_where=in_force
    )
