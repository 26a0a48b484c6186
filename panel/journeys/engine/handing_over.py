"""Handing marked messages to their channel. Whatever it raises, every message gets exactly one honest result."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue, resolve_issue
from panel.journeys.engine import breaker
from panel.journeys.engine.claiming import Claimed
from panel.journeys.engine.marking import WIRE_LEASE
from panel.journeys.engine.rates import Line
from panel.journeys.engine.results import store_results
from panel.journeys.engine.wire import NotBegunError, WireJournal
from panel.messages.models import Message
from panel.plugin_manager import manager
from panel.sdk.channels import Channel, Deferred, Failed, Outgoing, Result, Sent, Unknown
from panel.sdk.errors import Misconfigured, TryLater

log = logging.getLogger(__name__)
FAILURES = ("failed_address", "failed_provider")
LONGEST_PAUSE = timedelta(days=366)
LONGEST_ID = 200  # as wide as its column in the ledger


def expect(journal: WireJournal, going: Sequence[tuple[Claimed, Outgoing]], since: float) -> None:
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


@dataclass(frozen=True)
class Trouble:
    """The connection itself failed; the channel rests."""

    detail: str
    after: timedelta | None
    field: str | None = None  # set when it is misconfigured
    is_fault: bool = False  # not the connection but the plugin's own code; it need not rest


def hand_over(
    channel: Channel, outgoing: Sequence[Outgoing], journal: WireJournal, line: Line
) -> tuple[list[Result], Trouble | None]:
    """Hand batches to the channel. Whatever it raises, every message gets exactly one honest result."""
    results: list[Result] = []
    trouble: Trouble | None = None
    size = line.at_most(max(1, channel.facts.batch_size))
    for start in range(0, len(outgoing), size):
        batch = outgoing[start : start + size]
        if trouble is not None and not trouble.is_fault:
            results += [Deferred(trouble.detail, trouble.after)] * len(batch)
            continue
        try:
            line.turn()
            journal.still_ours()
            given = list(channel.send(batch, journal))
        except TryLater as error:
            later = deferred(error.reason, error.after)
            trouble = Trouble(later.detail, later.after)
            results += _nothing_left(batch, journal, later)
        except Misconfigured as error:
            trouble = Trouble(str(error), timedelta(minutes=10), error.field)
            results += _nothing_left(batch, journal, Deferred(str(error), timedelta(minutes=10)))
        except NotBegunError as error:
            log.warning("a hand-over was broken off: %s", error)
            results += [journal.verdict(one, str(error)) for one in batch]
        except (Exception, SystemExit) as error:
            log.exception("the channel %s failed in the middle of a hand-over", channel.name)
            said = f"{type(error).__name__}: {error}"[:300]
            trouble = Trouble(said, None, is_fault=True)
            # The journal knows which it was, unless this channel keeps none: then each may have been.
            kept = any(one.message_id in journal.begun for one in batch)
            results += [journal.verdict(one, said) if kept else Unknown(said) for one in batch]
        else:
            if fault := _fault_of(given, len(batch)):
                trouble = Trouble(fault, None, is_fault=True)
            given += [Unknown("no answer from the channel")] * (len(batch) - len(given))
            results += [
                storable(result)
                if isinstance(result, Result)
                else journal.verdict(one, f"not a result: {result!r}"[:300])
                for one, result in zip(batch, given[: len(batch)], strict=True)
            ]
    return results, trouble


def _fault_of(given: Sequence[object], expected: int) -> str | None:
    wrong = [one for one in given if not isinstance(one, Result)]
    if wrong:
        return f"{wrong[0]!r} is no result"[:300]
    return f"{len(given)} results for {expected} messages" if len(given) < expected else None


def deferred(reason: object, after: object) -> Deferred:
    """A plugin's wish to try later, in parts that the ledger can take."""
    pause = after if isinstance(after, timedelta) and timedelta(0) <= after <= LONGEST_PAUSE else None
    return Deferred(reason if isinstance(reason, str) else repr(reason)[:300], pause)


def storable(result: Result) -> Result:
    """A channel's answer with parts that the ledger can take: what kind of answer it is counts, whatever else a plugin
    wrote into it. One that cannot be stored would take the answers of its whole batch with it."""
    detail = result.detail if isinstance(result.detail, str) else repr(result.detail)[:300]
    match result:
        case Sent(provider_id=given):
            number = given if isinstance(given, str) else str(given) if isinstance(given, int) else None
            return Sent(number if number is None or len(number) <= LONGEST_ID else None, detail)
        case Failed(code=code, suppress=suppress):
            return Failed(code if code in FAILURES else "failed_provider", detail, suppress is True)
        case Deferred(after=after):
            return deferred(detail, after)
    return Unknown(detail)


def _nothing_left(batch: Sequence[Outgoing], journal: WireJournal, result: Deferred) -> list[Result]:
    """A channel that gives up says that nothing was handed over. What it noted as accepted before is believed more."""
    accepted = journal.answers.keys()
    return [journal.verdict(one, result.detail) if one.message_id in accepted else result for one in batch]


def conclude(
    session: Session,
    channel: str,
    handed_over: Sequence[Claimed],
    results: Sequence[Result],
    trouble: Trouble | None,
) -> None:
    """Store what became of messages, and how the channel does. `handed_over` are their rows as they were marked."""
    now = clock.now()
    fault = trouble.detail if trouble is not None and trouble.is_fault else None
    if fault is not None:
        trouble = None
    until = now if trouble is None else breaker.trouble(session, channel, trouble.detail, now, trouble.after)
    if trouble is not None:
        # Whom the channel's own trouble kept here goes with the others when it is over, however often it was tried.
        results = [
            replace(one, after=until - now)
            if isinstance(one, Deferred) and one.after is None and one.detail == trouble.detail
            else one
            for one in results
        ]
    pairs = list(zip((one.row["id"] for one in handed_over), results, strict=True))
    tokens = {one.row["id"]: one.token for one in handed_over}
    marked = {one.row["id"]: one.row for one in handed_over}
    store_results(session, channel, pairs, now, tokens=tokens, marked=marked)
    key = f"channel:{channel}"
    if trouble is None:
        breaker.well(session, channel)
        resolve_issue(session, key)
        resolve_issue(session, f"channel_missing:{channel}")
        if fault is None:
            resolve_issue(session, f"channel_failed:{channel}")
            return
        raise_issue(
            session,
            f"channel_failed:{channel}",
            code="channel_failed",
            sentence=N_(
                "The plugin %(plugin)s failed while it sent by %(channel)s: %(detail)s. What it had not begun is tried"
                " again by itself; where it is not sure, you are asked."
            ),
            params={
                "plugin": manager.current().channel_owner(channel) or channel,
                "channel": channel,
                "detail": fault,
            },
            now=now,
        )
        return
    raise_issue(
        session,
        key,
        code="channel_in_trouble",
        sentence=N_("Messages by %(channel)s are waiting: %(detail)s. We try again by ourselves."),
        params={"channel": channel, "detail": trouble.detail[:300], "until": until.isoformat()},
        severity="error" if trouble.field is not None else "warning",
        now=now,
    )
