"""What the person who asks wants to see happen: she opens, clicks, answers, buys; or nothing of it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.journeys.engine.programs import live, programs
from panel.journeys.models import Enrolment
from panel.messages.models import Message, Skeleton
from panel.messages.reports import report
from panel.sdk.channels import Failed, Result, Sent, Unknown
from panel.timeline.operations import record
from panel.tracking.operations import record_click, record_open
from panel.tracking.rules import Hit

Fate = Literal["sent", "failed", "unknown"]
SOURCE = "simulation"
# An ordinary reader in an ordinary program, so that nobody takes it for a machine.
READER = Hit(user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", network=SOURCE)
# Channels whose messages nobody can see being opened.
BLIND = frozenset({"sms", "letter", "call"})
RESULTS: dict[Fate, Result] = {
    "sent": Sent(),
    "failed": Failed("failed_provider"),
    "unknown": Unknown(SOURCE),
}


@dataclass(frozen=True)
class Happens:
    """An event of any kind, so long after the beginning. The kind need not be one that anybody knows."""

    kind: str
    after: timedelta
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wishes:
    """How long after each message she opens, clicks and answers (None: never), and what else happens to her.

    `fate`: what the provider says to each message.
    """

    opens: timedelta | None = None
    clicks: timedelta | None = None
    replies: timedelta | None = None
    events: tuple[Happens, ...] = ()
    fate: Fate = "sent"


@dataclass(frozen=True)
class Said:
    """What came of a wish: `code` done | no_link | not_seen (an opening on a channel where nobody sees it)."""

    at: datetime
    wish: str
    code: str
    message_id: int | None = None
    listened: bool = True


class Happenings:
    """The wishes as things that fall due. `come` is asked when, `do` does what is due and notes it in `said`."""

    def __init__(self, wishes: Wishes, contact_id: int, start: datetime) -> None:
        self._wishes, self._contact_id = wishes, contact_id
        self._due: list[tuple[datetime, int, Callable[[Session, datetime], None]]] = []
        self._count = 0
        self.said: list[Said] = []
        for one in wishes.events:
            self._add(start + one.after, self._event(one))

    def message_sent(self, message_id: int, channel: str, at: datetime) -> None:
        for wish, after in (("opens", self._wishes.opens), ("clicks", self._wishes.clicks)):
            if after is not None and not (wish == "opens" and channel in BLIND):
                self._add(at + after, self._hit(wish, message_id))
        if self._wishes.replies is not None and channel != "letter":
            self._add(at + self._wishes.replies, self._reply(message_id))

    def come(self, _session: Session, _now: datetime) -> datetime | None:
        return self._due[0][0] if self._due else None

    def do(self, session: Session, now: datetime) -> int:
        done = 0
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2](session, now)
            done += 1
        return done

    def _add(self, at: datetime, act: Callable[[Session, datetime], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, act))

    def _hit(self, wish: str, message_id: int) -> Callable[[Session, datetime], None]:
        def act(session: Session, now: datetime) -> None:
            if wish == "opens":
                record_open(session, message_id, READER, now=now)
                self.said.append(Said(now, wish, "done", message_id))
                return
            message = session.get_one(Message, message_id, populate_existing=True)
            skeleton = session.get(Skeleton, message.skeleton or "")
            if skeleton is None or not skeleton.links:
                self.said.append(Said(now, wish, "no_link", message_id))
                return
            record_click(session, message_id, 0, READER, now=now)
            self.said.append(Said(now, wish, "done", message_id))

        return act

    def _reply(self, message_id: int) -> Callable[[Session, datetime], None]:
        def act(session: Session, now: datetime) -> None:
            message = session.get_one(Message, message_id, populate_existing=True)
            report(session, state="replied", at=now, source=SOURCE, key=message.our_message_id, now=now)
            self.said.append(Said(now, "replies", "done", message_id))

        return act

    def _event(self, one: Happens) -> Callable[[Session, datetime], None]:
        def act(session: Session, now: datetime) -> None:
            listened = heard(session, self._contact_id, one.kind)
            record(
                session, contact_id=self._contact_id, kind=one.kind, occurred_at=now, data=dict(one.data), source=SOURCE
            )
            self.said.append(Said(now, one.kind, "done", listened=listened))

        return act


def heard(session: Session, contact_id: int, kind: str) -> bool:
    """Whether any journey would look up at an event of this kind: one that starts on it, or a run that waits for it."""
    if any(trigger.kind == kind for journey in live(session) for trigger in journey.program.starts):
        return True
    versions = session.scalars(
        select(Enrolment.version_id).where(Enrolment.contact_id == contact_id, Enrolment.status == "active")
    )
    return any(kind in program.wakes_on for program in programs(session, set(versions)).values())
