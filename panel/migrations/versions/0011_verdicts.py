"""Verdicts of opens and clicks: by which rules each was judged, so that better rules can judge it anew"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was stored before was judged by the first rules, and said nothing about a browser reading ahead.
    op.add_column("tracking_hits", sa.Column("rules", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("tracking_hits", sa.Column("is_prefetch", sa.Boolean(), server_default=sa.false(), nullable=False))
