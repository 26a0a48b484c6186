"""The plugin's regular work: take what lies finished in the folder, then look at the books as a whole."""

from __future__ import annotations

from datetime import timedelta

from panel.sdk.context import PluginContext, Record
from panel.sdk.i18n import N_
from plugins.accounting.books import SIGHTING, STATE, Books, progress_of, short
from plugins.accounting.columns import Kind, kind_of
from plugins.accounting.hotfolder import HotFolder, Sighting
from plugins.accounting.importing import take
from plugins.accounting.settings import Options, options
from plugins.accounting.sweep import is_due, sweep


def run(ctx: PluginContext) -> None:
    """One round. Raises Misconfigured when a setting is wrong; a folder out of reach becomes an issue."""
    found = options(ctx, writing=remembered_writing(ctx))
    folder = HotFolder(found.root)
    try:
        # A folder that somebody chose must be there: making it would hide a share that is not mounted.
        if not found.root.is_dir():
            raise FileNotFoundError(found.root)
        folder.make()
        with folder.lock() as is_ours:
            if is_ours:
                _round(ctx, found, folder)
    except OSError as error:
        with ctx.unit() as unit:
            unit.raise_issue(
                "folder",
                N_("The folder %(folder)s cannot be used: %(reason)s"),
                folder=str(found.root),
                reason=error.strerror or type(error).__name__,
            )
    else:
        with ctx.unit() as unit:
            unit.resolve_issue("folder")


def _round(ctx: PluginContext, found: Options, folder: HotFolder) -> None:
    ready = _finished(ctx, found, folder)
    today = ctx.now().astimezone(found.zone).date()
    with ctx.unit() as unit:
        # Most rounds end here: nothing new, and not worth loading thousands of rows.
        books = Books(unit) if ready or is_due(progress_of(unit), unit.get(STATE, "asked"), found, today) else None
    if books is not None:
        _work(ctx, found, folder, books, ready)
    if found.keep_days:
        folder.tidy(ctx.now(), timedelta(days=found.keep_days))


def _work(ctx: PluginContext, found: Options, folder: HotFolder, books: Books, ready: list[Sighting]) -> None:
    for sighting in ready:
        try:
            take(ctx, found, folder, books, sighting)
        except FileNotFoundError:  # somebody took it back
            continue
    if is_due(books.progress, books.asked, found, ctx.now().astimezone(found.zone).date()):
        sweep(ctx, found, books)


def _finished(ctx: PluginContext, found: Options, folder: HotFolder) -> list[Sighting]:
    """The files nobody writes to any more, in the order of reading: customers, invoices, payments."""
    waiting = folder.waiting()
    now = ctx.now()
    ready = []
    with ctx.unit() as unit:
        before = {record.data["name"]: record for record in unit.records(SIGHTING)}
        for sighting in waiting:
            record = before.pop(sighting.name, None)
            quiet = timedelta(seconds=found.quiet_seconds)
            if sighting.is_quiet(record.data if record else None, now, quiet):
                ready.append(sighting)
            elif record is None or (record.data["size"], record.data["mtime_ns"]) != (sighting.size, sighting.mtime_ns):
                unit.put(Record(SIGHTING, short(sighting.name), {"name": sighting.name} | sighting.data(now)))
        for record in before.values():
            unit.delete(SIGHTING, record.key)
    order = list(Kind)

    def place(sighting: Sighting) -> tuple[int, int, str]:
        kind = kind_of(sighting.name, found.file_names)
        # Of two files of a kind the older goes first, so that the newer has the last word.
        return (order.index(kind) if kind else len(order), sighting.mtime_ns, sighting.name)

    return sorted(ready, key=place)


def remembered_writing(ctx: PluginContext) -> str:
    """The writing that somebody chose on the plugin's page for files in an old encoding, or empty."""
    with ctx.unit() as unit:
        record = unit.get(STATE, "writing")
    return str(record.data["writing"]) if record else ""
