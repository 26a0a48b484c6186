"""A disk that did not keep what was written, or has no room: the database says so, and a person must hear of it.

What could not be committed is tried again and nothing is sent meanwhile (see `persisting`), so nothing else would show.
PostgreSQL says it by going down and coming back; its own log names the disk.
"""

from __future__ import annotations

import logging
import sqlite3

from sqlalchemy.exc import DBAPIError

from panel.db import writing
from panel.i18n import N_
from panel.issues.operations import raise_issue

log = logging.getLogger(__name__)

KEY = "disk_failing"
_CODES = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


def failure(error: DBAPIError) -> str | None:
    """What the disk did, in the database's words; None when it was something else."""
    code = getattr(error.orig, "sqlite_errorcode", 0)
    return str(error.orig)[:200] if code & 0xFF in _CODES else None


def tell(detail: str) -> None:
    """Raise the issue, now that writing works again. Never in the way of what goes on."""
    log.error("the disk failed (%s); what was written then has been written again", detail)
    try:
        with writing() as session:
            raise_issue(
                session,
                KEY,
                code=KEY,
                sentence=N_(
                    "The disk failed while the database wrote (%(detail)s). It was written again, and nothing was sent"
                    " before it was. Make a backup, and let somebody look at the disk and its room."
                ),
                params={"detail": detail},
            )
    except DBAPIError as again:
        log.warning("the disk's trouble could not be noted: %s", again.orig)
