"""The last checks, and the mark `on_wire`: what may go, what may not and why, what must wait and until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.addresses import plain_mailbox
from panel.contacts.sets import among
from panel.copying import update_rows
from panel.db import connection_of, db, reading
from panel.journeys.engine import crash
from panel.journeys.engine.checks import Decision, decide, lock_contacts
from panel.journeys.engine.claiming import Claimed
from panel.journeys.engine.ending import end_runs
from panel.journeys.engine.lastlook import touched_since
from panel.journeys.engine.looking_again import places_are_free
from panel.journeys.engine.persisting import persist
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.messages.rendering import Rendered
from panel.sdk.channels import Outgoing
from panel.timeline.operations import NewEvent, record_many

# Longer than the longest hand-over: SMTP may take 10 minutes to answer (RFC 5321). Renewed after an eighth of it.
WIRE_LEASE = crash.lease(timedelta(minutes=12))
MARKED = ("status", "reason", "wire_at", "lease_until", "skeleton", "values", "content_sha256", "subject", "language",
          "address", "mailbox")  # fmt: skip
COMMITS_WITHIN = timedelta(minutes=1)  # a writer notes the moment, then commits: seldom later than this


def mark(session: Session, ready: Sequence[tuple[Claimed, Rendered]]) -> list[tuple[Claimed, Outgoing]]:
    """The last checks, and `on_wire` for what may go. Nothing may be handed over before this is committed."""
    lock_contacts(session, sorted({one.row["contact_id"] for one, _ in ready}))
    now = clock.now()  # not before: others may have held the contacts for as long as it took the hours to close
    marked = _mark(session, ready, now)
    if marked is None:
        # Some were taken from us, or were marked in a commit whose answer was lost with the connection.
        marked = _mark(session, _ours(session, ready), now, locked=True)
    crash.point("before_on_wire_commit")
    return marked or []


def _mark(
    session: Session, ready: Sequence[tuple[Claimed, Rendered]], now: datetime, *, locked: bool = False
) -> list[tuple[Claimed, Outgoing]] | None:
    """Decide and mark. None, and nothing changed, when some of them turn out not to be in the state we left them in."""
    decisions = decide(session, [one.row for one, _ in ready], now) if ready else {}
    elsewhere = {one.row["id"] for one, text in ready if _is_for_another_address(one, text, decisions[one.row["id"]])}
    may_go = {id_ for id_, decision in decisions.items() if decision.verdict == "go"} - elsewhere
    going = [(one, text) for one, text in ready if one.row["id"] in may_go]
    kept = [(one, text) for one, text in ready if one.row["id"] not in may_go]
    until = now + WIRE_LEASE
    rows = [
        ("on_wire", None, now, until, text.skeleton_sha256, text.values, text.content_sha256, text.subject,
         text.language, text.address, plain_mailbox(text.address), *(() if locked else ("claimed", one.token)),
         one.row["id"])
        for one, text in sorted(going, key=lambda pair: pair[0].row["id"])  # everybody locks in this order
    ]  # fmt: skip
    try:
        with session.begin_nested():
            same = () if locked else ("status", "attempt_token")
            if update_rows(connection_of(session), Message, MARKED, rows, same=same) < len(rows):
                raise _NotOursError
            if not locked and len(_ours(session, kept)) < len(kept):
                raise _NotOursError
    except _NotOursError:
        return None
    for one, _ in kept:
        if one.row["id"] in elsewhere:
            _write_anew(session, one, now)
        else:
            not_now(session, one, decisions[one.row["id"]], now)
    never = [one.row for one, _ in kept if decisions[one.row["id"]].verdict in ("skip", "cancel", "end")]
    places_are_free(session, {row["contact_id"] for row in never}, {row["address"] for row in never}, now)
    return [(_marked(one, text, now), _outgoing(one, text)) for one, text in going]


def _is_for_another_address(one: Claimed, text: Rendered, decision: Decision) -> bool:
    """What was judged is the address of now; this was written for the one that the contact had before."""
    is_chosen = bool((one.row["rules"] or {}).get("to"))
    return decision.verdict == "go" and not is_chosen and decision.address not in (None, text.address)


def _write_anew(session: Session, one: Claimed, now: datetime) -> None:
    """Back into the queue, to be written for the address of now; not even a retry goes where nobody is any more."""
    mine = (Message.id == one.row["id"], Message.attempt_token == one.token)
    fresh = {"status": "queued", "reason": None, "not_before": now, "lease_until": None, "wire_at": None}
    forgotten = dict.fromkeys(("address", "mailbox", "skeleton", "values", "content_sha256"))
    connection_of(session).execute(update(Message).where(*mine).values({**fresh, **forgotten}))


class _NotOursError(Exception):
    """Somebody else has changed what we hold."""


def _ours(session: Session, ready: Sequence[tuple[Claimed, Rendered]]) -> list[tuple[Claimed, Rendered]]:
    """Those that are still ours, locked, so that no reaper takes them between this look and the mark. Already `on_wire`
    is what we marked in a commit whose answer was lost with the connection: nothing of it was begun."""
    if not ready:
        return []
    tokens = {one.row["id"]: one.token for one, _ in ready}
    query = (
        select(Message.id, Message.attempt_token)
        .where(among(session, Message.id, tokens), Message.status.in_(("claimed", "on_wire")))
        .order_by(Message.id)
        .with_for_update()
    )
    ours = {id_ for id_, token in connection_of(session).execute(query).all() if token == tokens[id_]}
    return [(one, text) for one, text in ready if one.row["id"] in ours]


def _marked(one: Claimed, text: Rendered, now: datetime) -> Claimed:
    """The row as it stands in the ledger now."""
    row = {**one.row, "status": "on_wire", "attempt": one.row["attempt"] + 1, "attempt_token": one.token}
    row |= {"wire_at": now, "address": text.address, "subject": text.subject}
    return Claimed(row, one.token)


def _outgoing(one: Claimed, text: Rendered) -> Outgoing:
    row = one.row
    return Outgoing(row["id"], row["our_message_id"], text.address, text.payload, text.language, row["attempt"] + 1)


def last_look(going: list[tuple[Claimed, Outgoing]], since: datetime) -> list[tuple[Claimed, Outgoing]]:
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
    skipped(session, [(row, decision.reason or "", decision.detail)], now)
    if decision.verdict == "end" and row["enrolment_id"]:
        ended = decision.ends or ("excluded" if decision.reason == "excluded" else "stopped")
        end_runs(session, [row["enrolment_id"]], ended, ended, now, detail={row["enrolment_id"]: dict(decision.detail)})


def skipped(session: Session, rows: Sequence[tuple[Mapping[str, Any], str, Mapping[str, Any]]], now: datetime) -> None:
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
