"""Reading a page of a timeline: a fixed number of statements, whatever the history behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, tuple_, union_all
from sqlalchemy.orm import Session

from panel.calendars import Reader
from panel.journeys.models import Enrolment, Journey
from panel.messages.models import Message, Template, TemplateVersion
from panel.staff.models import User
from panel.timeline.models import CustomEventType, Event
from panel.timeline.queries import Cursor
from panel.timeline.registry import types
from panel.tracking.models import TrackingHit
from panel.web.timeline.asking import Asked
from panel.web.timeline.facts import Facts, Line, MessageFact, OneHit, Touch
from panel.web.timeline.filtering import conditions

PAGE = 30
_PENDING = ("queued", "claimed", "on_wire", "held")
_STORY_LIMIT = 600  # lines of the messages of one page; beyond it only counts are shown, and those come from elsewhere
_HIT_LIMIT = 300  # opens and clicks of one page that are shown one by one; all of them are counted
_COUNTED, _TOLD, _SINGLE = "counted", "told", "single"
_TOUCH_KINDS = {"open": "message_opened", "click": "link_clicked"}


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
    asked: Asked | None = None,
    reader: Reader | None = None,
    before: Cursor | None = None,
    after: Cursor | None = None,
    limit: int = PAGE,
    with_pending: bool = False,
) -> Page:
    """A page of the timeline of a contact and its aliases: everything, or what is `asked` for by this `reader`.

    `before` gives older lines, `after` only newer ones. `with_pending` adds the messages that are not out yet.
    """
    which = conditions(asked or Asked(), contact_ids, reader or Reader())
    lines, facts, newest = _lines(session, contact_ids, which, before, after, limit + 1)
    older = None
    if len(lines) > limit:
        lines = lines[:limit]
        older = Cursor(lines[-1].occurred_at, lines[-1].id)
    ids = {line.message_id for line in lines if line.message_id is not None}
    messages = _messages(session, ids, contact_ids if with_pending else ())
    pending = [one for one in messages.values() if one.status in _PENDING and one.id not in ids]
    pending.sort(key=lambda one: (one.not_before or one.planned_at or _FAR, one.id))
    touches, hits = _touches(session, ids)
    facts = replace(
        facts,
        messages={id_: one for id_, one in messages.items() if id_ in ids},
        story=_stories(session, ids),
        touches=touches,
        hits=hits,
    )
    return Page(lines, facts, pending, older, newest)


def count_newer(
    session: Session,
    contact_ids: Sequence[int],
    after: Cursor,
    at_most: int = 100,
    *,
    asked: Asked | None = None,
    reader: Reader | None = None,
) -> int:
    """How many events are newer than this place, those folded beneath messages included; of a timeline that is filtered
    the new lines that fit the filter."""
    which = conditions(asked, contact_ids, reader or Reader()) if asked is not None and asked.args() else []
    newer = select(Event.id).where(Event.contact_id.in_(contact_ids), _place() > _at(after), *which).limit(at_most)
    return session.scalar(select(func.count()).select_from(newer.subquery())) or 0


def _lines(
    session: Session,
    contact_ids: Sequence[int],
    which: Sequence[ColumnElement[bool]],
    before: Cursor | None,
    after: Cursor | None,
    limit: int,
) -> tuple[list[Line], Facts, Cursor | None]:
    """One index range per alias, joined in one statement; never a sort of the whole history."""
    parts = []
    for contact_id in contact_ids:
        part = select(Event).where(Event.contact_id == contact_id, *which)
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


def _messages(session: Session, ids: Collection[int], pending_of: Sequence[int]) -> dict[int, MessageFact]:
    if not ids and not pending_of:
        return {}
    wanted: ColumnElement[bool] = Message.id.in_(list(ids))
    if pending_of:
        wanted = or_(wanted, and_(Message.contact_id.in_(list(pending_of)), Message.status.in_(_PENDING)))
    rows = session.execute(
        select(Message.id, Message.channel, Message.status, Message.contact_id, Message.reason, Message.subject,
               Message.address, Message.journey_id, Journey.name, Message.step_id, Template.name, Message.inline,
               Message.planned_at, Message.not_before, Message.settled_by, Message.skeleton, Message.is_test,
               func.coalesce(func.nullif(User.name, ""), User.email))
        .outerjoin(Journey, Journey.id == Message.journey_id)
        .outerjoin(TemplateVersion, TemplateVersion.id == Message.template_version_id)
        .outerjoin(Template, Template.id == TemplateVersion.template_id)
        .outerjoin(User, User.id == Message.rules["by"].as_integer())
        .where(wanted)
    )  # fmt: skip
    return {row[0]: _message(*tuple(row)) for row in rows}


def _message(
    id_: int, channel: str, status: str, contact_id: int, reason: str | None, subject: str | None,
    address: str | None, journey_id: str | None, journey: str | None, step_id: str | None, template: str | None,
    inline: dict[str, Any] | None, planned_at: datetime, not_before: datetime | None, settled_by: str | None,
    skeleton: str | None, is_test: bool, written_by: str | None,
) -> MessageFact:  # fmt: skip
    text = (inline or {}).get("subject") or (inline or {}).get("text")
    return MessageFact(
        id=id_, channel=channel, status=status, contact_id=contact_id, reason=reason, subject=subject, address=address,
        journey_id=journey_id, journey=journey, step_id=step_id, template=template, text=text, planned_at=planned_at,
        not_before=not_before, settled_by=settled_by, can_be_shown=skeleton is not None, is_test=is_test,
        written_by=written_by,
    )  # fmt: skip


def _stories(session: Session, ids: Collection[int]) -> dict[int, list[Line]]:
    """Every line of these messages, oldest first, except opens: those may be thousands and are only counted."""
    if not ids:
        return {}
    rows = session.execute(
        select(Event.id, Event.contact_id, Event.occurred_at, Event.kind, Event.source, Event.data, Event.message_id,
               Event.enrolment_id)
        .where(Event.message_id.in_(list(ids)), Event.kind.not_in(("message_opened", "machine_opened")))
        .order_by(Event.occurred_at, Event.id)
        .limit(_STORY_LIMIT)
    )  # fmt: skip
    found: dict[int, list[Line]] = defaultdict(list)
    for row in rows:
        found[row.message_id].append(_line(row))
    return found


def _touches(session: Session, ids: Collection[int]) -> tuple[dict[int, list[Touch]], dict[int, list[OneHit]]]:
    """Opens and clicks of these messages: counted by the database, and the latest of them one by one.

    The verdict is the one that holds now. One statement, however many hits there are.
    """
    if not ids:
        return {}, {}
    hit = TrackingHit
    mine = hit.message_id.in_(list(ids))
    counted = (
        select(
            literal(_COUNTED).label("what"), hit.message_id.label("message_id"), hit.kind.label("kind"),
            hit.verdict.label("verdict"), func.count().label("n"), func.min(hit.at).label("first_at"),
            func.max(hit.at).label("last_at"), literal("").label("reason"), literal("").label("agent"),
            literal(-1).label("link"),
        )
        .where(mine)
        .group_by(hit.message_id, hit.kind, hit.verdict)
    )  # fmt: skip
    told = (
        select(
            literal(_TOLD), Event.message_id, Event.kind, literal("human"), func.count(), func.min(Event.occurred_at),
            func.max(Event.occurred_at), literal(""), literal(""), literal(-1),
        )
        .where(Event.message_id.in_(list(ids)), Event.kind.in_(_TOUCH_KINDS.values()))
        .group_by(Event.message_id, Event.kind)
    )  # fmt: skip
    latest = (
        select(hit.message_id, hit.kind, hit.verdict, hit.at, hit.reason, hit.user_agent, hit.link)
        .where(mine)
        .order_by(hit.at.desc(), hit.id.desc())
        .limit(_HIT_LIMIT)
        .subquery()
    )
    c = latest.c
    single = select(
        literal(_SINGLE), c.message_id, c.kind, c.verdict, literal(1), c.at, c.at, c.reason, c.user_agent,
        func.coalesce(c.link, -1),
    )  # fmt: skip
    names = {kind: short for short, kind in _TOUCH_KINDS.items()}
    touches: dict[int, list[Touch]] = defaultdict(list)
    hits: dict[int, list[OneHit]] = defaultdict(list)
    rows: Iterable[Any] = session.execute(union_all(counted, told, single))
    for what, message_id, kind, verdict, count, first, last, reason, agent, link in rows:
        if what == _SINGLE:
            hits[message_id].append(OneHit(kind, first, verdict, reason, agent, link if link >= 0 else None))
        else:
            kind = names.get(kind, kind)
            touches[message_id].append(Touch(message_id, kind, verdict, count, first, last, what == _COUNTED))
    for one in hits.values():
        one.sort(key=lambda each: each.at)
    return touches, hits


def _place() -> Any:
    return tuple_(Event.occurred_at, Event.id)


def _at(cursor: Cursor) -> Any:
    # Typed literals: an untyped datetime would reach SQLite as text and compare wrongly with its integers.
    return tuple_(literal(cursor.occurred_at, Event.occurred_at.type), literal(cursor.id))


_FAR = datetime.max.replace(tzinfo=UTC)
