"""Reads about tasks: whose they are, what is late, what is due today."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.staff.models import User
from panel.staff.rules import RoleName
from panel.tasks.models import Task

VIEWS = ("mine", "team", "overdue", "today", "week", "done")
PAGE = 200
MAX_COUNT = 100

# When a task wants its hands: put off until then, else due then.
_WANTED_AT = func.coalesce(Task.snoozed_until, Task.due_at)


def tasks_of(session: Session, user: User, view: str, now: datetime, *, limit: int = PAGE) -> list[Task]:
    """One view of the tasks page for this colleague: open ones soonest first, those without a time last.

    `mine`: given to them, to a role of theirs, and for owners also what belonged to somebody who left. `overdue` and
    `today` are theirs too, `today` on their own calendar. `done`: what anybody closed lately, newest first.
    """
    query = select(Task).where(_within(user, view, now)).limit(limit)
    if view == "done":
        return list(session.scalars(query.order_by(Task.closed_at.desc(), Task.id.desc())))
    return list(session.scalars(query.order_by(_WANTED_AT.is_(None), _WANTED_AT, Task.id)))


def mine_for_calendar(session: Session, user: User, since: datetime, *, limit: int = PAGE) -> list[Task]:
    """This colleague's open tasks, soonest first, then those of theirs that were closed after `since`."""
    closed = and_(Task.state != "open", Task.closed_at > since, _belongs_to(user))
    newest = session.scalars(select(Task).where(closed).order_by(Task.closed_at.desc(), Task.id).limit(limit))
    open_ones = select(Task).where(Task.state == "open", _belongs_to(user)).limit(limit)
    return [*session.scalars(open_ones.order_by(_WANTED_AT.is_(None), _WANTED_AT, Task.id)), *newest]


def counts(session: Session, user: User, now: datetime) -> dict[str, int]:
    """How many open tasks each view has, in one statement."""
    views = [view for view in VIEWS if view != "done"]
    columns = [func.count(case((_within(user, view, now), 1))) for view in views]
    row = session.execute(select(*columns).select_from(Task).where(Task.state == "open")).one()
    return dict(zip(views, row, strict=True))


def waiting_query(user: User, now: datetime) -> Select[int]:
    """How many tasks this colleague should look at today, late ones included (counted up to 100): a query of one
    number, for the frame of pages."""
    some = select(Task.id).where(_within(user, "today", now)).limit(MAX_COUNT)
    return select(func.count()).select_from(some.subquery())


def open_of_contact(session: Session, contact_ids: Collection[int], *, limit: int = 50) -> list[Task]:
    """The open tasks about one person (all aliases given), soonest first."""
    query = select(Task).where(Task.contact_id.in_(contact_ids), Task.state == "open").limit(limit)
    return list(session.scalars(query.order_by(_WANTED_AT.is_(None), _WANTED_AT, Task.id)))


def people_of(session: Session, tasks: Collection[Task]) -> dict[int, Any]:
    """The contacts that these tasks are about, by the id in the task: (id, public_id, name, company)."""
    ids = {one.contact_id for one in tasks}
    if not ids:
        return {}
    query = select(Contact.id, Contact.public_id, Contact.name, Contact.company).where(Contact.id.in_(ids))
    return {row.id: row for row in session.execute(query)}


def _within(user: User, view: str, now: datetime) -> ColumnElement[bool]:
    if view == "done":
        return Task.state != "open"
    if view == "team":
        return Task.state == "open"
    mine = and_(Task.state == "open", _belongs_to(user))
    if view == "overdue":
        return and_(mine, now > _WANTED_AT)
    if view == "today":
        return and_(mine, end_of_day(now, user.time_zone) > _WANTED_AT)
    if view == "week":
        return and_(mine, end_of_day(now, user.time_zone) + timedelta(days=6) > _WANTED_AT)
    return mine


def _belongs_to(user: User) -> ColumnElement[bool]:
    roles = [role.name for role in user.roles]
    mine = or_(Task.assignee_id == user.id, and_(Task.assignee_id.is_(None), Task.assignee_role.in_(roles)))
    if RoleName.OWNER not in roles:
        return mine
    left = select(User.id).where(User.active.is_(False))
    nobody = and_(Task.assignee_id.is_(None), Task.assignee_role.is_(None))
    return or_(mine, nobody, Task.assignee_id.in_(left))


def end_of_day(now: datetime, zone: str) -> datetime:
    """The first moment of tomorrow on the clock of `zone`."""
    there = now.astimezone(ZoneInfo(zone))
    tomorrow = (there + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return tomorrow.astimezone(now.tzinfo)
