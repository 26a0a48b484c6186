"""The two segments that everybody begins with: who goes quiet, and who woke up.

They are made once, by a worker, because the first answers look at every contact (about 0.13 s for a thousand who are
active). Afterwards they are segments like any other: they may be changed, renamed and deleted, and do not come back.
Where there are very many contacts a person chooses the hour and makes them by hand.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from panel import clock
from panel.contacts.models import Contact
from panel.db import writing
from panel.errors import UserError
from panel.i18n import LANGUAGES, N_, translate
from panel.installation.models import Setting
from panel.installation.operations import set_setting
from panel.segments import operations

SETTING = "ready_segments"
MOST_CONTACTS = 100_000  # on SQLite nobody else can write while the first answers are taken
READY = (
    (
        N_("going quiet"),
        "rhythm: going_quiet\n",
        N_("Nothing done for three times as long as usual for this contact, and for 30 days at least."),
    ),
    (
        N_("woke up"),
        "rhythm: woke_up\n",
        N_("Did something again after having been quiet, within the last 30 days."),
    ),
)


def due(connection: Connection, _now: datetime) -> int:
    """1 until they were made, then never again. Nothing is made before there is a company to make it for."""
    names = set(connection.execute(select(Setting.name).where(Setting.name.in_((SETTING, "company")))).scalars())
    return int("company" in names and SETTING not in names)


def run(limit_seconds: float, argument: str = "") -> bool:  # noqa: ARG001  (the shape of every drain)
    """Make them, in the language of the business; a name that is taken is left to whoever took it."""
    with writing() as session:
        if not due(session.connection(), clock.now()):
            return False
        company: Any = session.scalar(select(Setting.value).where(Setting.name == "company")) or {}
        language = company.get("language") if company.get("language") in LANGUAGES else "en"
        made = []
        is_big = session.scalar(select(Contact.id).order_by(Contact.id).offset(MOST_CONTACTS).limit(1)) is not None
        for name, text, description in () if is_big else READY:
            try:
                with session.begin_nested():
                    said = translate(language, description)
                    segment = operations.save(session, translate(language, name), text, description=said)
                made.append(segment.name)
            except UserError:
                continue
        set_setting(session, SETTING, {"made": made})
    return False
