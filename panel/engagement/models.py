"""What a colleague settled about a contact: the channel to use, whatever the numbers say."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId


class ChannelPin(Base):
    """“She asked for SMS”: a channel that wins over the estimate as long as `ended_at` is empty.

    Ended ones are kept, so that taking one off can be undone and the history stays whole.
    """

    __tablename__ = "channel_pins"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigId, ForeignKey("contacts.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="")
    user_id: Mapped[int | None] = mapped_column(BigId)
    pinned_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_channel_pins_contact_id_in_force",
            "contact_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_channel_pins_contact_id", "contact_id"),
    )
