"""A contact is erased: what colleagues wrote to them in their own words goes too. That something was sent stays."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.messages.models import Message, Skeleton


def forget_personal_messages(session: Session, contact_ids: Collection[int], _now: datetime) -> None:
    """Empty the personal messages of these contacts, with the stored texts that nobody else's message needs."""
    connection = connection_of(session)
    mine = (Message.contact_id.in_(contact_ids), Message.dedupe_key.startswith("personal:"))
    texts = [one for one in connection.execute(select(Message.skeleton).where(*mine)).scalars() if one]
    connection.execute(
        update(Message)
        .where(*mine)
        .values(inline=None, subject=None, address=None, mailbox=None, skeleton=None, values=None, content_sha256=None)
    )
    still_used = exists().where(Message.skeleton == Skeleton.sha256)
    connection.execute(delete(Skeleton).where(Skeleton.sha256.in_(texts), ~still_used))
