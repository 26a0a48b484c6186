"""A stored forecast as what its page shows: bars per day, totals, collisions, cost. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from panel.calendars import Reader, show_day, show_number, show_price
from panel.journeys.language import phrases
from panel.journeys.simulate.models import Simulation
from panel.journeys.simulate.story import reason_words

HEIGHT = 160  # of the chart, in its own units
TONES = 6


@dataclass(frozen=True)
class Piece:
    """One channel's part of one day's bar, in the chart's units from the top."""

    y: float
    height: float
    tone: int


@dataclass(frozen=True)
class Bar:
    x: float
    width: float
    day: str
    total: int
    pieces: tuple[Piece, ...]
    words: str


@dataclass(frozen=True)
class Row:
    """A line of a table: its words, its number, and a tone of the chart where it has one."""

    words: str
    count: int
    tone: int = 0
    more: str = ""


@dataclass(frozen=True)
class Told:
    days: int
    contacts: int
    bars: tuple[Bar, ...]
    most: int
    channels: tuple[Row, ...]
    entries: tuple[Row, ...]
    collisions: tuple[Row, ...]
    cost: tuple[tuple[str, str], ...]
    cost_total: str
    first: str
    last: str
    busiest: Bar | None


def read(found: Simulation, reader: Reader) -> Told:
    """The result of a forecast, for this reader."""
    result: dict[str, Any] = found.result or {}
    days, messages = result["days"], result["messages"]
    names = sorted(messages, key=lambda name: -sum(messages[name]))
    totals = [sum(messages[name][at] for name in names) for at in range(len(days))]
    most = max([*totals, 1])
    width = 1000 / max(len(days), 1)
    bars = tuple(
        _bar(at, day, [messages[name][at] for name in names], totals[at], most, width, names, reader)
        for at, day in enumerate(days)
    )
    language = reader.language
    journeys = result["names"]
    collisions = [
        Row(reason_words(reason, language), count, more=journeys.get(journey, journey))
        for journey, reasons in result["collisions"].items()
        for reason, count in reasons.items()
    ] + [
        Row(reason_words(reason, language), count, more=journeys.get(journey, journey))
        for journey, reasons in result["held"].items()
        for reason, count in reasons.items()
    ]
    entries = [Row(journeys.get(name, name), sum(counts)) for name, counts in result["entries"].items()]
    costs = [_priced(name, cost, reader) for name, cost in result["cost"].items()]
    together: dict[str, Decimal] = {}
    for _, amount, currency in costs:
        together[currency] = together.get(currency, Decimal(0)) + amount
    return Told(
        days=len(days),
        contacts=result["contacts"],
        bars=bars,
        most=most,
        channels=tuple(
            Row(phrases.channel(name, language), sum(messages[name]), at % TONES) for at, name in enumerate(names)
        ),
        entries=tuple(sorted(entries, key=lambda row: -row.count)),
        collisions=tuple(sorted(collisions, key=lambda row: -row.count)),
        cost=tuple((name, show_price(amount, currency, reader)) for name, amount, currency in costs),
        # Shekels and euros are not added up: each stands for itself.
        cost_total=" + ".join(show_price(amount, currency, reader) for currency, amount in sorted(together.items())),
        first=_day(days[0], reader) if days else "",
        last=_day(days[-1], reader) if days else "",
        busiest=max((bar for bar in bars if bar.total), key=lambda bar: bar.total, default=None),
    )


def _priced(name: str, cost: dict[str, str] | str, reader: Reader) -> tuple[str, Decimal, str]:
    """A channel's name, what its messages cost and in which money; forecasts once were kept without the money."""
    kept = {"amount": cost, "currency": "ILS"} if isinstance(cost, str) else cost
    return phrases.channel(name, reader.language), Decimal(kept["amount"]), kept["currency"]


def _bar(
    at: int, day: str, counts: list[int], total: int, most: int, width: float, names: list[str], reader: Reader
) -> Bar:
    pieces, top = [], float(HEIGHT)
    for number, count in enumerate(counts):
        if count:
            height = count / most * HEIGHT
            top -= height
            pieces.append(Piece(round(top, 2), round(height, 2), number % TONES))
    said = [
        f"{phrases.channel(name, reader.language)}: {show_number(count, reader)}"
        for name, count in zip(names, counts, strict=True)
        if count
    ]
    return Bar(
        round(at * width + width * 0.1, 2), round(width * 0.8, 2), _day(day, reader), total, tuple(pieces),
        phrases.listed(said, reader.language),
    )  # fmt: skip


def _day(day: str, reader: Reader) -> str:
    return show_day(date.fromisoformat(day), reader)
