"""Which channel a contact answers best, from what was sent and what came back.

An estimate that is honest about small numbers: on each channel the contact's own answers are added to what contacts do
on average there, as if `PRIOR` more messages had been answered like everybody's (the mean of a Beta posterior). So 1 of
1 does not beat 6 of 10, and 3 of 4 does. Old messages count less. What counts as an answer is a person's click or
reply; opens prove nothing (mail privacy proxies). How often it is right: bench/preference.

What a colleague pinned (`pins`) wins over every estimate.
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
from panel.engagement.pins import pinned
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
    tried: SMS). Three statements, whatever the number of contacts. The channels stand in the order of their names.
    """
    counted, weighed = _answers(session, contact_ids, now)
    settled = pinned(session, contact_ids)
    speaking = [id_ for id_, seen in counted.items() if guess or any(one.answered for one in seen.values())]
    base = averages(session) if speaking else {}
    found = {}
    for id_ in {**dict.fromkeys(settled), **dict.fromkeys(speaking)}:
        channel = settled.get(id_) or best(weighed[id_], base, guess=guess)
        if channel is not None:
            found[id_] = (channel, tuple(counted[id_][name] for name in sorted(counted[id_])))
    return found


@dataclass(frozen=True)
class Chance:
    """What to expect of a channel: the counts, the share of answers expected, and what everybody does there."""

    evidence: Evidence
    share: float
    everybody: float


def chances(session: Session, ids: Sequence[int], now: datetime) -> tuple[str | None, list[Chance]]:
    """The channel that the estimate names for one person (None: no answer yet), and every channel tried, the likeliest
    first. `ids` are all ids whose history is theirs."""
    counted, weighed = _answers(session, ids, now)
    evidence: dict[str, Evidence] = {}
    seen: dict[str, Weighed] = {}
    for id_ in counted:
        for channel, one in counted[id_].items():
            known, weight = evidence.get(channel, Evidence(channel, 0, 0)), seen.get(channel, Weighed(0, 0))
            more = weighed[id_][channel]
            evidence[channel] = Evidence(channel, known.sent + one.sent, known.answered + one.answered)
            seen[channel] = Weighed(weight.sent + more.sent, weight.answered + more.answered)
    if not seen:
        return None, []
    base = averages(session)
    found = [
        Chance(evidence[name], expected(one, _average(base, name)), _average(base, name)) for name, one in seen.items()
    ]
    return best(seen, base), sorted(found, key=lambda one: (-one.share, one.evidence.channel))


def _average(base: Mapping[str, Average], channel: str) -> float:
    return base[channel].share if channel in base else UNKNOWN.share


def _answers(
    session: Session, contact_ids: Collection[int], now: datetime
) -> tuple[dict[int, dict[str, Evidence]], dict[int, dict[str, Weighed]]]:
    """What arrived and what was answered, per contact and channel: as it is, and with older messages counting less."""
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
    return counted, weighed


@dataclass(frozen=True)
class Average:
    """The share of messages that people answer on a channel, and from how many that is known."""

    share: float
    sent: int


UNKNOWN = Average(0.1, 0)  # of a channel on which nothing was sent yet


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
    nothing = Weighed(0, 0)
    return max(sorted(names), key=lambda name: expected(seen.get(name, nothing), _average(base, name)))


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
