"""What is still to come for a contact: planned messages and what open journeys wait for, soonest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from markupsafe import Markup

from panel import clock
from panel.calendars import Reader
from panel.i18n import N_, translate
from panel.journeys import reasons as journey_reasons
from panel.messages import reasons as message_reasons
from panel.tasks.models import Task
from panel.web.timeline import words
from panel.web.timeline.card import Inside
from panel.web.timeline.facts import MessageFact
from panel.web.timeline.statuses import status_of
from panel.web.timeline.steps import step_sentence, waiting_words

_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Coming:
    """`at` is when to expect it at the earliest; None: when something happens, or when a person helps."""

    key: str
    icon: str
    tone: str
    title: Markup
    at: datetime | None
    remark: str = ""
    why: Markup | None = None
    journey_id: str | None = None
    is_late: bool = False
    message_id: int | None = None
    is_personal: bool = False
    is_movable: bool = False
    is_ahead: bool = False  # more than a minute: "now" would make a difference
    run_id: int | None = None
    until: str = ""  # the end of a wait as the page shows it: whoever moves it names it


class ToDo(Protocol):
    """An open task as the page shows it: when it is wanted, for whom."""

    @property
    def task(self) -> Task: ...
    @property
    def who(self) -> str: ...
    @property
    def wanted_at(self) -> datetime | None: ...


def coming_up(
    pending: Sequence[MessageFact], inside: Sequence[Inside], reader: Reader, tasks: Sequence[ToDo] = ()
) -> list[Coming]:
    found = [_message(message, reader) for message in pending]
    found += [_task(one, reader) for one in tasks]
    # A run that is sending stands behind the message above; it is not said twice.
    sending = {(message.journey_id, message.step_id) for message in pending}
    found += [_run(run, reader) for run in inside if (run.journey_id, run.step_id) not in sending]
    return sorted(found, key=lambda one: (one.at or _LATEST, one.key))


def _message(message: MessageFact, reader: Reader) -> Coming:
    language = reader.language
    title = Markup("<strong>{}</strong>").format(words.channel_words(message.channel, language))
    subject = message.subject or message.template or message.text
    if subject:
        title += Markup(' <span class="item-subject">{}</span>').format(words.isolated(subject[:120]))
    held = message.status == "held"
    remark = ""
    if message.reason:
        known = message.reason in message_reasons.SENTENCES
        remark = (message_reasons.words if known else journey_reasons.step_words)(message.reason, language)
    goes = message.not_before is not None and message.not_before <= clock.now() + timedelta(minutes=1)
    if message.journey_id is None and goes and message.status == "queued" and not remark:
        remark = translate(language, N_("Goes out now."))
    why = None
    if message.journey_id:
        why = words.fill(
            language, N_("From the journey %(journey)s"), {"journey": message.journey or message.journey_id}
        )
    elif message.written_by:
        why = words.fill(language, N_("Written by %(name)s"), {"name": message.written_by})
    return Coming(
        f"m{message.id}",
        status_of(message.status, message.reason).icon if held else words.channel_icon(message.channel),
        "amber" if held else "grey",
        title,
        None if held else message.not_before or message.planned_at,
        remark,
        why,
        message.journey_id,
        message_id=message.id if message.status != "on_wire" else None,
        is_personal=message.journey_id is None,
        is_movable=message.status == "queued",
        is_ahead=not goes,
    )


def _task(one: ToDo, reader: Reader) -> Coming:
    title = words.fill(reader.language, N_("Task for %(who)s: %(title)s"), {"who": one.who, "title": one.task.title})
    late = one.wanted_at is not None and one.wanted_at <= clock.now()
    remark = translate(reader.language, N_("Late: it should be done by now.")) if late else ""
    return Coming(f"t{one.task.id}", "checkbox", "amber", title, one.wanted_at, remark, is_late=late)


def _run(run: Inside, reader: Reader) -> Coming:
    language = reader.language
    by_hand = run.status == "held" and run.reason == journey_reasons.PAUSED
    held = run.status == "held" and not by_hand
    paused = run.state == "paused" or by_hand
    title = Markup("<strong>{}</strong>").format(words.isolated(run.name))
    if held:
        remark = translate(language, N_("Stands still until somebody helps; the page of issues says why."))
    elif by_hand:
        remark = journey_reasons.step_words(journey_reasons.PAUSED, language)
    elif paused:
        remark = translate(language, N_("The journey is paused; everybody keeps their place."))
    elif run.phase == "waiting":
        remark = waiting_words(run.wait, language)
    else:
        remark = step_sentence(run.resolved, run.step_id, language)
    return Coming(
        f"j{run.enrolment_id}",
        "hand-stop" if held else "player-pause" if paused else "hourglass",
        "amber" if held or paused else "grey",
        title,
        None if held or paused or run.wait.get("kind") == "task" else run.due_at,
        remark,
        None,
        run.journey_id,
        run_id=run.enrolment_id,
        until=str(run.wait.get("until") or "") if _can_be_moved(run) else "",
    )


def _can_be_moved(run: Inside) -> bool:
    waits = run.phase == "waiting" and run.wait.get("kind") in ("wait", "wait_for")
    return waits and run.status == "active" and run.state != "paused"
