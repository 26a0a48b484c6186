"""What waits because a condition cannot be judged now: the outside source is silent, or the plugin that judges is away.

Nobody is dropped and nobody is guessed at: a run stands and looks again, a message is postponed, an issue names the
source. The issue goes by itself when the source speaks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.i18n import N_
from panel.issues.models import Issue
from panel.issues.operations import raise_issue, resolve_issue
from panel.journeys.engine.conditions import why_undecided
from panel.plugin_manager import manager
from panel.sync.freshness import stale_kinds
from panel.timeline.registry import types

LOOK_AGAIN = timedelta(minutes=15)
A_TURN = timedelta(minutes=2)
_STALE = N_("We have heard nothing from %(source)s for too long, so nobody can say that “%(what)s” has not happened. "
            "What depends on it waits. Look at the plugin.")  # fmt: skip
_AWAY = N_("The condition “%(what)s” cannot be judged: its plugin is switched off or fails. What depends on it waits.")


def tell_undecided(session: Session, tree: Mapping[str, Any], now: datetime) -> None:
    """Raise the issue for the part of a judged condition that could not be decided."""
    what = why_undecided(tree)
    is_event = types.get(what) is not None
    raise_issue(
        session,
        f"undecided:{what}",
        code="source_stale" if is_event else "check_away",
        sentence=_STALE if is_event else _AWAY,
        params={"what": what, "source": what.partition(".")[0]},
        severity="warning",
        now=now,
    )


def settle_undecided(session: Session, now: datetime) -> None:
    """Close the issues whose source speaks again."""
    waiting = select(Issue).where(Issue.state == "open", Issue.code.in_(("source_stale", "check_away")))
    for issue in session.scalars(waiting).all():
        what = issue.params.get("what", "")
        if issue.code == "source_stale":
            is_known_again = not stale_kinds(session, [what], now)
        else:
            # Offered is not yet working: whoever waits asks again every LOOK_AGAIN, and would have told it anew.
            is_known_again = what in manager.current().conditions() and issue.last_seen < now - LOOK_AGAIN - A_TURN
        if is_known_again:
            resolve_issue(session, issue.key)
