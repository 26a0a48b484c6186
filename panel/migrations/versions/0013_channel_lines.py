"""A channel that keeps to so many messages a second has one row: from when on its next message may go"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "channel_lines",
        sa.Column("channel", sa.String(60), nullable=False),
        sa.Column("free_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_channel_lines"),
    )
