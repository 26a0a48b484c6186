"""Which mailbox a message went to, where its address is another spelling of it: limits count by it"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was sent before keeps none: limits look back over a day or a week, and this table may have millions of rows.
    op.add_column("messages", sa.Column("mailbox", sa.String(320), nullable=True))
    known = sa.text("mailbox IS NOT NULL")
    op.create_index(
        "ix_messages_mailbox_wire_at", "messages", ["mailbox", "wire_at"], sqlite_where=known, postgresql_where=known
    )
