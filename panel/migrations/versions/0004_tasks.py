"""Tasks, notices for colleagues, scores"""

import sqlalchemy as sa
from alembic import op

import panel.db

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = panel.db.UTCDateTime(timezone=True)


def upgrade() -> None:
    op.add_column("contacts", sa.Column("score", sa.BigInteger(), server_default="0", nullable=False))
    op.create_table(
        "notices",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("contact_id", BIG_ID, nullable=True),
        sa.Column("enrolment_id", BIG_ID, nullable=True),
        sa.Column("task_id", BIG_ID, nullable=True),
        sa.Column("read_at", MOMENT, nullable=True),
        sa.Column("dedupe_key", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notices_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notices_dedupe_key")),
    )
    op.create_index("ix_notices_user_id", "notices", ["user_id", "id"])
    op.create_index("ix_notices_contact_id", "notices", ["contact_id"])
    unread = sa.text("read_at IS NULL")
    op.create_index("ix_notices_unread", "notices", ["user_id"], sqlite_where=unread, postgresql_where=unread)
    op.create_table(
        "tasks",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("contact_id", BIG_ID, nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("assignee_id", BIG_ID, nullable=True),
        sa.Column("assignee_role", sa.String(length=40), nullable=True),
        sa.Column("asked_for", sa.String(length=200), nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("remind_at", MOMENT, nullable=True),
        sa.Column("reminded_at", MOMENT, nullable=True),
        sa.Column("snoozed_until", MOMENT, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", BIG_ID, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("closed_by", BIG_ID, nullable=True),
        sa.Column("enrolment_id", BIG_ID, nullable=True),
        sa.Column("journey_id", sa.String(length=80), nullable=True),
        sa.Column("step_id", sa.String(length=120), nullable=True),
        sa.Column("is_awaited", sa.Boolean(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=120), nullable=True),
        sa.ForeignKeyConstraint(["assignee_id"], ["users.id"], name=op.f("fk_tasks_assignee_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_tasks_contact_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_tasks_dedupe_key")),
    )
    open_, of_a_run = sa.text("state = 'open'"), sa.text("enrolment_id IS NOT NULL")
    to_remind = sa.text("state = 'open' AND reminded_at IS NULL")
    op.create_index("ix_tasks_contact_id", "tasks", ["contact_id", "state"])
    op.create_index("ix_tasks_closed_at", "tasks", ["closed_at"])
    op.create_index("ix_tasks_open", "tasks", ["assignee_id", "due_at"], sqlite_where=open_, postgresql_where=open_)
    op.create_index("ix_tasks_to_remind", "tasks", ["remind_at"], sqlite_where=to_remind, postgresql_where=to_remind)
    op.create_index(
        "ix_tasks_enrolment_id", "tasks", ["enrolment_id"], sqlite_where=of_a_run, postgresql_where=of_a_run
    )
