"""What a contact's page says about engagement and the preferred channel: a fixed number of statements, put into words.

Loaded after the page itself, so that a long history never makes anybody wait for the timeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from babel.dates import get_day_names
from markupsafe import Markup
from sqlalchemy.orm import Session

from panel import calendars
from panel.calendars import Reader
from panel.contacts.models import Contact
from panel.engagement import hours, picture, score
from panel.engagement.history import doings, rhythm_of
from panel.engagement.models import ChannelPin
from panel.engagement.pins import pin_of
from panel.engagement.preference import Chance, chances
from panel.engagement.rhythm import ENOUGH, Rhythm, State
from panel.engagement.rules import rules
from panel.engagement.score import Score
from panel.engagement.signs import OPEN, SIGNS
from panel.i18n import gettext, ngettext
from panel.installation.queries import get_setting
from panel.staff.models import User
from panel.timeline.registry import types
from panel.web.filters import day, isolate, when
from panel.web.timeline.words import channel_icon, channel_words

BARS = (10, 72)  # of the picture: units per week, and the height of the highest bar
_STATES = {State.QUIET: "amber", State.WOKE_UP: "green", State.USUAL: "", State.UNKNOWN: ""}


@dataclass(frozen=True)
class Bar:
    """One week of the picture: where it stands, and its heights (answers below, opens above)."""

    x: int
    week: picture.Week
    answers: float
    opens: float


@dataclass(frozen=True)
class ChannelRow:
    chance: Chance
    name: str
    icon: str
    words: str


@dataclass(frozen=True)
class Shown:
    """Everything that the part shows; see contact/engagement/part.html."""

    score: Score
    half_life: int
    lines: Sequence[tuple[str, str, float]]
    state: State
    tone: str
    said: Sequence[str | Markup]
    compared: str
    bars: Sequence[Bar]
    busiest: picture.Week | None
    summary: str
    any_activity: bool
    channel: str | None
    channel_name: str
    pin: ChannelPin | None
    pinned_by: str
    rows: Sequence[ChannelRow]
    best: str
    best_why: str


def shown(session: Session, contact: Contact, ids: Sequence[int], reader: Reader, now: datetime) -> Shown:
    """The whole part for one person (`ids`: itself first, then what was merged into it): seven statements at most."""
    current = rules(session)
    since = now - max(picture.YEAR, current.reach + score.TREND) - timedelta(days=1)
    done = doings(session, ids, {*current.points, *SIGNS, OPEN}, since)
    habit = rhythm_of(session, ids)
    found = score.score(done, current, now)
    some = picture.weeks(done, now, reader.zone)
    busy = picture.busiest(some)
    zone = calendars.zone_of(contact.time_zone or (get_setting(session, "company") or {}).get("time_zone") or "UTC")
    named, every = chances(session, ids, now)
    pin = pin_of(session, ids)
    by = session.get(User, pin.user_id) if pin is not None and pin.user_id else None
    best = hours.best_time(done, zone)
    channel = pin.channel if pin is not None else named
    return Shown(
        score=found,
        half_life=current.half_life,
        lines=[(kind_words(line.kind), line_words(line, reader), line.points) for line in found.lines],
        state=habit.state(now),
        tone=_STATES[habit.state(now)],
        said=rhythm_words(habit, reader, now),
        compared=compared_words(picture.lately(done, now, contact.created_at), reader),
        bars=_bars(some),
        busiest=busy,
        summary=_summary(some, busy, reader),
        any_activity=any(week.answers or week.opens for week in some),
        channel=channel,
        channel_name=channel_words(channel, reader.language) if channel else "",
        pin=pin,
        pinned_by=(by.name or by.email) if by is not None else "",
        rows=[_channel_row(one, reader) for one in every],
        best=best_words(best, reader),
        best_why=best_why(best, len(hours.moments(done)), str(zone.key), reader),
    )


def kind_words(kind: str) -> str:
    declared = types.get(kind)
    return gettext(declared.label) if declared is not None else kind.replace("_", " ").replace(".", " · ")


def line_words(line: score.Line, reader: Reader) -> Markup:
    times = ngettext("once", "%(n)s times", line.count, n=_number(line.count, reader))
    return Markup("{}").format(
        Markup(gettext("%(times)s, last %(when)s")) % {"times": times, "when": when(line.last_at)}
    )


def rhythm_words(habit: Rhythm, reader: Reader, now: datetime) -> list[str | Markup]:
    """Whether the contact went quiet or woke up, with the reason in numbers; nothing invented with little to go by."""
    if habit.last_at is None:
        return [gettext("Nothing done yet: no click, reply, form, page or purchase.")]
    if habit.usual is None or habit.limit is None:
        seen = ngettext("Seen once so far", "Seen %(n)s times so far", habit.visits, n=_number(habit.visits, reader))
        return [
            Markup(gettext("%(seen)s, last %(when)s.")) % {"seen": seen, "when": when(habit.last_at)},
            gettext("Too little to speak of a rhythm: it takes %(n)s visits.", n=_number(ENOUGH, reader)),
        ]
    usual = gettext("Usually here every %(days)s.", days=days_words(habit.usual, reader))
    state = habit.state(now)
    if state == State.QUIET:
        went = Markup(gettext("Went quiet: nothing since %(day)s.")) % {"day": day(habit.last_at)}
        return [went, usual]
    if state == State.WOKE_UP and habit.woke_at is not None and habit.silent_since is not None:
        slept = days_words(habit.woke_at - habit.silent_since, reader)
        woke = Markup(gettext("Woke up on %(day)s, after %(days)s of silence.")) % {
            "day": day(habit.woke_at), "days": slept,
        }  # fmt: skip
        return [woke, usual]
    last = Markup(gettext("Last here %(when)s.")) % {"when": when(habit.last_at)}
    quiet = Markup(gettext("Counts as quiet from %(day)s on, if nothing happens.")) % {"day": day(habit.quiet_from)}
    return [last, usual, quiet]


def days_words(length: timedelta, reader: Reader) -> str:
    number = max(1, round(length / timedelta(days=1)))
    return ngettext("day", "%(n)s days", number, n=_number(number, reader))


def compared_words(found: picture.Lately, reader: Reader) -> str:
    """The last month beside the contact's own past, never beside other people."""
    count = _number(found.count, reader)
    number = ngettext("once in the last 30 days", "%(n)s times in the last 30 days", found.count, n=count)
    if found.count == 0:
        number = gettext("nothing in the last 30 days")
    if found.usual is None:
        return gettext("Too little to compare: %(number)s.", number=number)
    usual = _number(round(found.usual), reader) if found.usual >= 1 else gettext("less than 1")
    sentences = {
        picture.Compared.LESS: gettext("Less than usual: %(number)s, usually %(usual)s.", number=number, usual=usual),
        picture.Compared.MORE: gettext("More than usual: %(number)s, usually %(usual)s.", number=number, usual=usual),
        picture.Compared.USUAL: gettext("As usual: %(number)s, usually %(usual)s.", number=number, usual=usual),
    }
    return sentences[found.compared]


def best_words(best: hours.BestTime | None, reader: Reader) -> str:
    if best is None:
        return gettext("No best time yet")
    span = Markup('<bdi dir="ltr">{}</bdi>').format(calendars.in_digits(f"{best.start:02}–{best.end:02}", reader))
    if best.weekday is None:
        return Markup(gettext("Best time: %(hours)s on any day")) % {"hours": span}
    name = get_day_names("wide", locale=reader.locale)[best.weekday]
    return Markup(gettext("Best time: %(weekday)s %(hours)s")) % {"weekday": name, "hours": span}


def best_why(best: hours.BestTime | None, count: int, zone: str, reader: Reader) -> str:
    if best is not None:
        return gettext(
            "%(hits)s of %(of)s moments at which this contact did something fell into these hours (%(zone)s).",
            hits=_number(best.hits, reader),
            of=_number(best.of, reader),
            zone=isolate(zone),
        )
    if count < hours.ENOUGH:
        return gettext(
            "It takes %(enough)s different moments to speak of a habit; so far there are %(n)s.",
            enough=_number(hours.ENOUGH, reader),
            n=_number(count, reader),
        )
    return gettext("%(n)s moments, spread over the day: no hours stand out.", n=_number(count, reader))


def _channel_row(one: Chance, reader: Reader) -> ChannelRow:
    seen = one.evidence
    words = gettext(
        "%(answered)s of %(sent)s answered", answered=_number(seen.answered, reader), sent=_number(seen.sent, reader)
    )
    return ChannelRow(one, channel_words(seen.channel, reader.language), channel_icon(seen.channel), words)


def _number(value: int, reader: Reader) -> str:
    return calendars.show_number(value, reader)


def _bars(some: Sequence[picture.Week]) -> list[Bar]:
    width, height = BARS
    most = max((week.answers + week.opens for week in some), default=0) or 1
    return [
        Bar(number * width, week, week.answers / most * height, week.opens / most * height)
        for number, week in enumerate(some)
    ]


def _summary(some: Sequence[picture.Week], busy: picture.Week | None, reader: Reader) -> str:
    """The picture for who cannot see it; also its title."""
    answers, opens = sum(week.answers for week in some), sum(week.opens for week in some)
    said = gettext(
        "In the last 52 weeks: %(answers)s answers, %(opens)s opens.",
        answers=_number(answers, reader),
        opens=_number(opens, reader),
    )
    if busy is not None:
        first = isolate(calendars.show_day(busy.first, reader))
        said += " " + gettext("Busiest: the week of %(day)s, with %(n)s.", day=first, n=_number(busy.answers, reader))
    return said


def table(bars: Sequence[Bar]) -> list[tuple[date, int, int]]:
    """The weeks in which something was done, the newest first."""
    return [
        (bar.week.first, bar.week.answers, bar.week.opens)
        for bar in reversed(bars)
        if bar.week.answers or bar.week.opens
    ]


def grouped_kinds(points: Mapping[str, float]) -> list[Any]:
    """Every kind of event that may get points, with what it brings now: the dearest first."""
    known = [one for one in types.all() if one.listed]
    return sorted(known, key=lambda one: (-points.get(one.name, 0), one.name))
