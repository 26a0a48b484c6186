"""A colleague's open tasks as a calendar (RFC 5545), read by calendar programs under a secret address.

Times are in UTC, so that no rule of a time zone has to travel along; every calendar shows them on its own clock.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.i18n import N_, translate
from panel.staff.models import User
from panel.tasks.models import CalendarFeed, Task
from panel.tasks.queries import mine_for_calendar, people_of
from panel.timeline.models import Event as TimelineEvent

if TYPE_CHECKING:
    from icalendar import Event

LENGTH = timedelta(minutes=30)  # how much room a task takes in a calendar
BEFORE = timedelta(minutes=10)  # a calendar's own reminder, when the task has none that comes earlier
LOOK_AGAIN = timedelta(minutes=15)
CLOSED_FOR = timedelta(days=14)
CHANGES = ("task_done", "task_cancelled", "task_reopened", "task_assigned", "task_put_off", "task_as_before")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def make_feed(session: Session, user_id: int, now: datetime) -> str:
    """Give a colleague a new secret address (an older one stops working); the token, which is kept nowhere."""
    token = secrets.token_urlsafe(32)
    revoke_feed(session, user_id)
    session.add(CalendarFeed(user_id=user_id, token_sha256=_hashed(token), made_at=now))
    session.flush()
    return token


def revoke_feed(session: Session, user_id: int) -> None:
    connection_of(session).execute(delete(CalendarFeed).where(CalendarFeed.user_id == user_id))
    session.expire_all()


def owner_of(session: Session, token: str, now: datetime) -> User | None:
    """Whose calendar this is: an active colleague's, or nobody's. Notes that it was read (at most once an hour)."""
    feed = session.scalars(select(CalendarFeed).where(CalendarFeed.token_sha256 == _hashed(token))).first()
    user = session.get(User, feed.user_id) if feed is not None else None
    if feed is None or user is None or not user.active:
        return None
    if feed.read_at is None or now - feed.read_at > timedelta(hours=1):
        connection_of(session).execute(
            update(CalendarFeed).where(CalendarFeed.user_id == feed.user_id).values(read_at=now)
        )
    return user


def calendar_of(session: Session, user: User, now: datetime, public_url: str) -> bytes:
    """The open tasks of this colleague that have a time, as an iCalendar file; those that were closed in the last two
    weeks are in it as cancelled, for calendars that keep what they have once read."""
    # A tenth of a second at every start of the panel, for a file that is asked for now and then.
    from icalendar import Calendar

    tasks = [one for one in mine_for_calendar(session, user, now - CLOSED_FOR) if one.snoozed_until or one.due_at]
    people, changes = people_of(session, tasks), _changes(session, tasks)
    name = translate(user.language, N_("Tasks (Nava)"))
    calendar = Calendar()
    for key, value in (
        ("prodid", "-//Nava//Tasks//EN"), ("version", "2.0"), ("calscale", "GREGORIAN"), ("method", "PUBLISH"),
        ("name", name), ("x-wr-calname", name),
    ):  # fmt: skip
        calendar.add(key, value)
    calendar.add("refresh-interval", LOOK_AGAIN, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT15M")
    host = re.sub(r"^https?://", "", public_url).split("/")[0].split(":")[0] or "nava"
    for one in tasks:
        person = people.get(one.contact_id)
        who = (person.name or person.company) if person else ""
        url = f"{public_url.rstrip('/')}/admin/contact/{person.public_id}" if person else ""
        changed = changes.get(one.id, [])
        calendar.add_component(_event(one, who, url, f"task-{one.id}@{host}", changed, ZoneInfo(user.time_zone)))
    return calendar.to_ical()


def _event(task: Task, who: str, url: str, uid: str, changed: Sequence[datetime], zone: ZoneInfo) -> Event:
    from icalendar import Alarm, Event

    starts = task.snoozed_until or task.due_at
    assert starts is not None
    last = max([task.created_at, *changed]).astimezone(UTC)
    event = Event()
    event.add("uid", uid)
    for name in ("dtstamp", "last-modified"):
        event.add(name, last)
    event.add("created", task.created_at.astimezone(UTC))
    event.add("sequence", len(changed))
    # Midnight on the reader's clock: somebody named a day, not an hour.
    there = starts.astimezone(zone)
    is_day = there.time() == time(0)
    event.add("dtstart", there.date() if is_day else starts.astimezone(UTC))
    event.add("dtend", there.date() + timedelta(days=1) if is_day else starts.astimezone(UTC) + LENGTH)
    event.add("summary", _clean(f"{task.title} – {who}" if who else task.title or "…"))
    if said := "\n".join(part for part in (who, task.text, url) if part):
        event.add("description", _clean(said))
    if url:
        event.add("url", url)
    event.add("transp", "TRANSPARENT")
    event.add("status", "CONFIRMED" if task.state == "open" else "CANCELLED")
    if task.state == "open":
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", _clean(task.title or "…"))
        before = starts - task.remind_at if task.remind_at and task.remind_at < starts else BEFORE
        alarm.add("trigger", -before)
        event.add_component(alarm)
    return event


def _changes(session: Session, tasks: Sequence[Task]) -> dict[int, list[datetime]]:
    """When each of these tasks was changed after it was given, from its lines on the timelines."""
    wanted = {one.id for one in tasks}
    query = select(TimelineEvent.data, TimelineEvent.occurred_at).where(
        TimelineEvent.contact_id.in_({one.contact_id for one in tasks}), TimelineEvent.kind.in_(CHANGES)
    )
    found: dict[int, list[datetime]] = defaultdict(list)
    for data, at in session.execute(query) if wanted else ():
        if data.get("task_id") in wanted:
            found[data["task_id"]].append(at)
    return found


def _clean(value: str) -> str:
    """A text without what no calendar can hold."""
    return _CONTROLS.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
