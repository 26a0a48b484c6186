"""Reading a page of a timeline: a fixed number of statements, whatever the history behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, literal, null, or_, select, tuple_, union_all
from sqlalchemy.orm import Session

from panel.journeys.models import Enrolment, Journey
from panel.messages.models import Message, Template, TemplateVersion
from panel.staff.models import User
from panel.timeline.models import CustomEventType, Event
from panel.timeline.queries import Cursor
from panel.timeline.registry import types
from panel.tracking.models import TrackingHit
from panel.web.timeline.facts import ANCHORS, FOLDED, Facts, Line, MessageFact, Touch

PAGE = 30
_PENDING = ("queued", "claimed", "on_wire", "held")
_STORY_LIMIT = 600  # lines of the messages of one page; beyond it only counts are shown, and those come from elsewhere
_TOUCH_KINDS = {"open": "message_opened", "click": "link_clicked"}

# Filter -> groups of event types; "messages" and "engagement" have rules of their own.
FILTERS: dict[str, frozenset[str]] = {
    "all": frozenset(),
    "messages": frozenset({"messages"}),
    "engagement": frozenset({"engagement"}),
    "journeys": frozenset({"journeys"}),
    "forms": frozenset({"forms"}),
    "notes": frozenset({"notes"}),
}


@dataclass(frozen=True)
class Page:
    """Lines newest first and what is known about them. `older`: where the next page starts, None when this is the
    last. `newest`: the newest event of all, folded ones included; what comes after it is news."""

    lines: Sequence[Line]
    facts: Facts
    pending: Sequence[MessageFact] = ()
    older: Cursor | None = None
    newest: Cursor | None = None


def load(
    session: Session,
    contact_ids: Sequence[int],
    *,
    show: str = "all",
    before: Cursor | None = None,
    after: Cursor | None = None,
    limit: int = PAGE,
    with_pending: bool = False,
) -> Page:
    """A page of the timeline of a contact and its aliases.

    `before` gives older lines, `after` only newer ones. `with_pending` adds the messages that are not out yet.
    """
    lines, facts, newest = _lines(session, contact_ids, show, before, after, limit + 1)
    older = None
    if len(lines) > limit:
        lines = lines[:limit]
        older = Cursor(lines[-1].occurred_at, lines[-1].id)
    ids = {line.message_id for line in lines if line.message_id is not None}
    messages = _messages(session, ids, contact_ids if with_pending else ())
    pending = [one for one in messages.values() if one.status in _PENDING and one.id not in ids]
    pending.sort(key=lambda one: (one.not_before or one.planned_at or _FAR, one.id))
    facts = replace(
        facts,
        messages={id_: one for id_, one in messages.items() if id_ in ids},
        story=_stories(session, ids),
        touches=_touches(session, ids),
    )
    return Page(lines, facts, pending, older, newest)


def count_newer(session: Session, contact_ids: Sequence[int], after: Cursor, at_most: int = 100) -> int:
    """How many events are newer than this place, those folded beneath messages included."""
    newer = select(Event.id).where(Event.contact_id.in_(contact_ids), _place() > _at(after)).limit(at_most)
    return session.scalar(select(func.count()).select_from(newer.subquery())) or 0


def _lines(
    session: Session,
    contact_ids: Sequence[int],
    show: str,
    before: Cursor | None,
    after: Cursor | None,
    limit: int,
) -> tuple[list[Line], Facts, Cursor | None]:
    """One index range per alias, joined in one statement; never a sort of the whole history."""
    parts = []
    for contact_id in contact_ids:
        part = select(Event).where(Event.contact_id == contact_id, *_shown(show))
        if before is not None:
            part = part.where(_place() < _at(before))
        if after is not None:
            part = part.where(_place() > _at(after))
        parts.append(part.order_by(Event.occurred_at.desc(), Event.id.desc()).limit(limit).subquery())
    union = union_all(*(select(part) for part in parts)).subquery() if len(parts) > 1 else parts[0]
    c = union.c
    newest_at, newest_id = _newest(contact_ids)
    rows = session.execute(
        select(c.id, c.contact_id, c.occurred_at, c.kind, c.source, c.data, c.message_id, c.enrolment_id,
               User.name, User.email, Journey.id, Journey.name, CustomEventType.labels,
               newest_at.label("newest_at"), newest_id.label("newest_id"))
        .outerjoin(User, User.id == c.user_id)
        .outerjoin(Enrolment, Enrolment.id == c.enrolment_id)
        .outerjoin(Journey, Journey.id == func.coalesce(c.data["journey_id"].as_string(), Enrolment.journey_id))
        .outerjoin(CustomEventType, CustomEventType.name == c.kind)
        .order_by(c.occurred_at.desc(), c.id.desc())
        .limit(limit)
    ).all()  # fmt: skip
    facts = Facts(
        types={one.name: one for one in types.all()},
        custom={row.kind: row.labels for row in rows if row.labels},
    )
    lines = [_line(row, person=row[8] or row[9], journey=row[11] or row[10]) for row in rows]
    return lines, facts, Cursor(rows[0].newest_at, rows[0].newest_id) if rows else None


def _line(row: Any, *, person: str | None = None, journey: str | None = None) -> Line:
    id_, contact_id, occurred_at, kind, source, data, message_id, enrolment_id, *_ = row
    return Line(
        id_, contact_id, occurred_at, kind, source, data or {}, message_id, enrolment_id, person=person, journey=journey
    )


def _newest(contact_ids: Sequence[int]) -> tuple[Any, Any]:
    """The place of the newest event of all, folded ones included: where "what is new" starts."""

    def first(column: Any) -> Any:
        query = select(column).where(Event.contact_id.in_(contact_ids))
        return query.order_by(Event.occurred_at.desc(), Event.id.desc()).limit(1).scalar_subquery()

    return first(Event.occurred_at), first(Event.id)


def _shown(show: str) -> list[ColumnElement[bool]]:
    """What a filter lets through. Lines that fold beneath a message are never read here."""
    if show == "messages":
        return [or_(Event.kind.in_(ANCHORS), and_(Event.kind.in_(FOLDED), Event.message_id.is_(None)))]
    if show == "engagement":
        alone = and_(Event.kind.in_([*_TOUCH_KINDS.values(), "message_replied"]), Event.message_id.is_(None))
        return [or_(and_(Event.kind.in_(ANCHORS), _answered()), alone)]
    conditions: list[ColumnElement[bool]] = [or_(Event.kind.not_in(FOLDED), Event.message_id.is_(None))]
    if show != "all":
        kinds = [one.name for one in types.all() if one.group in FILTERS[show]]
        conditions.append(Event.kind.in_(kinds))
    else:
        hidden = [one.name for one in types.all() if not one.listed]
        if hidden:
            conditions.append(Event.kind.not_in(hidden))
    return conditions


def _answered() -> ColumnElement[bool]:
    """A person opened or clicked the message of this line, or replied to it. Machines do not count."""
    hits = exists().where(TrackingHit.message_id == Event.message_id)
    by_people = hits.where(TrackingHit.verdict.not_in(("machine", "proxy")))
    told = or_(Message.first_opened_at.is_not(None), Message.first_clicked_at.is_not(None))
    in_ledger = exists().where(
        Message.id == Event.message_id, or_(Message.replied_at.is_not(None), and_(told, ~hits.correlate(Event)))
    )
    return or_(by_people, in_ledger)


def _messages(session: Session, ids: Collection[int], pending_of: Sequence[int]) -> dict[int, MessageFact]:
    if not ids and not pending_of:
        return {}
    wanted: ColumnElement[bool] = Message.id.in_(list(ids))
    if pending_of:
        wanted = or_(wanted, and_(Message.contact_id.in_(list(pending_of)), Message.status.in_(_PENDING)))
    rows = session.execute(
        select(Message.id, Message.channel, Message.status, Message.contact_id, Message.reason, Message.subject,
               Message.address, Message.journey_id, Journey.name, Message.step_id, Template.name, Message.inline,
               Message.planned_at, Message.not_before, Message.settled_by, Message.skeleton, Message.is_test)
        .outerjoin(Journey, Journey.id == Message.journey_id)
        .outerjoin(TemplateVersion, TemplateVersion.id == Message.template_version_id)
        .outerjoin(Template, Template.id == TemplateVersion.template_id)
        .where(wanted)
    )  # fmt: skip
    return {row[0]: _message(*tuple(row)) for row in rows}


def _message(
    id_: int, channel: str, status: str, contact_id: int, reason: str | None, subject: str | None,
    address: str | None, journey_id: str | None, journey: str | None, step_id: str | None, template: str | None,
    inline: dict[str, Any] | None, planned_at: datetime, not_before: datetime | None, settled_by: str | None,
    skeleton: str | None, is_test: bool,
) -> MessageFact:  # fmt: skip
    text = (inline or {}).get("subject") or (inline or {}).get("text")
    return MessageFact(
        id=id_, channel=channel, status=status, contact_id=contact_id, reason=reason, subject=subject, address=address,
        journey_id=journey_id, journey=journey, step_id=step_id, template=template, text=text, planned_at=planned_at,
        not_before=not_before, settled_by=settled_by, can_be_shown=skeleton is not None, is_test=is_test,
    )  # fmt: skip


def _stories(session: Session, ids: Collection[int]) -> dict[int, list[Line]]:
    """Every line of these messages, oldest first, except opens: those may be thousands and are only counted."""
    if not ids:
        return {}
    rows = session.execute(
        select(Event.id, Event.contact_id, Event.occurred_at, Event.kind, Event.source, Event.data, Event.message_id,
               Event.enrolment_id)
        .where(Event.message_id.in_(list(ids)), Event.kind != "message_opened")
        .order_by(Event.occurred_at, Event.id)
        .limit(_STORY_LIMIT)
    )  # fmt: skip
    found: dict[int, list[Line]] = defaultdict(list)
    for row in rows:
        found[row.message_id].append(_line(row))
    return found


def _touches(session: Session, ids: Collection[int]) -> dict[int, list[Touch]]:
    """Opens and clicks of these messages, counted by the database; the verdict is the one that holds now."""
    if not ids:
        return {}
    wanted = list(ids)
    hits = select(
        TrackingHit.message_id.label("message_id"),
        TrackingHit.kind.label("kind"),
        TrackingHit.verdict.label("verdict"),
        func.count().label("n"),
        func.min(TrackingHit.at).label("first_at"),
        func.max(TrackingHit.at).label("last_at"),
    )
    hits = hits.where(TrackingHit.message_id.in_(wanted)).group_by(
        TrackingHit.message_id, TrackingHit.kind, TrackingHit.verdict
    )
    told = select(
        Event.message_id,
        Event.kind,
        null(),
        func.count(),
        func.min(Event.occurred_at),
        func.max(Event.occurred_at),
    )
    told = told.where(Event.message_id.in_(wanted), Event.kind.in_(_TOUCH_KINDS.values())).group_by(
        Event.message_id, Event.kind
    )
    names = {kind: short for short, kind in _TOUCH_KINDS.items()}
    found: dict[int, list[Touch]] = defaultdict(list)
    counts: Iterable[Any] = session.execute(union_all(hits, told))
    for message_id, kind, verdict, count, first, last in counts:
        judged = verdict is not None
        found[message_id].append(
            Touch(message_id, names.get(kind, kind), verdict or "human", count, first, last, judged)
        )
    return found


def _place() -> Any:
    return tuple_(Event.occurred_at, Event.id)


def _at(cursor: Cursor) -> Any:
    # Typed literals: an untyped datetime would reach SQLite as text and compare wrongly with its integers.
    return tuple_(literal(cursor.occurred_at, Event.occurred_at.type), literal(cursor.id))


_FAR = datetime.max.replace(tzinfo=UTC)
