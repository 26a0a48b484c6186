"""A timeline as a file: a row for each thing that stands on it, as the page says it; the whole answer to a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from panel import calendars
from panel.calendars import Reader
from panel.i18n import N_, translate
from panel.web import pdf
from panel.web.exports import Column
from panel.web.timeline import items, queries
from panel.web.timeline.asking import KINDS, Asked
from panel.web.timeline.items import Item

PAGE = 200  # lines read at once
PDF_ITEMS = 400  # a PDF is for reading; what is longer is for a table
HEADINGS = (
    (N_("When"), 20),
    (N_("Kind"), 18),
    (N_("What happened"), 60),
    (N_("State"), 40),
    (N_("What was written"), 50),
    (N_("Why"), 36),
    (N_("Details"), 80),
)


@dataclass(frozen=True)
class Saved:
    """A finished PDF and whether everything is in it."""

    body: bytes
    is_whole: bool


def columns(reader: Reader) -> list[Column]:
    return [Column(translate(reader.language, words), width) for words, width in HEADINGS]


def all_items(session: Session, contact_ids: Sequence[int], asked: Asked, reader: Reader) -> Iterator[Item]:
    """Everything that is asked for, newest first, read page by page."""
    before = None
    while True:
        page = queries.load(session, contact_ids, asked=asked, reader=reader, before=before, limit=PAGE)
        yield from items.build(page.lines, page.facts, reader, without_machines=asked.no_machines)
        if page.older is None:
            return
        before = page.older


def rows(found: Iterator[Item], reader: Reader) -> Iterator[tuple[datetime, str, str, str, str, str, str]]:
    for item in found:
        kind = translate(reader.language, KINDS.get(item.group, KINDS["other"]))
        yield item.at, kind, _text(item.title), _states(item), item.quote, _text(item.why or ""), _details(item)


def as_pdf(found: Iterator[Item], reader: Reader, title: str, remarks: Sequence[str]) -> Saved:
    """`remarks` stand beneath the title: of whom, asked for what, when it was made."""
    paper = pdf.Paper(reader, title)
    paper.heading(title)
    for remark in remarks:
        paper.text(remark, size=9, is_quiet=True)
    day = None
    for count, item in enumerate(found):
        if count == PDF_ITEMS:
            paper.rule()
            paper.text(translate(reader.language, N_(
                "This file ends here. Older things are in the table files, or choose fewer days.")))  # fmt: skip
            return Saved(paper.finish(), False)
        local = item.at.astimezone(reader.zone)
        if local.date() != day:
            day = local.date()
            paper.section(calendars.show_day(day, reader, "full"))
        _item(paper, item, reader)
    return Saved(paper.finish(), True)


def _item(paper: pdf.Paper, item: Item, reader: Reader) -> None:
    local = item.at.astimezone(reader.zone)
    clock = calendars.in_digits(f"{local:%H:%M:%S}", reader)
    paper.text(f"{clock}  {pdf.plain(item.title)}", size=10.5)
    if item.chips:
        paper.text(_states(item, isolated=True), size=9)
    for aside in item.asides:
        paper.text(aside, size=9, is_quiet=True)
    if item.quote:
        paper.text(f"“{item.quote}”", size=9.5)
    if item.why:
        paper.text(item.why, size=9, is_quiet=True)
    for one in item.details:
        paper.text(f"{one.label}: {pdf.own(one.value)}", size=8.5, is_quiet=True)
    paper.gap(2)


def _states(item: Item, *, isolated: bool = False) -> str:
    found = []
    for chip in item.chips:
        when = (pdf.plain(chip.when) if isolated else _text(chip.when)) if chip.when else ""
        found.append(" ".join(filter(None, (chip.words, chip.times, when))))
    return " · ".join(found + ([] if isolated else list(item.asides)))


def _details(item: Item) -> str:
    return "\n".join(f"{one.label}: {_text(one.value)}" for one in item.details)


def _text(markup: object) -> str:
    """Without the marks of direction: a table cell is read by programs too."""
    return pdf.plain(markup).translate(dict.fromkeys((0x2066, 0x2068, 0x2069)))
