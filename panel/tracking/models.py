"""Raw hits on pixels and links. Kept as they came; the human/machine verdict is a separate, revisable column."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, SmallInteger, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from panel.db import Base, BigId
from panel.tracking.rules import RULES


class TrackingHit(Base):
    __tablename__ = "tracking_hits"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    message_id: Mapped[int] = mapped_column(BigId)
    contact_id: Mapped[int] = mapped_column(BigId)
    kind: Mapped[str] = mapped_column(String(10))  # open | click
    link: Mapped[int | None]
    at: Mapped[datetime]
    method: Mapped[str] = mapped_column(String(10), default="GET")
    user_agent: Mapped[str] = mapped_column(Text, default="")
    network: Mapped[str] = mapped_column(String(64), default="")  # keyed hash of the address, never the address
    verdict: Mapped[str] = mapped_column(String(10), default="human")  # human | proxy | machine
    reason: Mapped[str] = mapped_column(String(40), default="")
    rules: Mapped[int] = mapped_column(SmallInteger, default=RULES, server_default="1")  # by which rules it was judged
    is_prefetch: Mapped[bool] = mapped_column(default=False, server_default=false())  # the browser was reading ahead
    event_id: Mapped[int | None] = mapped_column(BigId)

    __table_args__ = (Index("ix_tracking_hits_message_id", "message_id", "kind", "at"),)
