"""A colleague's open tasks as a calendar (RFC 5545), read by calendar programs under a secret address.

Times are in UTC, so that no rule of a time zone has to travel along; every calendar shows them on its own clock.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.i18n import N_, translate
from panel.staff.models import User
from panel.tasks.models import CalendarFeed, Task
from panel.tasks.queries import people_of, tasks_of

LENGTH = timedelta(minutes=30)  # how much room a task takes in a calendar
MAX_OCTETS = 75
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
    """The open tasks of this colleague that have a time, as an iCalendar file."""
    tasks = [one for one in tasks_of(session, user, "mine", now) if one.snoozed_until or one.due_at]
    people = people_of(session, tasks)
    name = translate(user.language, N_("Tasks (Nava)"))
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Nava//Tasks//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH",
        f"X-WR-CALNAME:{_text(name)}", "REFRESH-INTERVAL;VALUE=DURATION:PT15M", "X-PUBLISHED-TTL:PT15M",
    ]  # fmt: skip
    host = re.sub(r"^https?://", "", public_url).split("/")[0].split(":")[0] or "nava"
    for one in tasks:
        person = people.get(one.contact_id)
        who = (person.name or person.company) if person else ""
        url = f"{public_url.rstrip('/')}/admin/contact/{person.public_id}" if person else ""
        lines += _event(one, who, url, host)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line)).encode()


def _event(task: Task, who: str, url: str, host: str) -> Iterable[str]:
    starts = task.snoozed_until or task.due_at
    assert starts is not None
    title = f"{task.title} – {who}" if who else task.title
    said = "\n".join(part for part in (who, task.text, url) if part)
    yield from ("BEGIN:VEVENT", f"UID:task-{task.id}@{host}", f"DTSTAMP:{_moment(task.created_at)}")
    yield from (f"DTSTART:{_moment(starts)}", f"DTEND:{_moment(starts + LENGTH)}", f"SUMMARY:{_text(title)}")
    if said:
        yield f"DESCRIPTION:{_text(said)}"
    if url:
        yield f"URL:{url}"
    yield from ("TRANSP:TRANSPARENT", "BEGIN:VALARM", "ACTION:DISPLAY", f"DESCRIPTION:{_text(task.title or '…')}")
    yield from ("TRIGGER:-PT10M", "END:VALARM", "END:VEVENT")


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(value: str) -> str:
    """TEXT of RFC 5545, section 3.3.11."""
    value = _CONTROLS.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
    return value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> Sequence[str]:
    """A line in pieces of at most 75 octets, never cut inside a letter (section 3.1)."""
    pieces, piece, size = [], "", 0
    for letter in line:
        octets = len(letter.encode())
        if size + octets > MAX_OCTETS:
            pieces.append(piece)
            piece, size = " ", 1
        piece, size = piece + letter, size + octets
    return [*pieces, piece]


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
