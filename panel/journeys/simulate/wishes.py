"""What the person who asks wants to see happen: she opens, clicks, answers, buys; or nothing of it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.memberships import add_tag, join_list, leave_list, remove_tag
from panel.errors import UserError
from panel.journeys.engine.programs import Program, live, programs
from panel.journeys.models import Enrolment
from panel.journeys.simulate.beginning import wanted
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

    def __init__(self, wishes: Wishes, contact_id: int, start: datetime, program: Program | None = None) -> None:
        """`program`: the journey that is tried; what happens brings the fields that it asks for."""
        self._wishes, self._contact_id, self._program = wishes, contact_id, program
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
            for data in self._as_asked(session, one):
                if not _really(session, self._contact_id, one.kind, data, now):
                    record(
                        session, contact_id=self._contact_id, kind=one.kind, occurred_at=now, data=data, source=SOURCE
                    )
            self.said.append(Said(now, one.kind, "done", listened=listened))

        return act

    def _as_asked(self, session: Session, one: Happens) -> list[dict[str, Any]]:
        """The event with the fields that the journey asks for, once for each of its wishes; what was given counts."""
        if self._program is None:
            return [dict(one.data)]
        program = self._program
        run = session.scalars(
            select(Enrolment.data)
            .where(Enrolment.contact_id == self._contact_id, Enrolment.journey_id == program.journey_id,
                   Enrolment.status == "active")
            .order_by(Enrolment.id.desc()).limit(1)
        ).first() or {}  # fmt: skip
        waits = [trigger for triggers in program.awaited.values() for trigger in triggers]
        asked = [trigger.where for trigger in (*program.starts, *program.stops, *waits) if trigger.kind == one.kind]
        goal = program.resolved.get("goal")
        if goal and goal["event"] == one.kind:
            asked.append(tuple(goal.get("where") or ()))
        found = [{**wanted(where, run.get("run")), **one.data} for where in asked] or [dict(one.data)]
        # What asks for less is content with what asks for more.
        fewest = [data for number, data in enumerate(found) if data not in found[:number]]
        return [one for one in fewest if not any(one.items() < other.items() for other in fewest)]


_MEMBERSHIPS: dict[str, tuple[str, Callable[..., bool]]] = {
    "list_left": ("list", leave_list),
    "list_joined": ("list", join_list),
    "tag_added": ("tag", add_tag),
    "tag_removed": ("tag", remove_tag),
}


def _really(session: Session, contact_id: int, kind: str, data: Mapping[str, Any], now: datetime) -> bool:
    """Lists and tags really change, so that conditions see it as well; False when there was nothing to change."""
    key, change = _MEMBERSHIPS.get(kind, ("", None))
    if change is None or not data.get(key):
        return False
    try:
        return bool(change(session, contact_id, str(data[key]), now=now))
    except UserError:  # no such list
        return False


def heard(session: Session, contact_id: int, kind: str) -> bool:
    """Whether any journey would look up at an event of this kind: one that starts on it, or a run that waits for it."""
    if any(trigger.kind == kind for journey in live(session) for trigger in journey.program.starts):
        return True
    versions = session.scalars(
        select(Enrolment.version_id).where(Enrolment.contact_id == contact_id, Enrolment.status == "active")
    )
    return any(kind in program.wakes_on for program in programs(session, set(versions)).values())
