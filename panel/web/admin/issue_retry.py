"""“Try again” on the page of issues: what that means for each kind of trouble, and for which it means nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from panel.issues.models import Issue
from panel.jobs import wake
from panel.journeys import helping
from panel.journeys.engine import breaker
from panel.journeys.engine.verbs.calling import ACTION
from panel.messages.models import Message
from panel.plugin_manager import operations
from panel.tasks import mailing

CHANNELS = ("channel_in_trouble", "channel_failed")
SYNC = ("plugin_sync_failed", "plugin_misconfigured")
CALLS = ("action_in_trouble",)
ERASING = "plugin_erase_failed"


def can_be_tried(issue: Issue) -> bool:
    """Whether there is something to try. What only reports a cause (a source that is silent, hours that never open, a
    journey to look at) closes by itself when the cause is gone: taken away before, nobody would know of it."""
    if (
        issue.code in (*CHANNELS, *SYNC, *CALLS, ERASING, mailing.ISSUE, "message_poison")
        or issue.code in helping.FOUND
    ):
        return True
    if issue.code == "held_plugin" and not issue.journey_id:
        return False  # a channel or an action that nobody offers: its messages wait, and no run is held
    return issue.code.startswith("held_") and issue.code != "held_calendar"


def try_services(session: Session, issues: Sequence[Issue], now: datetime) -> int:
    """Let what waits for a channel, an action, a plugin or a mail server be tried at once; how many were asked for.
    Call `ring` after the commit."""
    asked = 0
    for issue in issues:
        if issue.code in CHANNELS:
            breaker.end_rest(session, issue.params.get("channel", ""), now)
        elif issue.code in CALLS:
            session.execute(
                update(Message)
                .where(Message.channel == ACTION, Message.status == "queued", Message.not_before > now)
                .where(Message.attempt > 0)
                .values(not_before=now)
                .execution_options(synchronize_session=False)
            )
        elif issue.code in SYNC:
            operations.sync_soon(session, issue.params.get("plugin", ""), now)
        elif issue.code == mailing.ISSUE:
            mailing.try_again(session, now)
        else:
            continue
        asked += 1
    return asked


def ring(issues: Sequence[Issue]) -> None:
    """Wake the workers for what `try_services` has made due."""
    for issue in issues:
        if issue.code in CHANNELS:
            wake("deliver", issue.params.get("channel", ""))
        elif issue.code in CALLS:
            wake("deliver", ACTION)
        elif issue.code in SYNC:
            wake("sync", issue.params.get("plugin", ""))
        elif issue.code == mailing.ISSUE:
            wake("mails")
