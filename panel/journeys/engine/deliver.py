"""Deliver: queued messages go out. Claim, render, mark `on_wire`, hand over, store the result.

Everything that can fail before the message leaves fails before the mark; everything after it is `sent`, `failed`,
`deferred` (certainly not sent) or `unknown`. Nothing that may have left is ever repeated by itself.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from flask import current_app
from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.sets import among
from panel.copying import update_rows
from panel.db import connection_of, db, reading, rows_of, table_of, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue, resolve_issue
from panel.journeys.engine import breaker, crash, marks
from panel.journeys.engine.checks import Decision, decide, lock_contacts
from panel.journeys.engine.ending import end_runs
from panel.journeys.engine.lastlook import touched_since
from panel.journeys.engine.results import store_results
from panel.journeys.engine.turns import repeat, uncollected
from panel.journeys.engine.verbs.calling import ACTION
from panel.journeys.engine.wire import NotBegunError, WireJournal
from panel.journeys.models import Enrolment, Journey
from panel.messages.models import Message
from panel.messages.rendering import NotRendered, Rendered, Renderer
from panel.plugin_manager import manager
from panel.sdk.channels import Channel, Deferred, Outgoing, Result, Unknown
from panel.sdk.errors import Misconfigured, TryLater
from panel.timeline.operations import NewEvent, record_many

T = TypeVar("T")
log = logging.getLogger(__name__)

MESSAGES = table_of(Message)
BATCH = 200
CLAIM_LEASE = crash.lease(timedelta(minutes=2))
# Longer than the longest hand-over: SMTP may take 10 minutes to answer (RFC 5321). Renewed after an eighth of it.
WIRE_LEASE = crash.lease(timedelta(minutes=12))
COMMITS_WITHIN = timedelta(minutes=1)  # a writer notes the moment, then commits: seldom later than this


def run(limit_seconds: float, channel: str) -> bool:
    """Deliver what is due on a channel for about `limit_seconds`; True when more may be due."""
    if channel == ACTION:
        # The calls of journeys use what is below, so they are not imported above it.
        from panel.journeys.engine.actions import perform_calls

        return repeat(perform_calls, limit_seconds)
    return repeat(lambda: deliver(channel), limit_seconds)


def due(connection: Connection, now: datetime) -> list[str]:
    """The channels with something to send, for the ticker."""
    query = (
        select(Message.channel)
        .where(Message.status == "queued", Message.not_before <= now, Message.journey_id.not_in(_paused()))
        .distinct()
    )
    by_hand = select(Message.channel).where(
        Message.status == "queued", Message.not_before <= now, Message.journey_id.is_(None)
    )
    return sorted(set(connection.execute(query).scalars()) | set(connection.execute(by_hand.distinct()).scalars()))


def _paused() -> Any:
    return select(Journey.id).where(Journey.state.in_(("paused", "draft")))


@uncollected()
def deliver(channel: str, limit: int = BATCH) -> int:
    """Deliver up to `limit` messages of a channel; returns how many were taken in hand.

    Needs an application context. Safe to call at any time by any number of workers.
    """
    offered = manager.current().channels().get(channel)
    if offered is None:
        _note_missing_channel(channel)
        return 0
    crash.point("before_claim")
    claimed = claim(channel, limit)
    if not claimed:
        return 0
    crash.point("after_claim")
    # The claim is ours while we live, so we wait for a database that is away.
    ready = persist(lambda session: _render(session, claimed, offered))
    if not ready:
        return len(claimed)
    journal = wire_journal()
    since = time.monotonic()
    going = persist(lambda session: _mark(session, ready))
    crash.point("after_on_wire_commit")
    going = _last_look(going, clock.now() - timedelta(seconds=time.monotonic() - since))
    if going:
        _expect(journal, going, since)
        outgoing = [one for _, one in going]
        results, trouble = _hand_over(offered, outgoing, journal)
        crash.point("before_result_commit")
        persist(lambda session: _conclude(session, channel, outgoing, results, trouble, journal.tokens))
        journal.clear()
        crash.point("after_result_commit")
    return len(claimed)


@dataclass(frozen=True)
class Claimed:
    row: Mapping[str, Any]
    token: str


def claim(channel: str, limit: int) -> list[Claimed]:
    """Take messages in hand, at most one per contact. Nothing leaves here: a dead claim is simply queued again."""
    with writing() as session:
        now = clock.now()
        if not marks.may_send(session) or breaker.resting_until(session, channel, now):
            return []
        rows = rows_of(
            session,
            select(MESSAGES)
            .where(
                Message.channel == channel,
                Message.status == "queued",
                Message.not_before <= now,
                func.coalesce(Message.journey_id, "").not_in(_paused()),
            )
            .order_by(Message.priority, Message.not_before)
            .limit(limit)
            .with_for_update(skip_locked=True),
        )
        # Who was in a claim that died goes alone: if it kills this worker too, it takes nobody with it (see `reap`).
        if rows and _is_suspect(rows[0]):
            rows = rows[:1]
        first: dict[int, Mapping[str, Any]] = {}
        for row in rows if len(rows) == 1 else [one for one in rows if not _is_suspect(one)]:
            first.setdefault(row["contact_id"], row)
        journal = wire_journal()
        claimed = [Claimed(row, journal.token()) for row in first.values()]
        if claimed:
            until = now + CLAIM_LEASE
            columns = ("status", "attempt", "attempt_token", "lease_until")
            update_rows(
                connection_of(session),
                Message,
                columns,
                [("claimed", one.row["attempt"] + 1, one.token, until, one.row["id"]) for one in claimed],
            )
    return claimed


def _is_suspect(row: Mapping[str, Any]) -> bool:
    return bool((row["detail"] or {}).get("died"))


def _render(session: Session, claimed: Sequence[Claimed], channel: Channel) -> list[tuple[Claimed, Rendered]]:
    """Write the messages. What cannot be written is held or skipped with its reason; one bad row stops no other."""
    by_id = {one.row["id"]: one for one in claimed}
    ready: list[tuple[Claimed, Rendered]] = []
    refused: list[tuple[Claimed, NotRendered]] = []
    for outcome in _rendered(session, [one.row for one in claimed], channel):
        one = by_id[outcome.message_id]
        if isinstance(outcome, Rendered):
            ready.append((one, outcome))
        else:
            refused.append((one, outcome))
    for one, outcome in refused:
        not_rendered(session, one, outcome)
    return ready


def _rendered(
    session: Session, rows: Sequence[Mapping[str, Any]], channel: Channel
) -> Iterable[Rendered | NotRendered]:
    config = current_app.config
    try:
        with session.begin_nested():
            renderer = Renderer(
                session, {channel.name: channel}, config["PANEL"].public_url, config["SECRET_KEY"], now=clock.now()
            )
            return renderer.render(rows)
    except OperationalError:
        raise
    except (Exception, SystemExit) as error:
        if len(rows) == 1:
            log.exception("message %s cannot be written", rows[0]["id"])
            return [NotRendered(rows[0]["id"], "held_missing_template", f"{type(error).__name__}: {error}"[:300])]
        middle = len(rows) // 2
        return [*_rendered(session, rows[:middle], channel), *_rendered(session, rows[middle:], channel)]


SENTENCES = {
    "held_missing_field": N_(
        "%(journey)s, step %(step)s: a contact has no value for %(detail)s. Fill it in, then retry."
    ),
    "held_missing_template": N_(
        "%(journey)s, step %(step)s: the text cannot be written (%(detail)s). Mend it, then retry."
    ),
}


def not_rendered(session: Session, one: Claimed, outcome: NotRendered) -> None:
    now = clock.now()
    row = one.row
    connection = connection_of(session)
    held = outcome.code.startswith("held")
    code = {"skipped_missing_field": "failed_missing_field"}.get(outcome.code, outcome.code)
    changed = connection.execute(
        update(Message)
        .where(Message.id == row["id"], Message.status == "claimed", Message.attempt_token == one.token)
        .values(
            status="held" if held else "skipped",
            reason=code,
            lease_until=None,
            detail={**(row["detail"] or {}), "missing": outcome.detail},
            rules={**(row["rules"] or {}), "missing": outcome.detail},
        )
    ).rowcount
    if not changed:
        return
    if held:
        issue = raise_issue(
            session,
            f"{outcome.code}:{row['journey_id']}:{row['step_id']}:{outcome.detail}"[:200],
            code=outcome.code,
            sentence=SENTENCES[outcome.code],
            params={"journey": row["journey_id"], "step": row["step_id"], "detail": outcome.detail},
            journey_id=row["journey_id"],
            step_id=row["step_id"],
            now=now,
        )
        connection.execute(
            update(Enrolment)
            .where(Enrolment.id == row["enrolment_id"], Enrolment.status == "active")
            .values(status="held", reason=outcome.code, held_issue=issue.id, due_at=None)
        )
    else:
        _skipped(session, [(row, code, {})], now)


def _mark(session: Session, ready: Sequence[tuple[Claimed, Rendered]]) -> list[tuple[Claimed, Outgoing]]:
    """The last checks, and `on_wire` for what may go. Nothing may be handed over before this is committed."""
    now = clock.now()
    connection = connection_of(session)
    lock_contacts(session, sorted({one.row["contact_id"] for one, _ in ready}))
    tokens = {one.row["id"]: one.token for one, _ in ready}
    # Locked, so that no reaper takes them from us between this look and the mark. Already `on_wire` is what we marked
    # in a commit whose answer was lost with the connection: it is ours still, and nothing of it was begun.
    query = (
        select(Message.id, Message.attempt_token)
        .where(among(session, Message.id, tokens), Message.status.in_(("claimed", "on_wire")))
        .order_by(Message.id)
        .with_for_update()
    )
    ours = {id_ for id_, token in connection.execute(query) if token == tokens[id_]}
    ready = [(one, text) for one, text in ready if one.row["id"] in ours]
    decisions = decide(session, [one.row for one, _ in ready], now) if ready else {}
    going = []
    for one, text in ready:
        decision = decisions[one.row["id"]]
        if decision.verdict == "go":
            going.append((one, text))
        else:
            not_now(session, one, decision, now)
    if going:
        until = now + WIRE_LEASE
        columns = ("status", "reason", "wire_at", "lease_until", "skeleton", "values", "content_sha256", "subject",
                   "language", "address")  # fmt: skip
        rows = [
            ("on_wire", None, now, until, text.skeleton_sha256, text.values, text.content_sha256, text.subject,
             text.language, text.address, one.row["id"])
            for one, text in going
        ]  # fmt: skip
        update_rows(connection, Message, columns, rows)
    crash.point("before_on_wire_commit")
    return [(one, _outgoing(one, text)) for one, text in going]


def _outgoing(one: Claimed, text: Rendered) -> Outgoing:
    row = one.row
    return Outgoing(row["id"], row["our_message_id"], text.address, text.payload, text.language, row["attempt"] + 1)


def _last_look(going: list[tuple[Claimed, Outgoing]], since: datetime) -> list[tuple[Claimed, Outgoing]]:
    """What was stored while the mark was being made is seen now: a stop or an opt-out that was committed before the
    mark was stops the message still. On SQLite nobody can write in between."""
    if not going or db.engine.dialect.name == "sqlite":
        return going
    with reading() as session:
        rows = [one.row for one, _ in going]
        touched = touched_since(session, rows, since - COMMITS_WITHIN)
    if not touched:
        return going

    def look_again(session: Session) -> set[int]:
        now = clock.now()
        lock_contacts(session, sorted(touched))
        again = [one for one, _ in going if one.row["contact_id"] in touched]
        decisions = decide(session, [one.row for one in again], now)
        called_off = set()
        for one in again:
            decision = decisions[one.row["id"]]
            # Limits and hours were right when they were judged; this message itself counts by now.
            if decision.verdict in ("end", "cancel", "skip") and decision.reason not in (
                "skipped_limit",
                "skipped_hours",
            ):
                not_now(session, one, decision, now)
                connection_of(session).execute(update(Message).where(Message.id == one.row["id"]).values(wire_at=None))
                called_off.add(one.row["id"])
        return called_off

    called_off = persist(look_again)
    return [(one, outgoing) for one, outgoing in going if outgoing.message_id not in called_off]


def _expect(journal: WireJournal, going: Sequence[tuple[Claimed, Outgoing]], since: float) -> None:
    tokens = {one.row["id"]: one.token for one, _ in going}

    def renew(ids: Collection[int]) -> None:
        """Hold on to what is still to come; raises LookupError when some of it is no longer ours."""
        with writing() as session:
            still = connection_of(session).execute(
                update(Message)
                .where(
                    Message.id.in_(list(ids)),
                    Message.status == "on_wire",
                    Message.attempt_token.in_([tokens[id_] for id_ in ids]),
                )
                .values(lease_until=clock.now() + WIRE_LEASE)
            )
            if still.rowcount < len(ids):
                raise LookupError("others have taken the messages in hand")

    journal.expect(tokens, hold=WIRE_LEASE.total_seconds() / 8, renew=renew, since=since)


def not_now(session: Session, one: Claimed, decision: Decision, now: datetime) -> None:
    row, connection = one.row, connection_of(session)
    mine = (Message.id == row["id"], Message.attempt_token == one.token)
    history = {**(row["detail"] or {})}
    if decision.verdict == "wait":
        moved = {"reason": decision.reason, "at": now.isoformat(), **decision.detail}
        history["postponed"] = [*history.get("postponed", []), moved][-20:]
        later = max(decision.not_before or now, now + timedelta(seconds=1))
        if decision.reason == "journey_paused":
            later = row["not_before"]
        connection.execute(
            update(Message)
            .where(*mine)
            .values(status="queued", reason=decision.reason, not_before=later, lease_until=None, detail=history)
        )
        return
    status = "skipped" if decision.verdict == "skip" or decision.reason == "excluded" else "cancelled"
    connection.execute(
        update(Message)
        .where(*mine)
        .values(status=status, reason=decision.reason, lease_until=None, detail={**history, **decision.detail})
    )
    _skipped(session, [(row, decision.reason or "", decision.detail)], now)
    if decision.verdict == "end" and row["enrolment_id"]:
        ended = "excluded" if decision.reason == "excluded" else "stopped"
        end_runs(session, [row["enrolment_id"]], ended, ended, now, detail={row["enrolment_id"]: dict(decision.detail)})


def _skipped(session: Session, rows: Sequence[tuple[Mapping[str, Any], str, Mapping[str, Any]]], now: datetime) -> None:
    """The timeline says why not, and the run looks again."""
    record_many(
        session,
        [
            NewEvent(
                row["contact_id"],
                "message_skipped",
                now,
                {"channel": row["channel"], "reason": reason},
                source="journeys",
                message_id=row["id"],
                enrolment_id=row["enrolment_id"],
                starts_journeys=False,
            )
            for row, reason, _ in rows
        ],
    )
    runs = [row["enrolment_id"] for row, _, _ in rows if row["enrolment_id"]]
    if runs:
        connection_of(session).execute(
            update(Enrolment).where(Enrolment.id.in_(runs), Enrolment.status == "active").values(due_at=now)
        )


@dataclass(frozen=True)
class Trouble:
    """The connection itself failed; the channel rests."""

    detail: str
    after: timedelta | None
    field: str | None = None  # set when it is misconfigured


def _hand_over(
    channel: Channel, outgoing: Sequence[Outgoing], journal: WireJournal
) -> tuple[list[Result], Trouble | None]:
    """Hand batches to the channel. Whatever it raises, every message gets exactly one honest result."""
    results: list[Result] = []
    trouble: Trouble | None = None
    size = max(1, channel.facts.batch_size)
    for start in range(0, len(outgoing), size):
        batch = outgoing[start : start + size]
        if trouble is not None:
            results += [Deferred(trouble.detail, trouble.after)] * len(batch)
            continue
        try:
            journal.still_ours()
            given = list(channel.send(batch, journal))
        except TryLater as error:
            trouble = Trouble(error.reason, error.after)
            results += _nothing_left(batch, journal, Deferred(error.reason, error.after))
        except Misconfigured as error:
            trouble = Trouble(str(error), timedelta(minutes=10), error.field)
            results += _nothing_left(batch, journal, Deferred(str(error), timedelta(minutes=10)))
        except NotBegunError as error:
            log.warning("a hand-over was broken off: %s", error)
            results += [journal.verdict(one, str(error)) for one in batch]
        except (Exception, SystemExit) as error:
            log.exception("the channel %s failed in the middle of a hand-over", channel.name)
            said = f"{type(error).__name__}: {error}"[:300]
            # The journal knows which it was, unless this channel keeps none: then each may have been.
            kept = any(one.message_id in journal.begun for one in batch)
            results += [journal.verdict(one, said) if kept else Unknown(said) for one in batch]
        else:
            given += [Unknown("no answer from the channel")] * (len(batch) - len(given))
            results += [
                result if isinstance(result, Result) else journal.verdict(one, f"not a result: {result!r}"[:300])
                for one, result in zip(batch, given[: len(batch)], strict=True)
            ]
    return results, trouble


def _nothing_left(batch: Sequence[Outgoing], journal: WireJournal, result: Deferred) -> list[Result]:
    """A channel that gives up says that nothing was handed over. What it noted as accepted before is believed more."""
    accepted = journal.answers.keys()
    return [journal.verdict(one, result.detail) if one.message_id in accepted else result for one in batch]


def _conclude(
    session: Session,
    channel: str,
    outgoing: Sequence[Outgoing],
    results: Sequence[Result],
    trouble: Trouble | None,
    tokens: Mapping[int, str],
) -> None:
    now = clock.now()
    pairs = list(zip((one.message_id for one in outgoing), results, strict=True))
    store_results(session, channel, pairs, now, tokens=tokens)
    key = f"channel:{channel}"
    if trouble is None:
        breaker.well(session, channel)
        resolve_issue(session, key)
        resolve_issue(session, f"channel_missing:{channel}")
        return
    until = breaker.trouble(session, channel, trouble.detail, now, trouble.after)
    raise_issue(
        session,
        key,
        code="channel_in_trouble",
        sentence=N_("Messages by %(channel)s are waiting: %(detail)s. We try again by ourselves."),
        params={"channel": channel, "detail": trouble.detail[:300], "until": until.isoformat()},
        severity="error" if trouble.field is not None else "warning",
        now=now,
    )


def persist(write: Callable[[Session], T]) -> T:
    """One writing transaction, however long the database takes to come back: what a provider answered must not be
    lost, and what we hold must not stay behind. `write` may be called again after a commit whose answer was lost."""
    pause = 0.05
    while True:
        try:
            with writing() as session:
                return write(session)
        except DBAPIError as error:
            if not (isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated):
                raise
            log.warning("the database asks us to wait: %s", error.orig)
            time.sleep(pause)
            pause = min(pause * 2, 5.0)


def _note_missing_channel(channel: str) -> None:
    with reading() as session:
        waiting = connection_of(session).execute(
            select(Message.id).where(Message.channel == channel, Message.status == "queued").limit(1)
        )
        if waiting.first() is None:
            return
    with writing() as session:
        raise_issue(
            session,
            f"channel_missing:{channel}",
            code="held_plugin",
            sentence=N_("Messages by %(channel)s are waiting: no plugin offers this channel. Switch its plugin on."),
            params={"channel": channel},
        )


def wire_journal() -> WireJournal:
    return _journal_of(os.getpid(), str(Path(current_app.instance_path) / "wire"))


@cache
def _journal_of(_pid: int, folder: str) -> WireJournal:
    return WireJournal(Path(folder))
