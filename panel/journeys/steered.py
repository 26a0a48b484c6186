"""What colleagues did to a run, in sentences that name them, and whose pin chose a channel: as it was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.calendars import Reader, show_moment
from panel.db import connection_of
from panel.engagement.models import ChannelPin
from panel.i18n import N_, translate
from panel.journeys.language import phrases
from panel.journeys.language.problems import isolate
from panel.staff.models import User
from panel.timeline.models import Event

SENTENCES = {
    "journey_paused": N_("%(date)s: %(name)s paused the journey for this contact."),
    "journey_resumed": N_("%(date)s: %(name)s let the journey go on."),
    "journey_step_skipped": N_("%(date)s: %(name)s skipped the step “%(step)s”."),
    "journey_moved": N_("%(date)s: %(name)s moved the contact on to the step “%(step)s”."),
    "journey_step_back": N_("%(date)s: %(name)s took that back: the contact is at the step where it stood."),
    "journey_put_back": N_("%(date)s: %(name)s put the contact back into the journey."),
    "wait_over": N_("%(date)s: %(name)s ended the wait."),
    "wait_moved": N_("%(date)s: %(name)s let it wait until %(until)s."),
    "wait_moved_back": N_("%(date)s: %(name)s put the wait back as it was."),
    "message_skipped": N_("%(date)s: %(name)s left a message out (%(channel)s)."),
    "planned_sooner": N_("%(date)s: %(name)s sent a message ahead of its time: %(what)s."),
    "planned_later": N_("%(date)s: %(name)s put a message off until %(until)s: %(what)s."),
    "planned_again": N_("%(date)s: %(name)s planned a message again as it was: %(what)s."),
    "journey_ended": N_("%(date)s: %(name)s took the contact out of the journey."),
}
# What kept something from coming; the rest made it come, or come then.
WITHHELD = frozenset({"journey_paused", "journey_step_skipped", "message_skipped", "journey_ended"})


def steered(session: Session, run_ids: Sequence[int], reader: Reader) -> tuple[list[str], list[str]]:
    """(what made it come, what kept it from coming), each as "3 March: Noa moved the contact on to …", oldest first."""
    rows = connection_of(session).execute(
        select(Event.kind, Event.occurred_at, Event.data, func.coalesce(func.nullif(User.name, ""), User.email))
        .join(User, User.id == Event.user_id)
        .where(Event.enrolment_id.in_(run_ids), Event.kind.in_(sorted(SENTENCES)))
        .order_by(Event.occurred_at, Event.id)
    )
    came: list[str] = []
    withheld: list[str] = []
    for kind, at, data, name in rows.all() if run_ids else ():
        values = {key: isolate(str((data or {}).get(key) or "…"), reader.language) for key in ("step", "what")}
        values["channel"] = phrases.channel(str((data or {}).get("channel") or ""), reader.language)
        until = str((data or {}).get("until") or "")
        values["until"] = show_moment(datetime.fromisoformat(until), reader) if until else "…"
        values |= {"date": show_moment(at, reader), "name": isolate(name, reader.language)}
        said = translate(reader.language, SENTENCES[kind], **values)
        if (data or {}).get("why"):
            said += " " + translate(reader.language, N_("Why: %(why)s"), why=isolate(str(data["why"]), reader.language))
        (withheld if kind in WITHHELD else came).append(said)
    return came, withheld


@dataclass(frozen=True)
class Pin:
    """A channel that a colleague pinned, for as long as it held."""

    channel: str
    since: datetime
    until: datetime | None
    name: str

    def held_at(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)


def pins_of(session: Session, ids: Sequence[int]) -> list[Pin]:
    """Every pin of this contact (and of the cards merged into it), the newest first."""
    rows = connection_of(session).execute(
        select(ChannelPin.channel, ChannelPin.pinned_at, ChannelPin.ended_at,
               func.coalesce(func.nullif(User.name, ""), User.email))
        .outerjoin(User, User.id == ChannelPin.user_id)
        .where(ChannelPin.contact_id.in_(ids))
        .order_by(ChannelPin.pinned_at.desc(), ChannelPin.id.desc())
    )  # fmt: skip
    return [Pin(channel, since, until, name or "") for channel, since, until, name in rows]


def pin_words(pins: Sequence[Pin], moment: datetime, reader: Reader, channel: str = "") -> str:
    """Who had pinned which channel when something was decided, as a sentence; "" when nothing was pinned then. Of a
    message that went by `channel` only a pin of that channel chose it."""
    found = next((one for one in pins if one.held_at(moment)), None)
    if found is None or (channel and found.channel != channel):
        return ""
    values = {"channel": phrases.channel(found.channel, reader.language), "date": show_moment(found.since, reader)}
    if not found.name:
        return translate(reader.language, N_("The preferred channel %(channel)s is pinned since %(date)s."), **values)
    sentence = N_("The preferred channel %(channel)s was pinned by %(name)s on %(date)s.")
    return translate(reader.language, sentence, name=isolate(found.name, reader.language), **values)


def asks_for_preference(tree: Mapping[str, Any]) -> bool:
    """Whether a judged condition looked at the preferred channel."""
    parts = tree.get("of") or ()
    return tree.get("test") == "prefers" or any(
        asks_for_preference(one) for one in ([parts] if isinstance(parts, Mapping) else parts)
    )
