"""Which channel a contact answers best, from what was sent and what came back.

An estimate that is honest about small numbers: on each channel the contact's own answers are added to what contacts do
on average there, as if `PRIOR` more messages had been answered like everybody's (the mean of a Beta posterior). So 1 of
1 does not beat 6 of 10, and 3 of 4 does. Old messages count less. What counts as an answer is a person's click or
reply; opens prove nothing (mail privacy proxies). How often it is right: bench/preference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from panel.contacts.sets import among
from panel.db import connection_of
from panel.i18n import N_, translate
from panel.messages.models import Message

ARRIVED = ("sent", "delivered")
PRIOR = 3.0
# How much a message of that age still says: it halves in about a year.
AGES = ((timedelta(days=90), 1.0), (timedelta(days=180), 0.8), (timedelta(days=365), 0.6), (timedelta(days=730), 0.35))
OLDER = 0.15
SAMPLE = 5_000  # the newest messages of everybody, for the average of each channel
ENOUGH = 50  # messages on a channel before its average alone may speak for somebody


@dataclass(frozen=True)
class Evidence:
    """Of `sent` messages that arrived on a channel, `answered` were clicked or replied to by a person."""

    channel: str
    sent: int
    answered: int


@dataclass(frozen=True)
class Weighed:
    """The same with older messages counting less."""

    sent: float
    answered: float


def preferred_channels(
    session: Session, contact_ids: Collection[int], now: datetime, *, guess: bool = False
) -> dict[int, tuple[str, tuple[Evidence, ...]]]:
    """The best channel per contact with the evidence for every channel; who never answered anything is left out.

    `guess` is for choosing a channel, not for saying what somebody prefers: then whoever got messages and answered
    none, or was never tried on a channel, is judged by what everybody does there (0 of 11 mails answered, SMS never
    tried: SMS). Two statements, whatever the number of contacts. The channels stand in the order of their names.
    """
    counted: dict[int, dict[str, Evidence]] = defaultdict(dict)
    weighed: dict[int, dict[str, Weighed]] = defaultdict(dict)
    answered = func.count(func.coalesce(Message.first_clicked_at, Message.replied_at))
    age = case(
        *((Message.sent_at >= now - limit, number) for number, (limit, _) in enumerate(AGES)), else_=len(AGES)
    ).label("age")
    query = (
        select(Message.contact_id, Message.channel, age, func.count(), answered)
        .where(
            among(session, Message.contact_id, contact_ids),
            Message.status.in_(ARRIVED),
            Message.kind == "message",
            Message.is_test.is_(False),
        )
        .group_by(Message.contact_id, Message.channel, age)
    )
    for contact_id, channel, number, sent, good in connection_of(session).execute(query):
        known = counted[contact_id].get(channel, Evidence(channel, 0, 0))
        counted[contact_id][channel] = Evidence(channel, known.sent + sent, known.answered + good)
        weight = AGES[number][1] if number < len(AGES) else OLDER
        before = weighed[contact_id].get(channel, Weighed(0, 0))
        weighed[contact_id][channel] = Weighed(before.sent + weight * sent, before.answered + weight * good)
    speaking = [id_ for id_, seen in counted.items() if guess or any(one.answered for one in seen.values())]
    if not speaking:
        return {}
    base = averages(session)
    found = {}
    for id_ in speaking:
        channel = best(weighed[id_], base, guess=guess)
        if channel is not None:
            found[id_] = (channel, tuple(counted[id_][name] for name in sorted(counted[id_])))
    return found


@dataclass(frozen=True)
class Average:
    """The share of messages that people answer on a channel, and from how many that is known."""

    share: float
    sent: int


def averages(session: Session) -> dict[str, Average]:
    """How often people answer on each channel, from the newest 5,000 messages that arrived."""
    newest = (
        select(Message.channel, func.coalesce(Message.first_clicked_at, Message.replied_at).label("answer"))
        .where(Message.status.in_(ARRIVED), Message.kind == "message", Message.is_test.is_(False))
        .order_by(Message.id.desc())
        .limit(SAMPLE)
        .subquery()
    )
    query = select(newest.c.channel, func.count(), func.count(newest.c.answer)).group_by(newest.c.channel)
    rows = connection_of(session).execute(query)
    return smoothed({channel: (sent, good) for channel, sent, good in rows})


def smoothed(counts: Mapping[str, tuple[int, int]]) -> dict[str, Average]:
    """Averages from {channel: (sent, answered)}: a channel with few messages is first taken to be like the others."""
    everywhere = (sum(good for _, good in counts.values()) + 1) / (sum(sent for sent, _ in counts.values()) + 10)
    return {name: Average((good + 10 * everywhere) / (sent + 10), sent) for name, (sent, good) in counts.items()}


def best(seen: Mapping[str, Weighed], base: Mapping[str, Average], *, guess: bool = False) -> str | None:
    """The channel with the highest expected share of answers; None when there is nothing to go by. Pure.

    Without `guess` only channels with an answer of the contact's own. A tie goes to the first by name.
    """
    names = {name for name, one in seen.items() if one.answered}
    if guess:
        names |= {name for name, average in base.items() if average.sent >= ENOUGH}
    if not names:
        return None
    nothing, unknown = Weighed(0, 0), Average(0.1, 0)
    return max(sorted(names), key=lambda name: expected(seen.get(name, nothing), base.get(name, unknown).share))


def expected(seen: Weighed, average: float) -> float:
    """The share of answers to expect on a channel: the contact's own, pulled towards the average. Pure."""
    return (seen.answered + PRIOR * average) / (seen.sent + PRIOR)


def evidence_words(evidence: Sequence[Evidence], channel_words: Mapping[str, str], language: str) -> str:
    """`SMS: 3 of 4 answered, e-mail: 0 of 11 answered`; `channel_words` names the channels in the reader's language."""
    said = [
        translate(
            language,
            N_("%(channel)s: %(answered)s of %(sent)s answered"),
            channel=channel_words.get(one.channel, one.channel),
            answered=one.answered,
            sent=one.sent,
        )
        for one in sorted(evidence, key=lambda one: (-one.answered, one.channel))
    ]
    return ", ".join(said)
