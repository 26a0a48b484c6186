"""@mentions in a note: who is meant, who cannot be told, and telling the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from panel.i18n import N_
from panel.staff.notices import NewNotice, notify_many
from panel.staff.people import Colleague, Directory, Meant
from panel.staff.rules import may

_AT = re.compile(r"(?<![\w@.+-])@([\w](?:[\w.\-]{0,58}[\w])?)")
MAX_MENTIONS = 10


@dataclass(frozen=True)
class Mentions:
    """`people` are told; `absent` are names that nobody active here has, or whose role may not look at contacts."""

    people: tuple[Colleague, ...] = ()
    absent: tuple[str, ...] = ()


def handle_of(one: Colleague) -> str:
    """How a colleague is mentioned: their handle, or the part of their address before the @."""
    return one.handle or one.email.split("@")[0]


def mentions(directory: Directory, text: str) -> Mentions:
    """Read the @names of a text. A name is a handle, a first name that one person has, or a name with a dot in it."""
    people: dict[int, Colleague] = {}
    absent: dict[str, None] = {}
    for name in list(dict.fromkeys(_AT.findall(text)))[:MAX_MENTIONS]:
        one = _called(directory, name)
        if one is None or not may(one.roles, "contacts.view"):
            absent[name] = None
        else:
            people[one.id] = one
    return Mentions(tuple(people.values()), tuple(absent))


def _called(directory: Directory, name: str) -> Colleague | None:
    meant = directory.meant(name.replace("_", " "))
    if meant.user_id is None:
        meant = directory.meant(name)
    return directory.everybody.get(meant.user_id or 0)


def tell_mentioned(
    session: Session, text: str, *, contact_id: int, event_id: int | None, by_id: int, now: datetime | None = None
) -> Mentions:
    """Tell everybody whom a note mentions, except its author. Returns who was meant and who could not be told."""
    if "@" not in text:
        return Mentions()
    directory = Directory(session)
    found = mentions(directory, text)
    author = directory.everybody.get(by_id)
    notices = [
        NewNotice(
            Meant(user_id=one.id),
            N_("%(name)s mentions you: %(text)s"),
            {"name": author.shown if author else "", "text": text[:300]},
            "mention",
            contact_id,
            dedupe_key=f"mention:{event_id}" if event_id else None,
        )
        for one in found.people
        if one.id != by_id
    ]
    notify_many(session, notices, directory=directory, now=now)
    return found
