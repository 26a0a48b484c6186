"""The number that a message carries on the wire, derived and not drawn: a run that is restored from a backup and plans
the same message again gives it the same number, and the provider knows it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from functools import cache
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from panel.db import connection_of, to_micros
from panel.installation.operations import set_setting
from panel.installation.queries import get_setting

_known: WeakKeyDictionary[Engine, bytes] = WeakKeyDictionary()


def installation_key(session: Session) -> bytes:
    """What is this installation's alone; made once, kept in the database, so that a backup brings it back."""
    engine = connection_of(session).engine
    if engine not in _known:
        found = get_setting(session, "installation").get("key")
        if not found:
            # Not remembered before it is committed: this transaction may still be rolled back.
            found = secrets.token_hex(32)
            set_setting(session, "installation", {"key": found})
            return bytes.fromhex(found)
        _known[engine] = bytes.fromhex(found)
    return _known[engine]


def message_id(key: bytes, visit: str, contact_id: int, entered_at: datetime) -> str:
    """`visit` is run:seq (:part). The contact and the moment of entry are in it because a restored database gives the
    numbers of lost runs to new ones."""
    keyed = _keyed(key).copy()
    keyed.update(f"{visit}|{contact_id}|{to_micros(entered_at)}".encode())
    return f"{visit.replace(':', '.')}.{keyed.hexdigest()}"


@cache
def _keyed(key: bytes) -> hashlib.blake2b:
    """Taking the key in is half of the work, and the same for every message."""
    return hashlib.blake2b(key=key, digest_size=8)
