"""The preview sender: messages pass the very checks of the real one, are written, and go nowhere.

No channel is opened. A message that may go is marked as gone in the copy, as if the provider had answered at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from panel.db import connection_of, rows_of, table_of
from panel.journeys.engine.checks import decide, decide_calls
from panel.journeys.engine.claiming import Claimed
from panel.journeys.engine.marking import not_now
from panel.journeys.engine.results import store_results
from panel.journeys.engine.verbs.calling import ACTION
from panel.journeys.engine.written import not_rendered
from panel.journeys.models import Journey
from panel.journeys.simulate.installed import settings
from panel.messages.facts import Person
from panel.messages.models import Message
from panel.messages.preview import PIXEL, taken_apart
from panel.messages.rendering import NotRendered, Rendered, Renderer
from panel.messages.skeletons import Compiled
from panel.plugin_manager import manager
from panel.sdk.channels import Channel, Result, Sent, Shown

TOKEN = "simulated"  # noqa: S105 - marks a row of the copy, opens nothing
MESSAGES = table_of(Message)
Fate = Callable[[Mapping[str, Any]], Result]


def goes_out(_row: Mapping[str, Any]) -> Result:
    return Sent()


class PreviewRenderer(Renderer):
    """Without tracking: links show where they lead, our own links lead nowhere."""

    targets: Sequence[str] = ()

    def fill(
        self, row: Mapping[str, Any], compiled: Compiled, channel: Channel, person: Person, address: str
    ) -> Rendered | NotRendered:
        self.targets = compiled.skeleton.links
        return super().fill(row, compiled, channel, person, address)

    def link_target(self, kind: str, message_id: int, number: int) -> str:
        if kind == "link":
            return self.targets[number] if number < len(self.targets) else "#"
        return PIXEL if kind == "pixel" else self._addresses.base + "/u/preview"


def send_due(session: Session, now: datetime, fate: Fate = goes_out, shown: dict[int, Shown] | None = None) -> int:
    """Send what is due in the copy; returns how many messages were looked at.

    `fate` says what the provider answers. What each message says is put into `shown`, by its id.
    """
    paused = select(Journey.id).where(Journey.state.in_(("paused", "draft")))
    rows = rows_of(
        session,
        select(MESSAGES)
        .where(
            Message.status == "queued",
            Message.not_before <= now,
            func.coalesce(Message.journey_id, "").not_in(paused),
        )
        .order_by(Message.priority, Message.not_before, Message.id),
    )
    first: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        first.setdefault((row["channel"], row["contact_id"]), row)
    for channel in dict.fromkeys(name for name, _ in first):
        _send(session, channel, [row for (name, _), row in first.items() if name == channel], now, fate, shown)
    return len(first)


def _send(
    session: Session,
    channel: str,
    rows: Sequence[dict[str, Any]],
    now: datetime,
    fate: Fate,
    shown: dict[int, Shown] | None,
) -> None:
    connection_of(session).execute(
        update(MESSAGES)
        .where(MESSAGES.c.id == bindparam("m_id"))
        .values(status="claimed", attempt=MESSAGES.c.attempt + 1, attempt_token=TOKEN),
        [{"m_id": row["id"]} for row in rows],
    )
    claimed = {row["id"]: Claimed(row, TOKEN) for row in rows}
    if channel == ACTION:
        _carry_out(session, claimed, now)
        return
    written = _written(session, channel, claimed)
    decisions = decide(session, [claimed[id_].row for id_ in written], now) if written else {}
    going = []
    for id_, text in written.items():
        if decisions[id_].verdict == "go":
            going.append(text)
        else:
            not_now(session, claimed[id_], decisions[id_], now)
    if not going:
        return
    connection_of(session).execute(
        update(MESSAGES)
        .where(MESSAGES.c.id == bindparam("m_id"))
        .values(
            status="on_wire", reason=None, wire_at=now, subject=bindparam("m_subject"), address=bindparam("m_address"),
            language=bindparam("m_language"), skeleton=bindparam("m_skeleton"), values=bindparam("m_values"),
        ),
        [
            {"m_id": one.message_id, "m_subject": one.subject, "m_address": one.address, "m_language": one.language,
             "m_skeleton": one.skeleton_sha256, "m_values": one.values}
            for one in going
        ],
    )  # fmt: skip
    if shown is not None:
        offered = manager.current().channels()[channel]
        shown |= {one.message_id: taken_apart(offered, one.payload, one.subject) for one in going}
    store_results(session, channel, [(one.message_id, fate(claimed[one.message_id].row)) for one in going], now)


def _carry_out(session: Session, claimed: Mapping[int, Claimed], now: datetime) -> None:
    """Calls of plugins' actions: decided as ever, then taken as done. No plugin is asked for anything."""
    decisions = decide_calls(session, [one.row for one in claimed.values()], now)
    going = [id_ for id_ in claimed if decisions[id_].verdict == "go"]
    for id_ in claimed.keys() - set(going):
        not_now(session, claimed[id_], decisions[id_], now)
    connection_of(session).execute(
        update(MESSAGES).where(MESSAGES.c.id.in_(going)).values(status="on_wire", wire_at=now)
    )
    store_results(session, ACTION, [(id_, Sent()) for id_ in going], now)


def _written(session: Session, channel: str, claimed: Mapping[int, Claimed]) -> dict[int, Rendered]:
    """The messages that can be written; the others are held or skipped, as they would be."""
    offered = manager.current().channels().get(channel)
    if offered is None:
        for one in claimed.values():
            not_rendered(session, one, NotRendered(one.row["id"], "held_missing_template", channel))
        return {}
    renderer = PreviewRenderer(session, {channel: offered}, settings().public_url, b"preview")
    written = {}
    for outcome in renderer.render([one.row for one in claimed.values()]):
        if isinstance(outcome, Rendered):
            written[outcome.message_id] = outcome
        else:
            not_rendered(session, claimed[outcome.message_id], outcome)
    return written
