"""Whether the database went backwards: a restored backup knows nothing of what was sent since, and must not send it
again.

The ticker counts a mark up, in the database and then in a file beside it. A file that is ahead of its database, or a
database that comes without its file, or with the file of another machine, was restored or copied. Every worker also
remembers the highest mark that it saw. Then all sending is paused and nobody moves until a person decides, see
`panel.journeys.restoring`. A gap in the marks without that is an outage: what is overdue is spread.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, writing
from panel.i18n import N_
from panel.installation.models import Setting
from panel.installation.operations import set_setting
from panel.issues.operations import raise_issue
from panel.journeys.engine.spreading import count_overdue, spread_messages, spread_runs

FILE = "mark.json"
EVERY = timedelta(seconds=30)
OLD = timedelta(minutes=10)  # a database whose last mark is older, without its file, was brought from elsewhere
OUTAGE = timedelta(hours=1)
FEW = 50  # so many overdue messages and runs may go at once after an outage
GRACE = timedelta(minutes=10)  # after an outage, for a person who knows that it was more than that
LONGEST_SPREAD = timedelta(hours=4)
PREFIX = "mark:"

_highest: WeakKeyDictionary[Engine, int] = WeakKeyDictionary()


@dataclass(frozen=True)
class Mark:
    machine: str
    n: int
    at: datetime


@dataclass(frozen=True)
class Judgement:
    """`point` is the last moment that the database knows of."""

    kind: Literal["fine", "restored", "outage"]
    why: str = ""
    point: datetime | None = None


def judge(file: Mark | None, known: Mapping[str, Mark], machine: str, now: datetime) -> Judgement:
    """Compare the file beside the installation with the marks in its database."""
    newest = max((mark.at for mark in known.values()), default=None)
    if newest is None:
        if file is not None and file.n > 0:
            return Judgement("restored", "older_than_file", file.at)
        return Judgement("fine")
    if file is None:
        return Judgement("restored", "no_file", newest) if now - newest > OLD else Judgement("fine")
    if file.machine != machine:
        return Judgement("restored", "copied", newest)
    mine = known.get(machine)
    if mine is None or file.n > mine.n:
        return Judgement("restored", "older_than_file", newest)
    if now - newest > OUTAGE:
        return Judgement("outage", "", newest)
    return Judgement("fine")


def machine_of(instance: Path) -> str:
    """Which machine and folder this is: a copy of the folder started elsewhere is not the same installation."""
    host = ""
    with contextlib.suppress(OSError):
        host = Path("/etc/machine-id").read_text().strip()
    return hashlib.sha256(f"{host}\0{instance.resolve()}".encode()).hexdigest()[:16]


def read_mark(instance: Path) -> Mark | None:
    try:
        found = json.loads((instance / FILE).read_text())
        return Mark(str(found["machine"]), int(found["n"]), datetime.fromisoformat(found["at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def look(instance: Path) -> Judgement:
    """Judge, pause everything if the database was restored, and count the mark up. Needs an application context.

    To be called when a process starts, before it does anything, and at each tick; harmless to repeat.
    """
    now, machine, file = clock.now(), machine_of(instance), read_mark(instance)
    with writing() as session:
        known = _known(session)
        found = judge(file, known, machine, now)
        mine = known.get(machine)
        if found.kind == "fine" and mine is not None and file is not None and now - mine.at < EVERY and now >= mine.at:
            return found
        if found.kind == "restored":
            pause(session, found.why, found.point or now, now)
        elif found.kind == "outage" and found.point is not None:
            _after_outage(session, found.point, now)
        n = max([file.n if file else 0, *(mark.n for mark in known.values())]) + 1
        set_setting(session, PREFIX + machine, {"n": n, "at": now.isoformat()})
    # The database first: a file that is behind says nothing, a file that is ahead says that the database went back.
    _write(instance, Mark(machine, n, now))
    return found


def _known(session: Session) -> dict[str, Mark]:
    rows = session.execute(select(Setting.name, Setting.value).where(Setting.name.like(f"{PREFIX}%")))
    return {
        name.removeprefix(PREFIX): Mark(name.removeprefix(PREFIX), value["n"], datetime.fromisoformat(value["at"]))
        for name, value in rows
    }


def _write(instance: Path, mark: Mark) -> None:
    instance.mkdir(parents=True, exist_ok=True)
    draft = instance / f"{FILE}.{os.getpid()}"
    draft.write_text(json.dumps({"machine": mark.machine, "n": mark.n, "at": mark.at.isoformat()}))
    os.replace(draft, instance / FILE)


def pause(session: Session, why: str, point: datetime, now: datetime) -> None:
    """Stop all sending and all moving: this database is a restored one. Keeps an earlier point when there is one."""
    before = _settings(session).get("sending_paused") or {}
    if before.get("why") == "restored":
        point = min(point, datetime.fromisoformat(before["point"]))
    set_setting(
        session,
        "sending_paused",
        {"since": before.get("since") or now.isoformat(), "why": "restored", "how": why, "point": point.isoformat()},
    )
    raise_issue(
        session,
        "restored",
        code="restored",
        sentence=N_(
            "The database was restored: it knows nothing after %(point)s. Nothing is sent until you decide on the page"
            " “After a restore”."
        ),
        params={"point": point.isoformat(timespec="minutes")},
        now=now,
    )


def engine_on(path: Path) -> Engine:
    """An engine on a copy of an SQLite database, apart from the application's own."""
    return create_engine(f"sqlite:///{path}")


def may_send(session: Session) -> bool:
    """Whether anything may be handed over now. A database that went back under our feet is noticed here."""
    settings = _settings(session)
    marks = {name: value for name, value in settings.items() if name.startswith(PREFIX)}
    engine = connection_of(session).engine
    highest = max((value["n"] for value in marks.values()), default=0)
    if highest < _highest.get(engine, 0):
        at = max((value["at"] for value in marks.values()), default=clock.now().isoformat())
        pause(session, "went_back", datetime.fromisoformat(at), clock.now())
        _highest[engine] = highest
        return False
    _highest[engine] = highest
    return not (settings.get("sending_paused") or {}).get("since")


def may_advance(session: Session) -> bool:
    """Whether people may move: not in a restored database, where they may have moved already."""
    value = session.scalar(select(Setting.value).where(Setting.name == "sending_paused"))
    return (value or {}).get("why") != "restored"


def _settings(session: Session) -> dict[str, Any]:
    rows = session.execute(
        select(Setting.name, Setting.value).where((Setting.name == "sending_paused") | Setting.name.like(f"{PREFIX}%"))
    )
    return {name: value for name, value in rows}


def _after_outage(session: Session, since: datetime, now: datetime) -> None:
    """Much is overdue: it goes out over some hours instead of all at once. `too_late_after` has skipped what is too
    late for its reader; nobody has to come for the rest."""
    start = now + GRACE
    over = min(LONGEST_SPREAD, (now - since) / 2)
    overdue = count_overdue(session, now)
    if overdue <= FEW:
        return
    spread_messages(session, (), start, over)
    spread_runs(session, (), start, over)
    raise_issue(
        session,
        "outage",
        code="outage",
        severity="warning",
        sentence=N_(
            "The panel stood still for %(hours)s hours; %(n)s messages and steps are overdue. They go out over the next"
            " %(over)s hours. If this is a restored copy, pause the sending on the page “After a restore” now."
        ),
        params={
            "hours": round((now - since).total_seconds() / 3600, 1),
            "n": overdue,
            "over": round(over.total_seconds() / 3600, 1),
        },
        now=now,
    )
