"""Settings of the whole installation. Nobody commits here."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from panel.installation.models import Setting


def set_setting(session: Session, name: str, value: dict[str, Any]) -> None:
    """Write a setting over, in one statement: two processes may write the same name for the first time at once."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.flush()
    session.execute(
        dialect.insert(Setting)
        .values(name=name, value=value)
        .on_conflict_do_update(index_elements=["name"], set_={"value": value})
    )
    known = session.identity_map.get(identity_key(Setting, name))
    if known is not None:
        session.expire(known)
