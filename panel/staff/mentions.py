"""@mentions in a note: who is meant, who cannot be told, and telling the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
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


def name_for(directory: Directory, one: Colleague) -> str | None:
    """What to write after the @ so that this colleague is told and nobody else; None when nothing says it.

    Their handle, else their whole name with _ for the spaces, else their address up to its @.
    """
    name = "_".join(one.name.replace("\u200c", " ").split())
    for said in (one.handle or "", name, one.email.split("@")[0]):
        if said and _AT.fullmatch(f"@{said}") and _called(directory, said) == one:
            return said
    return None


def mentionable(directory: Directory) -> list[tuple[Colleague, str]]:
    """Every active colleague who may look at contacts, with what to write after the @; by name."""
    found = [
        (one, said)
        for one in directory.everybody.values()
        if one.active and may(one.roles, "contacts.view") and (said := name_for(directory, one))
    ]
    return sorted(found, key=lambda pair: pair[0].shown.casefold())


def parts(directory: Directory, text: str) -> Iterator[tuple[str, Colleague | None]]:
    """The text in pieces, in order: (piece, None), or (a mention as it was typed with its @, who is meant)."""
    at = 0
    for found in _AT.finditer(text):
        one = _called(directory, found[1])
        if one is None or not may(one.roles, "contacts.view"):
            continue
        if found.start() > at:
            yield text[at : found.start()], None
        yield found[0], one
        at = found.end()
    if at < len(text):
        yield text[at:], None


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
    session: Session,
    text: str,
    *,
    contact_id: int,
    event_id: int | None = None,
    task_id: int | None = None,
    by_id: int,
    now: datetime | None = None,
) -> Mentions:
    """Tell everybody whom a note (`event_id`) or a task mentions, except its author; each once, however often it is
    changed. Returns who was meant and who could not be told."""
    if "@" not in text:
        return Mentions()
    directory = Directory(session)
    found = mentions(directory, text)
    author = directory.everybody.get(by_id)
    key = f"mention:task:{task_id}" if task_id else f"mention:{event_id}" if event_id else None
    notices = [
        NewNotice(
            Meant(user_id=one.id),
            N_("%(name)s mentions you in a task: %(text)s") if task_id else N_("%(name)s mentions you: %(text)s"),
            {"name": author.shown if author else "", "text": text[:300]},
            "mention",
            contact_id,
            task_id=task_id,
            dedupe_key=key,
        )
        for one in found.people
        if one.id != by_id
    ]
    notify_many(session, notices, directory=directory, now=now)
    return found
