"""Restored backups and spread sending: what stands still is found without looking at everybody"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, column, condition in (
        ("ix_enrolments_standing", "id", "status = 'active' AND due_at IS NULL"),
        ("ix_enrolments_held", "held_issue", "status = 'held'"),
    ):
        op.create_index(
            name, "enrolments", [column], sqlite_where=sa.text(condition), postgresql_where=sa.text(condition)
        )
