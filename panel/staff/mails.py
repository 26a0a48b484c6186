"""Which notices also go out as mail, and when. Handing the mails over is `panel.tasks.mailing`.

A row is claimed, and that is committed, before its mail is handed over: a mail goes out at most once, whatever dies.
A colleague gets at most one mail in a quarter of an hour, which gathers everything that is news by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.i18n import N_
from panel.staff.models import NoticeMail, User

# What a colleague can ask to get by mail as well, by the kind of notice. `True`: they get it unless they say no.
MAILED: Mapping[str, tuple[Any, bool]] = {
    "reminder": (N_("Reminders of my tasks"), True),
    "mention": (N_("Notes that mention me"), True),
    "task": (N_("New tasks for me"), True),
    "notice": (N_("What journeys tell me"), False),
    "issue": (N_("Trouble that needs a person"), False),
}
AT_ONCE = frozenset({"reminder", "mention"})
DIGEST = timedelta(minutes=15)  # everything else waits for others to join it


def wishes(stored: str) -> frozenset[str]:
    """The kinds that a colleague wants as mail, from `users.mailed`."""
    if stored == "default":
        return frozenset(kind for kind, (_, wanted) in MAILED.items() if wanted)
    return frozenset(stored.split()) & frozenset(MAILED)


def queue(session: Session, notices: Sequence[tuple[int, int, str]], now: datetime) -> None:
    """Put new notices, (id, colleague, kind), up for mailing, for those who want them so."""
    mine = [one for one in notices if one[2] in MAILED]
    if not mine:
        return
    connection = connection_of(session)
    query = select(User.id, User.mailed).where(User.id.in_({user_id for _, user_id, _ in mine}), User.active)
    wanted = {id_: wishes(mailed) for id_, mailed in connection.execute(query)}
    rows = [
        {
            "notice_id": id_, "user_id": user_id, "state": "waiting", "tries": 0,
            "due_at": now if kind in AT_ONCE else now + DIGEST,
        }
        for id_, user_id, kind in mine
        if kind in wanted.get(user_id, ())
    ]  # fmt: skip
    if rows:
        connection.execute(insert(NoticeMail), rows)
