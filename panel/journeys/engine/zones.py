"""Contacts with a time zone that does not exist: judged by the fallback clock, and a person is told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.db import connection_of
from panel.i18n import N_
from panel.issues.models import Issue
from panel.issues.operations import raise_issue, resolve_issue
from panel.journeys.engine.facts import Company
from panel.journeys.engine.timed import zone_by_name

_KEY = "zone_unknown:"
_NOWHERE = Company("UTC")


def warn_of_unknown_zones(session: Session, now: datetime) -> None:
    """Raise an issue for each zone that no clock knows, and resolve those that nobody has any more."""
    counted = connection_of(session).execute(
        select(Contact.time_zone, func.count())
        .where(Contact.time_zone.is_not(None), Contact.erased_at.is_(None))
        .group_by(Contact.time_zone)
    )
    unknown = {name: n for name, n in counted if name and zone_by_name({}, name, _NOWHERE).key != name}
    for name, n in sorted(unknown.items())[:20]:
        raise_issue(
            session,
            f"{_KEY}{name}",
            code="zone_unknown",
            sentence=N_(
                "%(n)s contacts have the time zone “%(zone)s”, which does not exist. They are judged by the fallback"
                " clock. Correct it on their pages."
            ),
            params={"zone": name, "n": n},
            severity="warning",
            now=now,
        )
    open_keys = session.scalars(select(Issue.key).where(Issue.key.startswith(_KEY), Issue.state == "open")).all()
    for key in open_keys:
        if key.removeprefix(_KEY) not in unknown:
            resolve_issue(session, key)
