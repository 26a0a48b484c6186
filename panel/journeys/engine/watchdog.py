"""The watchdog: what must always be true of the engine, asked in SQL every minute, each question over an index.

What is not true becomes an issue that says what to do; it is resolved by itself when it is true again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of
from panel.i18n import N_
from panel.installation.queries import get_setting
from panel.issues.models import Issue
from panel.issues.operations import raise_issue, resolve_issue
from panel.jobs.heartbeats import is_silent, last_sign_query
from panel.journeys.engine.marks import GRACE
from panel.journeys.models import Enrolment, Journey
from panel.journeys.reasons import PAUSED
from panel.messages.models import Message
from panel.plugin_manager import manager
from panel.plugin_manager.models import PluginState
from panel.sync.freshness import stale_kinds
from panel.tasks import presence
from panel.timeline.models import Event
from panel.timeline.registry import types

STANDS_STILL = timedelta(minutes=10)
UNROUTED = timedelta(minutes=5)
LEASE_OVER = timedelta(minutes=5)
NEVER = timedelta(days=60)
ASKED_HOURLY = ("held_calendar", "hours_never_open")
NOT_MET = timedelta(hours=3)
IN_THE_AIR = ("queued", "claimed", "on_wire", "unknown", "held")
ENDED = ("sent", "delivered", "failed", "bounced", "skipped", "cancelled")
PRIORITIES = tuple(range(1, 10))
COUNTED = 1000
_PAUSED = select(Journey.id).where(Journey.state.in_(("paused", "draft")))


@dataclass(frozen=True)
class Finding:
    """An invariant of the engine, broken `count` times right now (0: it holds)."""

    key: str
    sentence: str
    count: int
    params: dict[str, Any] = field(default_factory=dict)
    severity: str = "error"
    journey_id: str | None = None


def watch(session: Session, now: datetime) -> None:
    """Raise an issue for each broken invariant, and resolve it when it holds again."""
    for finding in [
        *findings(connection_of(session), now),
        *about_journeys(session, now),
        *about_sources(session, now),
    ]:
        if finding.count:
            raise_issue(
                session,
                finding.key,
                code=finding.key.partition(":")[0],
                sentence=finding.sentence,
                params={"n": finding.count, **finding.params},
                severity=finding.severity,
                journey_id=finding.journey_id,
                now=now,
            )
        else:
            resolve_issue(session, finding.key)
    forget_settled_reviews(session, now)
    forget_what_is_over(session, now)
    presence.forget_gone(session, now)


def findings(connection: Connection, now: datetime) -> Iterator[Finding]:
    """What is wrong with runs, messages and events."""
    questions = queries(now)
    yield Finding(
        "watchdog_stranded",
        N_("%(n)s runs stand still with nothing to wait for. Open this issue and let them look again."),
        _count(connection, questions["stranded"]),
    )
    yield Finding(
        "watchdog_sending",
        N_("%(n)s runs wait for a message that has long been settled. Open this issue and let them look again."),
        _count(connection, questions["sending"]),
    )
    is_restored = get_setting(Session(connection), "sending_paused").get("why") == "restored"
    yield Finding(
        "watchdog_late",
        N_("%(n)s runs are more than 10 minutes late. Are the workers running?"),
        0 if is_restored else _count(connection, questions["late"]),
    )
    yield Finding(
        "watchdog_unrouted",
        N_("%(n)s events have waited more than 5 minutes. Are the workers running?"),
        _count(connection, questions["unrouted"]),
    )
    yield Finding(
        "watchdog_never_sent",
        N_("%(n)s messages would not go within 60 days. Look at the sending hours and limits of their journeys."),
        _count(connection, questions["never_sent"]),
    )
    yield Finding(
        "watchdog_leases",
        N_("%(n)s messages were taken in hand by a worker that is gone. Are the workers running?"),
        _count(connection, questions["leases"]),
    )
    yield Finding(
        "watchdog_held",
        N_("%(n)s contacts stand still although their problem was marked as settled. Let them try again, or end them."),
        _count(connection, questions["held"]),
    )


def queries(now: datetime) -> dict[str, Select[Any]]:
    """Each invariant as a query for the ids of what breaks it."""
    in_the_air = exists().where(Message.enrolment_id == Enrolment.id, Message.status.in_(IN_THE_AIR))
    ended = exists().where(Message.enrolment_id == Enrolment.id, Message.status.in_(ENDED))
    standing = and_(Enrolment.status == "active", Enrolment.due_at.is_(None), ~in_the_air)
    channels = select(Message.channel).where(Message.status == "queued").distinct()
    return {
        "stranded": select(Enrolment.id).where(standing, or_(Enrolment.phase != "sending", ~ended)),
        "sending": select(Enrolment.id).where(standing, Enrolment.phase == "sending", ended),
        "late": select(Enrolment.id).where(
            Enrolment.status == "active",
            Enrolment.priority.in_(PRIORITIES),
            Enrolment.due_at < now - STANDS_STILL,
            Enrolment.journey_id.not_in(_PAUSED),
        ),
        "unrouted": select(Event.id).where(Event.routed_at.is_(None), Event.received_at < now - UNROUTED),
        "never_sent": select(Message.id).where(
            Message.status == "queued",
            Message.channel.in_(channels),
            Message.priority.in_(PRIORITIES),
            Message.not_before > now + NEVER,
        ),
        "leases": select(Message.id).where(
            Message.status.in_(("claimed", "on_wire")), Message.lease_until < now - LEASE_OVER
        ),
        "held": select(Enrolment.id).where(
            Enrolment.status == "held",
            func.coalesce(Enrolment.reason, "") != PAUSED,  # a person knows why, and there is nothing to mend
            ~exists().where(Issue.id == Enrolment.held_issue, Issue.state != "resolved"),
        ),
    }


def about_journeys(session: Session, now: datetime) -> Iterator[Finding]:
    """Journeys whose time for a second look has come. Nothing stops by itself."""
    for journey in session.scalars(select(Journey).where(Journey.state == "live", Journey.review_due <= now.date())):
        yield Finding(
            f"review_due:{journey.id}",
            N_("%(journey)s asked to be looked at again by %(date)s. Confirm that it is still right, or close it."),
            1,
            {
                "journey": journey.name or journey.id,
                "date": journey.review_due.isoformat() if journey.review_due else "",
            },
            "warning",
            journey.id,
        )


def forget_settled_reviews(session: Session, now: datetime) -> None:
    """A journey that was confirmed, closed or published anew needs no second look any more."""
    due = {f"review_due:{one}" for one in session.scalars(select(Journey.id).where(
        Journey.state == "live", Journey.review_due <= now.date()))}  # fmt: skip
    asked = session.scalars(select(Issue.key).where(Issue.code == "review_due", Issue.state == "open"))
    for key in set(asked) - due:
        resolve_issue(session, key)


def forget_what_is_over(session: Session, now: datetime) -> None:
    """Close what nobody meets any more: an outage whose overdue have all had their turn, a channel or an action that is
    there again, hours and calendars for which nothing waits (what still waits asks each hour, and says so again)."""
    offered = manager.current()
    codes = ("outage", "held_plugin", *ASKED_HOURLY)
    for issue in session.scalars(select(Issue).where(Issue.state == "open", Issue.code.in_(codes))).all():
        what, _, name = issue.key.partition(":")
        if issue.code == "outage":
            is_over = now > issue.last_seen + GRACE + timedelta(hours=float(issue.params.get("over", 0)))
        elif issue.code in ASKED_HOURLY:
            is_over = now > issue.last_seen + NOT_MET
        else:
            is_over = (what == "channel_missing" and name in offered.channels()) or (
                what == "action_missing" and name in offered.actions()
            )
        if is_over:
            resolve_issue(session, issue.key)


def about_sources(session: Session, now: datetime) -> Iterator[Finding]:
    """Plugins whose synchronisation is older than their events allow, and a ticker that gives no sign."""
    watched = {one.name for one in types.all() if one.fresh_within is not None}
    # One that never synchronised has nothing to be late with.
    synchronises = {
        plugin_id
        for plugin_id, health in session.execute(select(PluginState.plugin_id, PluginState.health))
        if ((health or {}).get("sync") or {}).get("last_at")
    }
    stale = sorted({kind.partition(".")[0] for kind in stale_kinds(session, watched, now)} & synchronises)
    yield Finding(
        "watchdog_stale",
        N_(
            "What %(plugins)s reports is older than it may be, so journeys that rely on its silence wait. Look at the"
            " plugin's synchronisation."
        ),
        len(stale),
        {"plugins": ", ".join(stale)},
        "warning",
    )
    yield Finding(
        "watchdog_ticker",
        N_("The ticker gives no sign of life: nothing becomes due by itself. Start it with “panel ticker”."),
        int(ticker_is_silent(session, now)),
    )


def ticker_is_silent(session: Session, now: datetime | None = None) -> bool:
    """Whether a ticker ran here and gave no sign for a minute. An installation without one yet is only young."""
    now = now or clock.now()
    return is_silent(session.scalar(last_sign_query("ticker", now)), now)


def _count(connection: Connection, query: Select[Any]) -> int:
    return connection.execute(select(func.count()).select_from(query.limit(COUNTED).subquery())).scalar_one()
