"""Judging stored hits anew, and setting right what was concluded from the old verdicts.

The raw hits stay as they came. What follows from a verdict follows it: the message's first open and first click, and
the events on the timeline. A verdict that changes starts nothing: an event that becomes a machine's is taken from the
journeys if they have not seen it yet, and one that becomes a person's is history only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.messages.models import Message, Skeleton
from panel.timeline.models import Event
from panel.timeline.operations import record
from panel.tracking.models import TrackingHit
from panel.tracking.rules import RULES, Hit, Judgement, Kind, Past, Verdict, counts_as_open, event_kind, judge_all

SOURCE = "tracking"
BATCH = 500  # messages per transaction


@dataclass
class Changes:
    """What judging anew did, or would do. `verdicts` counts hits by (kind, old verdict, new verdict)."""

    messages: int = 0
    hits: int = 0
    verdicts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    first_times: int = 0  # messages whose first open or first click is another one now
    events: int = 0  # lines of the timeline that say something else now, or were added

    def add(self, other: Changes) -> None:
        self.messages += other.messages
        self.hits += other.hits
        self.verdicts.update(other.verdicts)
        self.first_times += other.first_times
        self.events += other.events

    @property
    def changed(self) -> int:
        return sum(self.verdicts.values())


def _kind(hit: TrackingHit) -> Kind:
    return "open" if hit.kind == "open" else "click"


def event_key(kind: str, message_id: int, link: int | None) -> str:
    """What makes one event of all hits of a kind on a message (or one of its links), but for the verdict."""
    return f"open:{message_id}" if kind == "open" else f"click:{message_id}:{link}"


def reclassify(
    transaction: Callable[[], Any],
    *,
    since: datetime | None = None,
    dry_run: bool = False,
    progress: Callable[[Changes], None] | None = None,
    batch: int = BATCH,
) -> Changes:
    """Judge all hits (or those of messages hit since then) by the present rules.

    `transaction` opens one (`panel.db.writing`); each batch of messages is one, so that a run that was interrupted is
    simply started again: what is right already is left alone. `dry_run` changes nothing and counts what would change.
    """
    total, after = Changes(), 0
    while True:
        with transaction() as session:
            ids = _next(session, after, since, batch)
            for message in session.scalars(select(Message).where(Message.id.in_(ids)).order_by(Message.id)):
                total.add(judge_anew(session, message, dry_run=dry_run))
        if not ids:
            return total
        after = ids[-1]
        if progress:
            progress(total)


def _next(session: Session, after: int, since: datetime | None, batch: int) -> list[int]:
    query = select(TrackingHit.message_id).where(TrackingHit.message_id > after)
    if since is not None:
        query = query.where(TrackingHit.at >= since)
    return list(session.scalars(query.distinct().order_by(TrackingHit.message_id).limit(batch)))


def judge_anew(
    session: Session, message: Message, *, dry_run: bool = False, targets: Sequence[str] | None = None
) -> Changes:
    """Judge every hit on one message by the present rules and set right what depended on the old verdicts."""
    query = select(TrackingHit).where(TrackingHit.message_id == message.id).order_by(TrackingHit.at, TrackingHit.id)
    hits = list(session.scalars(query))
    if targets is None:
        targets = session.scalar(select(Skeleton.links).where(Skeleton.sha256 == message.skeleton)) or []
    past = [
        Past(_kind(one), one.at, Hit(one.method, one.user_agent, one.network, one.is_prefetch), one.link)
        for one in hits
    ]
    judged = judge_all(past, len(targets), message.sent_at or message.wire_at)
    return revise(session, message, hits, judged, targets, dry_run=dry_run)


def revise(
    session: Session,
    message: Message,
    hits: Sequence[TrackingHit],
    judged: Sequence[Judgement],
    targets: Sequence[str],
    *,
    dry_run: bool = False,
) -> Changes:
    """Give these hits (all of the message, oldest first) their verdicts, and set right what depends on them."""
    done = Changes(messages=1, hits=len(hits))
    turned: list[tuple[TrackingHit, Judgement]] = []
    for hit, verdict in zip(hits, judged, strict=True):
        if (hit.verdict, hit.reason) != (verdict.verdict.value, verdict.reason):
            turned.append((hit, verdict))
            if hit.verdict != verdict.verdict.value:
                done.verdicts[(hit.kind, hit.verdict, verdict.verdict.value)] += 1
    said = {hit.id: verdict for hit, verdict in zip(hits, judged, strict=True)}
    firsts = _firsts(hits, said)
    done.first_times = int(any(getattr(message, name) != at for name, at in firsts.items()))
    if dry_run:
        return done
    for hit, verdict in turned:
        hit.verdict, hit.reason = verdict.verdict.value, verdict.reason
    for hit in hits:
        if hit.rules != RULES:
            hit.rules = RULES
    for name, at in firsts.items():
        if getattr(message, name) != at:
            setattr(message, name, at)
    session.flush()
    if turned:
        done.events = _events(session, message, hits, dict_of(turned), targets)
    return done


def dict_of(turned: Iterable[tuple[TrackingHit, Judgement]]) -> dict[int, Judgement]:
    """The new judgements by the number of the event that tells of the hit."""
    return {hit.event_id: verdict for hit, verdict in turned if hit.event_id is not None}


def _firsts(hits: Sequence[TrackingHit], said: Mapping[int, Judgement]) -> dict[str, datetime | None]:
    """The first open and first click that count. What no hit of ours tells about is not touched."""
    found: dict[str, datetime | None] = {}
    for hit in hits:
        verdict = said[hit.id].verdict
        name = "first_opened_at" if hit.kind == "open" else "first_clicked_at"
        counts = counts_as_open(verdict) if hit.kind == "open" else verdict == Verdict.HUMAN
        if counts and found.get(name) is None:
            found[name] = hit.at
        else:
            found.setdefault(name, None)
    return found


def _events(
    session: Session,
    message: Message,
    hits: Sequence[TrackingHit],
    turned: Mapping[int, Judgement],
    targets: Sequence[str],
) -> int:
    """Let the events say what the hits say now, and add those that are missing, as history that starts nothing."""
    now, count = clock.now(), 0
    events = {one.id: one for one in session.scalars(select(Event).where(Event.id.in_(list(turned))))} if turned else {}
    by_event = {hit.event_id: hit for hit in hits if hit.event_id in events}
    taken = _names_taken(session, message, hits)
    for id_, event in events.items():
        hit, verdict = by_event[id_], turned[id_]
        name = f"{event_key(hit.kind, message.id, hit.link)}:{verdict.verdict.value}"
        if event.external_id != name:
            taken.discard(event.external_id or "")
            event.external_id = name if name not in taken else f"{name}:{id_}"
            taken.add(event.external_id)
        event.kind = event_kind(_kind(hit), verdict.verdict)
        event.data = {**event.data, "verdict": verdict.verdict.value, "why": verdict.reason, "judged_anew": True}
        if verdict.verdict == Verdict.MACHINE:
            event.starts_journeys = False
            event.routed_at = event.routed_at or now  # not seen by the journeys yet: they need not
        count += 1
        session.flush()
    return count + _missing(session, message, hits, targets)


def _names_taken(session: Session, message: Message, hits: Sequence[TrackingHit]) -> set[str]:
    keys = {event_key(hit.kind, message.id, hit.link) for hit in hits}
    names = [f"{key}:{verdict.value}" for key in keys for verdict in Verdict]
    return set(session.scalars(select(Event.external_id).where(Event.source == SOURCE, Event.external_id.in_(names))))


def _missing(session: Session, message: Message, hits: Sequence[TrackingHit], targets: Sequence[str]) -> int:
    """One event per message (or link) and verdict: where the only one of a verdict has turned, another takes over."""
    groups: dict[tuple[str, int | None, str], list[TrackingHit]] = defaultdict(list)
    for hit in hits:
        groups[(hit.kind, hit.link, hit.verdict)].append(hit)
    count = 0
    for (kind, link, verdict), mine in groups.items():
        if any(hit.event_id is not None for hit in mine):
            continue
        first = mine[0]
        data = {"channel": message.channel, "verdict": verdict, "why": first.reason, "judged_anew": True}
        if kind == "click" and link is not None and link < len(targets):
            data |= {"url": targets[link], "link_number": link}
        first.event_id = record(
            session,
            contact_id=message.contact_id,
            kind=event_kind(_kind(first), Verdict(verdict)),
            occurred_at=first.at,
            data=data,
            source=SOURCE,
            external_id=f"{event_key(kind, message.id, link)}:{verdict}",
            message_id=message.id,
            enrolment_id=message.enrolment_id,
            starts_journeys=False,
        )
        count += first.event_id is not None
    session.flush()
    return count
