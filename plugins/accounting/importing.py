"""One file of the folder: read, compared with what is known, stored. Nothing is told to anybody here (see `sweep`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeVar

from panel.sdk.context import PluginContext, Record, Unit
from panel.sdk.i18n import N_, translate
from plugins.accounting import columns, rows, words
from plugins.accounting.books import FILE, Books, Customer, Invoice, Receipt
from plugins.accounting.columns import Kind
from plugins.accounting.hotfolder import ERRORS, HotFolder, Sighting, sha256
from plugins.accounting.model import Document, Party, Payment, digest
from plugins.accounting.reading import MAX_BYTES, FileError, Row, Table, read_table, readings
from plugins.accounting.settings import Options
from plugins.accounting.values import CellError, clean, code, fold

CHUNK = 100  # rows per writing transaction: others wait for less than a second
T = TypeVar("T")
Thing = Party | Document | Payment


@dataclass
class Parsed:
    """The rows of a file. `present` are the keys it names, also on rows that could not be read."""

    things: dict[str, tuple[int, Thing]] = field(default_factory=dict)
    parties: dict[str, tuple[int, Party]] = field(default_factory=dict)  # customers that invoices describe
    errors: list[tuple[Row, str, Mapping[str, Any]]] = field(default_factory=list)
    present: set[str] = field(default_factory=set)
    is_certain: bool = True  # False: a row's key could not be read, so nothing can be called missing


def take(ctx: PluginContext, options: Options, folder: HotFolder, books: Books, sighting: Sighting) -> None:
    """Read one file and move it away. After a crash anywhere in here, doing it again changes nothing twice:
    rows that were stored compare equal, and the file's own record is written with the last of them."""
    raw = folder.read(sighting.name, MAX_BYTES)
    sha = sha256(raw)
    with ctx.unit() as unit:
        known = unit.get(FILE, sha)
    if known and known.data["state"] == "done" and known.data["stamp"] == options.reading_stamp():
        _note_again(ctx, books, known, sighting.name)
        folder.move(sighting.name, "done", sha)
        return
    kind = columns.kind_of(sighting.name, options.file_names)
    try:
        if kind is None:
            raise FileError(
                "kind", N_("its name does not say what is in it: begin it with customers, invoices or payments")
            )
        table, found = read(raw, kind, options)
        parsed = parse(table, found, kind, options)
        if not parsed.things and parsed.errors and len(parsed.errors) == len(table.rows):
            _report_rows(folder, sighting.name, table, parsed, options.language)
            reason = _first_reason(parsed, options)
            raise FileError("rows", N_("not one of its rows could be read; the first: %(reason)s"), reason=reason)
    except FileError as error:
        _set_aside(ctx, folder, sighting.name, sha, kind, error, raw, options)
        return
    if parsed.errors:
        _report_rows(folder, sighting.name, table, parsed, options.language)
    _store(ctx, options, books, kind, sighting.name, sha, table, parsed)
    folder.move(sighting.name, "done", sha)


def read(raw: bytes, kind: Kind, options: Options) -> tuple[Table, dict[str, int]]:
    """The table and which of its columns is which. Raises FileError."""
    mapping = options.columns.get(kind, {})
    table = read_table(raw, options.writing, lambda cells: columns.score(cells, kind, mapping))
    found = columns.guess(table.header, kind, mapping)
    columns.check_required(found, table.header, kind)
    return table, found


def parse(table: Table, found: Mapping[str, int], kind: Kind, options: Options) -> Parsed:
    """Read every row; the ones that cannot be read are kept with the reason."""
    parsed = Parsed()
    unnumbered: Counter[str] = Counter()
    for row in table.rows:
        if _is_sum(row):
            continue
        cells = {name: row.cells[position] if position < len(row.cells) else "" for name, position in found.items()}
        try:
            if row.problem:
                raise CellError(row.problem)
            if any(clean(cell) for cell in row.cells[len(table.header) :]):
                raise CellError(N_("the row has more cells than the header"))
            key, thing = _thing(cells, kind, options, unnumbered)
            if thing is None:
                continue
            if key in parsed.things and parsed.things[key][1] != thing:
                raise CellError(
                    N_("the number %(number)s stands in row %(row)s too, with other values"),
                    number=key,
                    row=parsed.things[key][0],
                )
            parsed.things.setdefault(key, (row.number, thing))
            if kind is Kind.INVOICES and (party := rows.customer_of_invoice(cells)):
                parsed.parties.setdefault(party.number, (row.number, party))
        except CellError as error:
            parsed.errors.append((row, error.sentence, error.params))
            number = code(cells.get("number"))
            parsed.present.update((number, f"credit_note/{number}"))
            parsed.is_certain = parsed.is_certain and bool(number)
    parsed.present.update(parsed.things)
    return parsed


def _thing(
    cells: Mapping[str, Any], kind: Kind, options: Options, unnumbered: Counter[str]
) -> tuple[str, Party | Document | Payment | None]:
    if kind is Kind.CUSTOMERS:
        party = rows.customer(cells, options.habits)
        return party.number, party
    if kind is Kind.INVOICES:
        document = rows.invoice(cells, options.habits)
        return (document.key if document else ""), document
    payment = rows.payment(cells, options.habits)
    if not payment.number:
        # Two equal payments on one day are two payments: they are counted within the file.
        what = payment.invoice or payment.party
        same = f"{what}/{payment.paid_on}/{payment.kind.value} {payment.amount} {payment.amount.currency}"
        unnumbered[same] += 1
        return f"{same}/{unnumbered[same]}", payment
    return payment.number, payment


def _is_sum(row: Row) -> bool:
    first = next((cell for cell in row.cells if clean(cell)), "")
    return isinstance(first, str) and fold(first) in words.sums()


def _store(
    ctx: PluginContext, options: Options, books: Books, kind: Kind, name: str, sha: str, table: Table, parsed: Parsed
) -> None:
    counts = Counter({"rows": len(table.rows), "errors": len(parsed.errors)})
    if kind is Kind.INVOICES:
        described = [
            one
            for number, one in parsed.parties.items()
            if _is_better(books.customers.get(number), one[1]) and not books.is_forgotten(number)
        ]
        for chunk in _chunks(described):
            with ctx.unit() as unit:
                for row, party in chunk:
                    known = books.renew(unit, party.number)
                    books.put(unit, _customer(known, party, f"{name}:{row}", implicit=True))
    changed = [(key, row, thing) for key, (row, thing) in parsed.things.items() if _differs(books, key, thing, counts)]
    for rows_ in _chunks(changed):
        with ctx.unit() as unit:
            for key, row, thing in rows_:
                _put(books, unit, key, thing, f"{name}:{row}")
            books.advance(unit, pending=True)
    missing = _missing(options, books, kind, name, parsed)
    shrunk = len(missing) > max(20, len(missing | parsed.present) // 2) if missing else False
    counts["missing"] = len(missing)
    now = ctx.now().isoformat()
    data = {
        "name": name, "kind": kind.value, "state": "done", "at": now, "counts": dict(counts),
        "encoding": table.encoding, "stamp": options.reading_stamp(), "shrunk": shrunk,
    }  # fmt: skip
    with ctx.unit() as unit:
        if missing and not shrunk:
            _leave_out(books, unit, kind, missing, options.missing[kind])
        unit.put(Record(FILE, sha, data))
        books.advance(
            unit,
            pending=True,
            read=dict(books.progress.read) | {kind.value: now},
            newest=dict(books.progress.newest) | {kind.value: sha},
        )
        _report(unit, options, kind, name, parsed, missing if shrunk else set())


def _is_better(known: Customer | None, party: Party) -> bool:
    """Whether an invoice tells of a customer more than we know; a customers file goes before it."""
    return known is None or (known.implicit and known.party != party)


def _customer(known: Customer | None, party: Party, origin: str, *, implicit: bool) -> Customer:
    if known is None:
        return Customer(party, implicit=implicit, origin=origin)
    return replace(known, party=party, implicit=implicit, gone=False, origin=origin, problem="")


def _differs(books: Books, key: str, thing: Thing, counts: Counter[str]) -> bool:
    """Compare with what is known, count, and tell whether it must be stored; what belongs to an erased one never is."""
    known: Customer | Invoice | Receipt | None
    if isinstance(thing, Party):
        known = books.customers.get(key)
        is_same = known is not None and known.party == thing and not known.gone and not known.implicit
        is_barred = books.is_forgotten(key)
    elif isinstance(thing, Document):
        known = books.invoices.get(key)
        is_same = known is not None and digest(known.document) == digest(thing) and not known.gone
        is_barred = books.is_forgotten(thing.party)
    else:
        known = books.payments.get(key)
        is_same = known is not None and digest(known.payment) == digest(thing) and not known.gone
        invoice = books.invoices.get(thing.invoice)
        is_barred = books.is_forgotten(thing.party or (invoice.document.party if invoice else ""))
    counts["same" if is_same else "erased" if is_barred else "new" if known is None else "changed"] += 1
    return not is_same and not is_barred


def _put(books: Books, unit: Unit, key: str, thing: Thing, origin: str) -> None:
    if isinstance(thing, Party):
        books.put(unit, _customer(books.renew(unit, key), thing, origin, implicit=False))
    elif isinstance(thing, Document):
        invoice = books.invoices.get(key, Invoice(thing))
        books.put(unit, replace(invoice, document=thing, gone=""))
    else:
        receipt = books.payments.get(key, Receipt(key, thing))
        books.put(unit, replace(receipt, payment=thing, gone=""))


def _missing(options: Options, books: Books, kind: Kind, name: str, parsed: Parsed) -> set[str]:
    """Keys that a full list leaves out. A list of mistakes put back, or one without a readable row, is no full list."""
    if kind not in options.missing or not parsed.things or not parsed.is_certain or ERRORS in name.lower():
        return set()
    if kind is Kind.CUSTOMERS:
        known = {key for key, one in books.customers.items() if not (one.gone or one.implicit)}
    elif kind is Kind.INVOICES:
        known = {key for key, one in books.invoices.items() if not one.gone}
        if options.missing[kind] == "paid":
            known = {key for key in known if books.invoices[key].document.state.value in ("open", "draft")}
    else:
        known = {key for key, one in books.payments.items() if not one.gone}
    return known - parsed.present


def _leave_out(books: Books, unit: Unit, kind: Kind, keys: set[str], became: str) -> None:
    for key in sorted(keys):
        if kind is Kind.CUSTOMERS:
            books.put(unit, replace(books.customers[key], gone=True))
        elif kind is Kind.INVOICES:
            books.put(unit, replace(books.invoices[key], gone=became))
        else:
            books.put(unit, replace(books.payments[key], gone=became))


def _report(unit: Unit, options: Options, kind: Kind, name: str, parsed: Parsed, shrunk: set[str]) -> None:
    unit.resolve_issue(f"file:{kind.value}")
    unit.resolve_issue("file:unknown")
    unit.resolve_issue(f"again:{kind.value}")
    if parsed.errors:
        unit.raise_issue(
            f"rows:{kind.value}",
            N_("%(n)s rows of %(file)s could not be read. They are in bad/%(errors)s with the reasons."),
            n=len(parsed.errors),
            file=name,
            errors=name + ERRORS,
        )
    else:
        unit.resolve_issue(f"rows:{kind.value}")
    if shrunk:
        unit.raise_issue(
            f"shrunk:{kind.value}",
            N_(
                "%(file)s leaves out %(n)s rows that were in the files before. That looks like an export cut short,"
                " so nothing was cancelled. Save a complete file again."
            ),
            n=len(shrunk),
            file=name,
        )
    else:
        unit.resolve_issue(f"shrunk:{kind.value}")


def _report_rows(folder: HotFolder, name: str, table: Table, parsed: Parsed, language: str) -> None:
    header = [
        translate(language, N_("reason")),
        translate(language, N_("row number")),
        *(clean(cell) for cell in table.header),
    ]
    lines = (
        [translate(language, sentence, **params), row.number, *(clean(cell) for cell in row.cells)]
        for row, sentence, params in parsed.errors
    )
    folder.write_errors(name, header, lines)


def _first_reason(parsed: Parsed, options: Options) -> str:
    _, sentence, params = parsed.errors[0]
    return translate(options.language, sentence, **params)


def _set_aside(
    ctx: PluginContext,
    folder: HotFolder,
    name: str,
    sha: str,
    kind: Kind | None,
    error: FileError,
    raw: bytes,
    options: Options,
) -> None:
    """A file that cannot be read goes to bad/, and the owner is told what to do."""
    params = {key: _in_words(value, options.language) for key, value in error.params.items()}
    data: dict[str, Any] = {
        "name": name, "kind": kind.value if kind else "", "state": "bad", "at": ctx.now().isoformat(),
        "code": error.code, "sentence": error.sentence, "params": params, "stamp": options.reading_stamp(),
    }  # fmt: skip
    if error.code == "encoding":
        data["readings"] = readings(raw)
    with ctx.unit() as unit:
        unit.put(Record(FILE, sha, data))
        unit.raise_issue(
            f"file:{kind.value if kind else 'unknown'}",
            N_("The file %(file)s was not read and lies in bad/: %(reason)s"),
            file=name,
            reason=translate(options.language, error.sentence, **params),
        )
    folder.move(name, "bad")


def _in_words(value: Any, language: str) -> Any:
    if isinstance(value, list):
        return ", ".join(translate(language, str(one)) for one in value)
    return value


def _note_again(ctx: PluginContext, books: Books, known: Record, name: str) -> None:
    """The same bytes once more. If they are the newest we have, the books did not change and are fresh; if they are
    older, somebody copied an old file back, and it must not undo what newer files said."""
    now, kind = ctx.now().isoformat(), known.data["kind"]
    with ctx.unit() as unit:
        unit.put(replace(known, data=known.data | {"again_at": now, "again_as": name}))
        if books.progress.newest.get(kind) == known.key:
            books.advance(unit, read=dict(books.progress.read) | {kind: now}, pending=True)
        else:
            unit.raise_issue(
                f"again:{kind}",
                N_(
                    "%(file)s holds the same as a file read on %(day)s, and newer files were read since."
                    " It was not read again. If it is a new export after all, say so on the plugin's page."
                ),
                file=name,
                day=known.data["at"][:10],
            )


def _chunks(things: Sequence[T]) -> Iterator[list[T]]:
    source = iter(things)
    while chunk := list(islice(source, CHUNK)):
        yield chunk
