"""Why one message went to this contact, or did not: from what started it to what became of it, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.calendars import Reader, show_moment
from panel.i18n import N_, translate
from panel.journeys.language import clauses
from panel.journeys.language.clauses import Labels
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.staff.models import User
from panel.timeline.models import Event
from panel.web.timeline import words
from panel.web.timeline.statuses import Remedy, Status, remedy_of, sentence_of, status_of
from panel.web.timeline.steps import step_sentence
from panel.web.timeline.trace import Trace, trace


@dataclass(frozen=True)
class Link:
    """One link of the chain: an icon, what it is about, and its sentences."""

    icon: str
    heading: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Reached:
    status: Status
    sentence: str
    remedy: Remedy
    links: tuple[Link, ...]


def reached(session: Session, message: Message, reader: Reader, names: Labels) -> Reached:
    """The whole chain of a message, from what was stored at the time."""
    status = status_of(message.status, message.reason)
    run = session.get(Enrolment, message.enrolment_id) if message.enrolment_id else None
    links = _of_journey(message, trace(session, run, reader, names), reader, names) if run else []
    if not links:
        links = [_by_hand(session, message, reader)]
    links.append(_when(message, reader))
    return Reached(
        status,
        sentence_of(status, message.reason, reader.language),
        remedy_of(status, message.reason),
        tuple(one for one in links if one.sentences),
    )


def _of_journey(message: Message, told: Trace, reader: Reader, names: Labels) -> list[Link]:
    language, resolved = reader.language, told.program.resolved

    def say(sentence: str, **params: str) -> str:
        return translate(language, sentence, **params)

    entered = say(N_("Entered on %(date)s."), date=show_moment(told.run.entered_at, reader))
    rules = []
    if resolved.get("only_if"):
        condition = clauses.condition(resolved["only_if"], language, names)
        rules.append(say(N_("Only who fulfils this enters, and it held then: %(condition)s."), condition=condition))
    if resolved.get("exclude_if"):
        condition = clauses.condition(resolved["exclude_if"], language, names)
        sentence = N_("Left out are those of whom this is true, and it was not: %(condition)s.")
        if message.reason == "excluded":
            sentence = N_("Left out are those of whom this is true, and it was: %(condition)s.")
        rules.append(say(sentence, condition=condition))
    way = []
    for one in told.taken:
        if any(sent.id == message.id for sent in one.messages):
            break
        way.append(say(N_("%(step)s: %(outcome)s"), step=one.step, outcome=" ".join((one.outcome, *one.more))))
    step = step_sentence(resolved, message.step_id, language, names)  # type: ignore[arg-type]
    here = [say(N_("%(step)s."), step=step)] if step else []
    here.append(_to(message, reader))
    return [
        Link("route", translate(language, N_("What started it")), (entered, *told.began)),
        Link("filter", translate(language, N_("Whom the journey takes in")), tuple(rules)),
        Link("git-branch", translate(language, N_("The way to this message")), tuple(way)),
        Link("send", translate(language, N_("The step")), tuple(here)),
    ]


def _by_hand(session: Session, message: Message, reader: Reader) -> Link:
    """A message without a journey: a colleague wrote it."""
    who = session.execute(
        select(User.name, User.email)
        .join(Event, Event.user_id == User.id)
        .where(Event.message_id == message.id)
        .limit(1)
    ).first()
    language = reader.language
    if who is not None:
        said = translate(language, N_("%(name)s wrote it personally."), name=who.name or who.email)
    else:
        said = translate(language, N_("It belongs to no journey: a colleague wrote it, or it was a test."))
    return Link("user", translate(language, N_("What started it")), (said, _to(message, reader)))


def _to(message: Message, reader: Reader) -> str:
    channel = words.channel_words(message.channel, reader.language)
    if not message.address:
        return translate(reader.language, N_("By %(channel)s."), channel=channel)
    return translate(reader.language, N_("By %(channel)s, to %(address)s."), channel=channel, address=message.address)


def _when(message: Message, reader: Reader) -> Link:
    """The moment it was meant for, the one it was put off to, and when it left."""
    language = reader.language

    def say(sentence: str, moment: object) -> str:
        return translate(language, sentence, date=show_moment(moment, reader))  # type: ignore[arg-type]

    said = [say(N_("It was meant for %(date)s."), message.planned_at)]
    if message.not_before > message.planned_at and (message.wire_at or message.not_before) >= message.not_before:
        said.append(say(N_("Hours, limits or a colleague put it off: not before %(date)s."), message.not_before))
    if message.expires_at is not None and message.wire_at is None:
        said.append(say(N_("After %(date)s it would be too late."), message.expires_at))
    if message.wire_at is not None:
        said.append(say(N_("It left on %(date)s."), message.wire_at))
    if message.delivered_at is not None:
        said.append(say(N_("It was delivered on %(date)s."), message.delivered_at))
    return Link("clock", translate(language, N_("When")), tuple(said))
