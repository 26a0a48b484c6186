"""What is to be done, by whom, until when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId

_OPEN = text("state = 'open'")
_TO_REMIND = text("state = 'open' AND reminded_at IS NULL")
_OF_A_RUN = text("enrolment_id IS NOT NULL")


class Task(Base):
    """One thing to do about one contact.

    It belongs to a colleague (`assignee_id`) or to everybody in a role (`assignee_role`), never to nobody: a name that
    nobody here has goes to the owners, and `asked_for` keeps it. `remind_at` is the next reminder that is still to be
    given. `is_awaited`: the run of `enrolment_id` stands until the task is closed. `dedupe_key` (enrolment:visit) makes
    a repeat of the same intention a no-op.
    """

    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(Text, default="")
    assignee_id: Mapped[int | None] = mapped_column(BigId, ForeignKey("users.id", ondelete="SET NULL"))
    assignee_role: Mapped[str | None] = mapped_column(String(40))
    asked_for: Mapped[str] = mapped_column(String(200), default="")
    due_at: Mapped[datetime | None]
    remind_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(10), default="open")  # open | done | cancelled
    outcome: Mapped[str] = mapped_column(Text, default="")  # how it went, or why it was taken back
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(BigId)
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[int | None] = mapped_column(BigId)
    enrolment_id: Mapped[int | None] = mapped_column(BigId)
    journey_id: Mapped[str | None] = mapped_column(String(80))
    step_id: Mapped[str | None] = mapped_column(String(120))
    is_awaited: Mapped[bool] = mapped_column(default=False)
    dedupe_key: Mapped[str | None] = mapped_column(String(120), unique=True)

    __table_args__ = (
        Index("ix_tasks_contact_id", "contact_id", "state"),
        Index("ix_tasks_open", "assignee_id", "due_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_tasks_closed_at", "closed_at"),
        Index("ix_tasks_to_remind", "remind_at", sqlite_where=_TO_REMIND, postgresql_where=_TO_REMIND),
        Index("ix_tasks_enrolment_id", "enrolment_id", sqlite_where=_OF_A_RUN, postgresql_where=_OF_A_RUN),
    )


class Presence(Base):
    """A colleague has a contact's page open: `seen_at` is the last sign of it, a few seconds apart while they look."""

    __tablename__ = "presences"

    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    seen_at: Mapped[datetime]
    is_writing: Mapped[bool] = mapped_column(default=False)


class CalendarFeed(Base):
    """The secret address under which a colleague's calendar program reads their tasks. Only its hash is kept."""

    __tablename__ = "calendar_feeds"

    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
