"""Everybody: the next weeks of all journeys, in as many processes as there are cores to spare.

What people will do is not guessed: nobody opens, buys or joins. What is under way goes on, and what time brings (dates,
schedules, conditions that time turns) begins.
"""

from __future__ import annotations

import multiprocessing
import pkgutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from queue import Empty
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from panel import clock
from panel.calendars import Reader, show_price
from panel.config import Config
from panel.contacts.models import Contact
from panel.db import reading
from panel.i18n import N_, translate
from panel.journeys.engine.facts import company
from panel.journeys.language import phrases
from panel.journeys.language.problems import isolate
from panel.journeys.models import Journey
from panel.journeys.simulate.part import Share, days_between, play_share
from panel.journeys.simulate.stage import snapshot
from panel.journeys.simulate.story import reason_words
from panel.plugin_manager import manager
from panel.sdk.channels import ChannelFacts

LONGEST_DAYS = 120
# Below so many contacts one process is quick enough, and limits that count over everybody are kept to the letter.
SHARED_FROM = 10_000
# By its name: the application stands above the journeys.
APPLICATION = "panel.bare:bare_app"
Tell = Callable[[float], None]


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """Raised by whoever hears how far it is and does not want the rest."""


@dataclass(frozen=True)
class Forecast:
    """Per local day of the business (`days`), what would happen. `cost` is {"amount", "currency"} per channel that has
    a price; amounts of several currencies are never added up."""

    start: datetime
    days: list[str]
    contacts: int
    messages: dict[str, list[int]]
    entries: dict[str, list[int]]
    names: dict[str, str]
    collisions: dict[str, dict[str, int]]  # journey -> reason -> how often
    collisions_by_day: dict[str, list[int]]  # reason -> per day
    held: dict[str, dict[str, int]]
    cost: dict[str, dict[str, str]]
    steps: int = 0
    seconds: float = 0.0
    asked_days: int = 0  # so many times 24 hours, which touch one local day more
    more: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {**self.__dict__, "start": self.start.isoformat()}

    def sentences(self, reader: Reader) -> list[str]:
        """The totals, one sentence each."""
        language = reader.language

        def say(sentence: str, **params: Any) -> str:
            return translate(language, sentence, **params)

        said = [say(N_("Contacts: %(n)s. Days: %(days)s."), n=self.contacts, days=self.asked_days or len(self.days))]
        for channel, counts in sorted(self.messages.items()):
            name = phrases.channel(channel, language)
            said.append(say(N_("Messages by %(channel)s: %(n)s"), channel=name, n=sum(counts)))
        for journey, counts in sorted(self.entries.items()):
            name = self.names.get(journey, journey)
            said.append(say(N_("Entries into %(journey)s: %(n)s"), journey=name, n=sum(counts)))
        for reason, counts in sorted(self.collisions_by_day.items()):
            said.append(say(N_("%(n)s times: %(reason)s"), n=sum(counts), reason=reason_words(reason, language)))
        for journey, reasons in sorted(self.held.items()):
            name = self.names.get(journey, journey)
            for reason, n in sorted(reasons.items()):
                words = reason_words(reason, language)
                said.append(say(N_("%(journey)s: %(reason)s Contacts: %(n)s."), n=n, journey=name, reason=words))
        for channel, cost in sorted(self.cost.items()):
            amount = show_price(Decimal(cost["amount"]), cost["currency"], reader)
            name = phrases.channel(channel, language)
            said.append(say(N_("Cost of %(channel)s: %(amount)s"), channel=name, amount=isolate(amount, language)))
        return said


def forecast(
    config: Config, days: int, processes: int = 2, *, tell: Tell | None = None, now: datetime | None = None
) -> Forecast:
    """Play everybody for `days`. Needs an application context; nothing is written and nothing is sent.

    `tell` hears the share that is done (0 to 1); what it raises ends the work. With one process, or few
    contacts, it runs in this one.
    """
    start = now or clock.now()
    days = max(1, min(days, LONGEST_DAYS))
    until = start + timedelta(days=days)
    with reading() as session:
        count = session.scalar(select(func.count()).select_from(Contact)) or 0
    if processes < 2 or count < SHARED_FROM:
        with snapshot() as source, clock.hold(start):
            whole = play_share(source, start, until, 0, 1, tell or (lambda _share: None))
    else:
        whole = _in_processes(config, start, until, processes, tell)
    return _told(whole, start, until)


def _in_processes(config: Config, start: datetime, until: datetime, processes: int, tell: Tell | None) -> Share:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as shared:
        said: Any = shared.Queue()
        enough: Any = shared.Event()
        done = [0.0] * processes
        whole = Share()
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            waiting = {
                pool.submit(_one, config, start, until, number, processes, said, enough) for number in range(processes)
            }
            try:
                while waiting:
                    try:
                        number, share = said.get(timeout=0.5)
                        done[number] = share
                        if tell is not None:
                            tell(sum(done) / processes)
                    except Empty:
                        pass
                    for finished in [one for one in waiting if one.done()]:
                        waiting.discard(finished)
                        whole.add(finished.result())
            except BaseException:
                enough.set()  # or the others would play on to the end, and the pool waits for them
                raise
        return whole


def _one(config: Config, start: datetime, until: datetime, number: int, shares: int, said: Any, enough: Any) -> Share:
    """In a process of its own: an application of its own, that reads the same database."""

    def tell(share: float) -> None:
        if enough.is_set():
            raise Cancelled
        said.put((number, share))

    app = pkgutil.resolve_name(APPLICATION)(config)
    with app.app_context(), snapshot() as source, clock.hold(start):
        return play_share(source, start, until, number, shares, tell)


def _told(whole: Share, start: datetime, until: datetime) -> Forecast:
    with reading() as session:
        zone = ZoneInfo(company(session).time_zone)
        names = {id_: name or id_ for id_, name in session.execute(select(Journey.id, Journey.name))}
    days = [day.isoformat() for day in days_between(start, until, zone)]
    place = {day: number for number, day in enumerate(days)}

    def spread(counts: dict[tuple[str, str], int]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for (name, day), n in counts.items():
            row = found.setdefault(name, [0] * len(days))
            # A moment rounded up past the last midnight belongs to the last day.
            row[place.get(day, len(days) - 1)] += n
        return found

    by_reason: dict[tuple[str, str], int] = {}
    by_journey: dict[str, dict[str, int]] = {}
    for (journey, reason, day), n in whole.collisions.items():
        by_reason[(reason, day)] = by_reason.get((reason, day), 0) + n
        of_journey = by_journey.setdefault(journey, {})
        of_journey[reason] = of_journey.get(reason, 0) + n
    held: dict[str, dict[str, int]] = {}
    for (journey, reason), n in whole.held.items():
        held.setdefault(journey, {})[reason] = n
    messages = spread(whole.sent)
    return Forecast(
        start, days, whole.contacts, messages, spread(whole.entries), names, by_journey, spread(by_reason), held,
        _cost(messages), whole.steps, round(whole.seconds, 2), asked_days=(until - start).days,
        more={"copied_in": round(whole.copied_in, 2)},
    )  # fmt: skip


def _cost(messages: dict[str, list[int]]) -> dict[str, dict[str, str]]:
    """What the messages cost, for the channels that declare a price."""
    found = {}
    for name, channel in manager.current().channels().items():
        facts: ChannelFacts = channel.facts
        if facts.price is not None and messages.get(name):
            found[name] = {"amount": str(facts.price * sum(messages[name])), "currency": facts.currency}
    return found
