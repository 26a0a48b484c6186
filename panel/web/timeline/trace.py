"""One run for its page: how it began, every step with what was seen and decided there, the version it goes by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.calendars import Reader, show_number
from panel.contacts.queries import aliases
from panel.i18n import N_, translate
from panel.journeys import reasons
from panel.journeys.drawing import Visit, way_words
from panel.journeys.engine.following import key_of
from panel.journeys.engine.programs import Program, as_trigger, programs
from panel.journeys.judged import seen_words
from panel.journeys.language import clauses
from panel.journeys.language.clauses import Labels
from panel.journeys.models import Enrolment, Journey, StepRun
from panel.messages.models import Message
from panel.staff.models import User
from panel.timeline.models import Event
from panel.web.timeline import words
from panel.web.timeline.statuses import Status, status_of
from panel.web.timeline.steps import step_icon, step_sentence
from panel.web.timeline.why import reason_words

_ABSENT: dict[str, Any] = {"where": [], "within": None, "since": None, "times": None, "value": ""}
_JOINS = {"all": N_("All of these:"), "any": N_("At least one of these:"), "not": N_("Not:")}


@dataclass(frozen=True)
class Asked:
    """A condition as it was judged: words, how it came out (None: it could not be judged), what was seen, its parts."""

    words: str
    held: bool | None
    seen: str = ""
    parts: tuple[Asked, ...] = ()


@dataclass(frozen=True)
class Sent:
    """A message of this step: where it stands now, and whether it can be shown as it went out."""

    id: int
    status: Status
    address: str
    channel: str
    reason: str
    can_be_shown: bool


@dataclass(frozen=True)
class Taken:
    """One visit of one step."""

    number: int
    icon: str
    step: str
    began_at: datetime
    ended_at: datetime
    outcome: str
    more: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()
    messages: tuple[Sent, ...] = ()
    is_trouble: bool = False


@dataclass(frozen=True)
class Trace:
    """`began`: what started the run, by whom; `version`: which it goes by, and what becomes of it; `visits` are for
    the picture, `planned` the messages of the step it stands at."""

    run: Enrolment
    journey: Journey
    program: Program
    began: tuple[str, ...]
    version: str
    taken: tuple[Taken, ...]
    visits: tuple[Visit, ...]
    planned: tuple[Sent, ...] = ()
    paused: str = ""
    paused_why: str = ""
    lost: int = field(default=0)  # visits of steps that this version does not have


def trace(session: Session, run: Enrolment, reader: Reader, names: Labels) -> Trace:
    """Everything that was written down about a run, oldest first."""
    journey = session.get_one(Journey, run.journey_id)
    rows = session.scalars(select(StepRun).where(StepRun.enrolment_id == run.id).order_by(StepRun.seq)).all()
    known = programs(session, {run.version_id, *(one.version_id for one in rows), journey.live_version_id or 0})
    program = known[run.version_id]
    messages: dict[tuple[str | None, int], list[Sent]] = {}
    for message in session.scalars(select(Message).where(Message.enrolment_id == run.id).order_by(Message.id)):
        messages.setdefault((message.step_id, _visit_no(message, run.id)), []).append(_sent(message, reader))
    people = _people(session, rows, run)
    taken = tuple(_taken(one, known, messages, people, reader, names) for one in rows)
    visits = tuple(
        Visit(_key(known, one), one.outcome, one.ended_at, one.detail or {}) for one in rows if one.version_id in known
    )
    paused = (run.data or {}).get("paused") or {}
    return Trace(
        run=run,
        journey=journey,
        program=program,
        began=tuple(_began(session, run, program, reader, names)),
        version=_version(program, known.get(journey.live_version_id or 0), run, journey, reader),
        taken=taken,
        visits=visits,
        planned=tuple(messages.get((run.step_id, run.seq), ())) if run.ended_at is None else (),
        paused=people.get(paused.get("by"), "") if paused else "",
        paused_why=str(paused.get("why") or ""),
        lost=sum(1 for one in visits if one.key not in program.by_key),
    )


def _key(known: Mapping[int, Program], row: StepRun) -> str:
    step = known[row.version_id].steps.get(row.step_id)
    return key_of(step) if step is not None else row.step_id


def _visit_no(message: Message, run_id: int) -> int:
    """Which visit planned a message: its key says so."""
    parts = message.dedupe_key.split(":")
    return int(parts[2]) if len(parts) > 2 and parts[1] == str(run_id) and parts[2].isdigit() else -1


def _people(session: Session, rows: Sequence[StepRun], run: Enrolment) -> dict[Any, str]:
    ids = {(one.detail or {}).get("by") for one in rows if isinstance((one.detail or {}).get("by"), int)}
    ids |= {((run.data or {}).get("paused") or {}).get("by")} - {None}
    if not ids:
        return {}
    return {id_: name or email for id_, name, email in session.execute(
        select(User.id, User.name, User.email).where(User.id.in_(ids)))}  # fmt: skip


def _sent(message: Message, reader: Reader) -> Sent:
    return Sent(
        message.id,
        status_of(message.status, message.reason),
        message.address or "",
        words.channel_words(message.channel, reader.language),
        reason_words(message.reason, reader.language) if message.reason else "",
        message.skeleton is not None,
    )


def _taken(
    row: StepRun,
    known: Mapping[int, Program],
    messages: Mapping[tuple[str | None, int], Sequence[Sent]],
    people: Mapping[Any, str],
    reader: Reader,
    names: Labels,
) -> Taken:
    language, detail = reader.language, row.detail or {}
    program = known.get(row.version_id)
    visit = Visit(row.step_id, row.outcome, row.ended_at, detail)
    way = way_words(program.resolved, visit, row.step_id, language, names) if program else ""  # type: ignore[arg-type]
    more = []
    if row.reason and row.reason not in ("winner", row.outcome):
        more.append(reason_words(row.reason, language))
    if row.reason == "winner":
        more.append(reasons.step_words("winner", language))
    if detail.get("variant"):
        more.append(translate(language, N_("The variant: %(name)s."), name=str(detail["variant"])))
    elif way:
        more.append(translate(language, N_("The way: %(name)s."), name=way))
    if people.get(detail.get("by")):
        more.append(translate(language, N_("Decided by %(name)s."), name=people[detail["by"]]))
    if detail.get("moved_to_version"):
        number = show_number(int(detail["moved_to_version"]), reader)
        more.append(translate(language, N_("From here on by version %(number)s."), number=number))
    trees = [detail["condition"]] if detail.get("condition") else list(detail.get("conditions") or ())
    return Taken(
        number=row.seq + 1,
        icon=step_icon(row.kind),
        step=step_sentence(program.resolved if program else None, row.step_id, language, names),  # type: ignore[arg-type]
        began_at=row.began_at,
        ended_at=row.ended_at,
        outcome=reasons.step_words(row.outcome, language),
        more=tuple(more),
        asked=tuple(_asked(tree, reader, row.ended_at, names) for tree in trees),
        messages=tuple(messages.get((row.step_id, row.seq), ())),
        is_trouble=row.outcome.startswith(("held_missing", "held_error", "held_plugin")),
    )


def _asked(tree: Mapping[str, Any], reader: Reader, at: datetime, names: Labels) -> Asked:
    held = None if tree.get("result") is None else bool(tree["result"])
    parts = tree.get("of")
    if parts is not None:
        found = [parts] if isinstance(parts, Mapping) else parts
        joined = translate(reader.language, _JOINS.get(str(tree.get("test")), _JOINS["all"]))
        return Asked(joined, held, parts=tuple(_asked(one, reader, at, names) for one in found))
    try:
        said = clauses.condition({**_ABSENT, **tree}, reader.language, names)
    except KeyError:
        said = str(tree.get("test"))  # written by a newer version, or by a plugin that is gone
    return Asked(said, held, seen_words(tree.get("seen"), reader, at))


def _began(session: Session, run: Enrolment, program: Program, reader: Reader, names: Labels) -> list[str]:
    """What started the run, where we know it from, and who did it, each as a sentence."""
    language = reader.language
    said = []
    name = str(((run.data or {}).get("run") or {}).get("entry.trigger") or "")
    entered = session.execute(
        select(Event.data, Event.user_id, User.name, User.email)
        .outerjoin(User, User.id == Event.user_id)
        .where(Event.enrolment_id == run.id, Event.kind == "journey_entered")
        .limit(1)
    ).first()
    because = name or str((entered.data or {}).get("because") or "") if entered else name
    who = (entered.name or entered.email or "") if entered else ""
    if because == "manual":
        if who:
            said.append(translate(language, N_("Started by hand, by %(name)s."), name=who))
        else:
            said.append(translate(language, N_("Started by hand.")))
    elif because:
        raw = _trigger(program, because)
        clause = clauses.trigger(raw, language, names) if raw else words.trigger_words(because, language)
        said.append(translate(language, N_("It started because %(trigger)s."), trigger=clause))
    # By its contact too, as the record of events is kept by contact; it may have come to a card that was merged in.
    theirs = Event.contact_id.in_(aliases(session, run.contact_id)), Event.id == run.entered_event
    event = session.scalars(select(Event).where(*theirs)).first() if run.entered_event else None
    if event is not None:
        said += _source(event, reader, session)
    return said


def _trigger(program: Program, name: str) -> dict[str, Any] | None:
    for raw in program.resolved["start_when"]:
        trigger = as_trigger(raw)
        if name in (raw["on"], raw.get("field"), trigger.name if trigger else None):
            return dict(raw)
    return None


def _source(event: Event, reader: Reader, session: Session) -> list[str]:
    """Where the starting event came from: a form, a page, a file and its row, a colleague, a connected system."""
    language, data = reader.language, event.data or {}
    detail = data.get("detail")
    place: Mapping[str, Any] = detail if isinstance(detail, Mapping) else data

    def say(sentence: str, **params: Any) -> str:
        return translate(language, sentence, **params)

    said = []
    if place.get("file"):
        row = place.get("row")
        if row:
            said.append(say(N_("It came with the file %(file)s, row %(row)s."), file=str(place["file"]),
                            row=show_number(int(row), reader)))  # fmt: skip
        else:
            said.append(say(N_("It came with the file %(file)s."), file=str(place["file"])))
    elif data.get("form"):
        said.append(say(N_("It came through the form %(form)s."), form=str(data["form"])))
    elif data.get("page"):
        said.append(say(N_("It came through the page %(page)s."), page=str(data["page"])))
    if event.user_id is not None:
        user = session.get(User, event.user_id)
        if user is not None:
            said.append(say(N_("It was done by %(name)s."), name=user.name or user.email))
    elif not said:
        known = {"api": N_("It came through the API."), "journeys": N_("Another journey did it.")}.get(event.source)
        if known:
            said.append(say(known))
        elif event.source and event.source not in ("panel", "system", "engine"):
            said.append(say(N_("It was told by %(source)s."), source=words.how_words(event.source, language)))
    return said


def _version(own: Program, live: Program | None, run: Enrolment, journey: Journey, reader: Reader) -> str:
    """Which version the run goes by, and whether it will go over to the live one."""
    language = reader.language
    number = show_number(own.number, reader)
    if live is None or live.version_id == own.version_id:
        return translate(language, N_("Version %(number)s, the live one."), number=number)
    newest = show_number(live.number, reader)
    if run.ended_at is not None:
        sentence = N_("Version %(number)s; by now version %(newest)s is live.")
    elif live.moves_people:
        sentence = N_(
            "Version %(number)s. Version %(newest)s is live: the contact goes over to it at the next step that both"
            " have."
        )
    else:
        sentence = N_("Version %(number)s. Version %(newest)s is live, but whoever is inside finishes by the old one.")
    return translate(language, sentence, number=number, newest=newest)
