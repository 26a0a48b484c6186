"""What a contact's history says: the channel a colleague pinned"""

import sqlalchemy as sa
from alembic import op

import panel.db

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = panel.db.UTCDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "channel_pins",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("contact_id", BIG_ID, nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("user_id", BIG_ID, nullable=True),
        sa.Column("pinned_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_channel_pins_contact_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_pins")),
    )
    in_force = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_channel_pins_contact_id_in_force",
        "channel_pins",
        ["contact_id"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )
    op.create_index("ix_channel_pins_contact_id", "channel_pins", ["contact_id"])
