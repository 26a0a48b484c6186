"""Experiments"""

import sqlalchemy as sa
from alembic import op

import panel.db

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("journey_id", sa.String(length=80), nullable=False),
        sa.Column("split_id", sa.String(length=120), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("version_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", panel.db.UTCDateTime(timezone=True), nullable=False),
        sa.Column("started_at", panel.db.UTCDateTime(timezone=True), nullable=True),
        sa.Column("counted_at", panel.db.UTCDateTime(timezone=True), nullable=True),
        sa.Column("looked_at", panel.db.UTCDateTime(timezone=True), nullable=True),
        sa.Column("decided_at", panel.db.UTCDateTime(timezone=True), nullable=True),
        sa.Column("decided_by", BIG_ID, nullable=True),
        sa.Column("winner", sa.String(length=120), nullable=True),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
        sa.UniqueConstraint("journey_id", "split_id", "round", name=op.f("uq_experiments_journey_id_split_id_round")),
    )
    with op.batch_alter_table("experiments", schema=None) as batch_op:
        batch_op.create_index("ix_experiments_state", ["state"], unique=False)
