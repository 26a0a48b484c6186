"""A message without a run, or without a number at its provider, stands in no index of runs or numbers"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Each message is written four times on its way, on PostgreSQL with all of its indexes each time.
    for column in ("enrolment_id", "provider_message_id"):
        name, known = f"ix_messages_{column}", sa.text(f"{column} IS NOT NULL")
        op.drop_index(name, table_name="messages")
        op.create_index(name, "messages", [column], sqlite_where=known, postgresql_where=known)
