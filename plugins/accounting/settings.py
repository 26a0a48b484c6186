"""The plugin's settings: declared once for the form, read once per job into something typed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from panel.sdk.context import PluginContext
from panel.sdk.errors import Misconfigured
from panel.sdk.i18n import N_, translate
from panel.sdk.settings import SettingField
from plugins.accounting.columns import Kind
from plugins.accounting.model import State
from plugins.accounting.reading import PAGES
from plugins.accounting.rows import Habits
from plugins.accounting.values import CellError, clean, code, day

FIELDS = (
    SettingField(
        "folder",
        N_("Folder"),
        "folder",
        N_(
            "Where your accounting software saves its files. It gets the folders in, done, bad and out."
            " Empty: the plugin's own folder in the panel's data."
        ),
        ltr=True,
    ),
    SettingField(
        "writing",
        N_("Writing of files in an old encoding"),
        "choice",
        N_("UTF-8 files and spreadsheets are always recognised. An older file may be Hebrew or Persian alike."),
        default="",
        choices=(
            ("", N_("Ask me when such a file comes")),
            ("he", N_("Hebrew (Windows-1255)")),
            ("fa", N_("Persian (Windows-1256)")),
            ("he_dos", N_("Hebrew of a DOS program (CP862)")),
            ("he_dos_visual", N_("Hebrew of a DOS program, letters backwards (CP862)")),
            ("en", N_("Western European (Windows-1252)")),
        ),
    ),
    SettingField(
        "currency",
        N_("Currency"),
        help=N_("Three letters, such as ILS, IRR or EUR. Empty: the currency of the company's country."),
        ltr=True,
    ),
    SettingField(
        "amounts_in",
        N_("Amounts are in"),
        "choice",
        N_("With tomans, 1,000 in the file is kept as 10,000 IRR."),
        default="currency",
        choices=(("currency", N_("the currency itself")), ("toman", N_("tomans (ten rials)"))),
    ),
    SettingField(
        "decimal_mark",
        N_("Decimal mark"),
        "choice",
        N_("In text files. Spreadsheets keep numbers as numbers."),
        default=".",
        choices=((".", N_("point: 1,234.50")), (",", N_("comma: 1.234,50")), ("/", N_("slash: 1,234/50"))),
    ),
    SettingField(
        "date_order",
        N_("Order in dates"),
        "choice",
        N_("For dates that do not begin with a year of four digits."),
        default="dmy",
        choices=(
            ("dmy", N_("day, month, year")),
            ("mdy", N_("month, day, year")),
            ("ymd", N_("year, month, day")),
        ),
    ),
    SettingField(
        "calendar",
        N_("Years of two digits"),
        "choice",
        N_("Years of four digits are recognised: 1405 is solar Hijri, 2026 Gregorian."),
        default="auto",
        choices=(("auto", N_("Gregorian: 26 is 2026")), ("solar_hijri", N_("solar Hijri: 05 is 1405"))),
    ),
    SettingField(
        "file_names",
        N_("Names of files"),
        "mapping",
        N_("How the name of a file begins, if not as usual. For example: invoices: OPENINV"),
        default={},
    ),
    SettingField(
        "customer_columns",
        N_("Columns of customers"),
        "mapping",
        N_("Only what was not recognised, our word first. For example: number: Cust Code"),
        default={},
    ),
    SettingField(
        "invoice_columns",
        N_("Columns of invoices"),
        "mapping",
        N_("Only what was not recognised, our word first. For example: due date: Pay until"),
        default={},
    ),
    SettingField(
        "payment_columns",
        N_("Columns of payments"),
        "mapping",
        N_("Only what was not recognised, our word first. For example: invoice number: Doc Ref"),
        default={},
    ),
    SettingField(
        "state_words",
        N_("Words of the state column"),
        "mapping",
        N_("What your software's words mean: open, paid, cancelled or draft. For example: In dispute: open"),
        default={},
    ),
    SettingField(
        "full_customers",
        N_("Customer files are full lists"),
        "yes_no",
        N_("A customer missing from the next file is then no longer a customer."),
        default=False,
    ),
    SettingField(
        "missing_invoices",
        N_("An invoice that the next file leaves out"),
        "choice",
        default="keep",
        choices=(
            ("keep", N_("stays as it was: files hold what is new")),
            ("cancelled", N_("was cancelled: files hold all invoices")),
            ("paid", N_("was paid: files hold all open invoices")),
        ),
    ),
    SettingField(
        "full_payments",
        N_("Payment files are full lists"),
        "yes_no",
        N_("A payment missing from the next file then never came (a returned cheque)."),
        default=False,
    ),
    SettingField(
        "create_contacts",
        N_("Make contacts of unknown customers"),
        "yes_no",
        N_("They get no consent by that: a customer in the books has not agreed to marketing messages."),
        default=True,
    ),
    SettingField(
        "number_is_reference",
        N_("Customer numbers are the contacts' reference numbers"),
        "yes_no",
        N_("Only if the same numbers are used in both: then they find each other, and new contacts get theirs."),
        default=False,
    ),
    SettingField(
        "tax_id_field",
        N_("Field of contacts that holds the tax id"),
        help=N_("The name of a custom field. Empty: tax ids are not compared."),
        default="tax_id",
        ltr=True,
    ),
    SettingField(
        "events_from",
        N_("Invoices start journeys from"),
        help=N_("A date. What happened before it is only history. Empty: the day of the first import."),
        ltr=True,
    ),
    SettingField(
        "stale_days",
        N_("Invoices are too old after (days)"),
        "number",
        N_("Without a newer file nobody is called overdue any more: they may have paid. 0: never too old."),
        default=7,
        minimum=0,
        maximum=366,
    ),
    SettingField(
        "quiet_seconds",
        N_("A file is finished after (seconds)"),
        "number",
        N_("So long its size and time must stay the same before it is read."),
        default=10,
        minimum=0,
        maximum=3600,
    ),
    SettingField(
        "keep_days",
        N_("Keep files that were read (days)"),
        "number",
        N_("They hold personal data. 0: keep them for ever."),
        default=90,
        minimum=0,
        maximum=3660,
    ),
)

_EURO = "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK"
_CURRENCY_OF = {"IL": "ILS", "IR": "IRR", "GB": "GBP", "US": "USD", "AE": "AED", "TR": "TRY", "CH": "CHF", "CA": "CAD"}


class SettingError(Misconfigured):
    """A setting that cannot be used. `sentence` is an English msgid with `params`."""

    def __init__(self, field: str, sentence: str, language: str, **params: Any) -> None:
        super().__init__(field, translate(language, sentence, **params))
        self.sentence = sentence
        self.params = params


@dataclass(frozen=True)
class Options:
    """The settings of one job, checked. `writing` may be the answer somebody gave on the plugin's page."""

    root: Path
    habits: Habits
    zone: ZoneInfo
    language: str
    writing: str = ""
    file_names: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[Kind, Mapping[str, str]] = field(default_factory=dict)
    missing: Mapping[Kind, str] = field(default_factory=dict)  # what a row left out by a full list has become
    creates_contacts: bool = True
    number_is_reference: bool = False
    tax_id_field: str = ""
    events_from: date | None = None
    stale_days: int = 7
    quiet_seconds: int = 10
    keep_days: int = 90

    def reading_stamp(self) -> str:
        """Changes when the same file would be read differently: then it may be read again."""
        columns = sorted((kind.value, sorted(mapping.items())) for kind, mapping in self.columns.items())
        missing = sorted((kind.value, became) for kind, became in self.missing.items())
        return _stamp([repr(self.habits), self.writing, columns, missing])

    def linking_stamp(self) -> str:
        """Changes when customers would find their contacts differently."""
        return _stamp([self.creates_contacts, self.number_is_reference, self.tax_id_field, str(self.events_from)])


def _stamp(parts: list[Any]) -> str:
    return hashlib.blake2b(json.dumps(parts, ensure_ascii=False).encode(), digest_size=8).hexdigest()


def options(ctx: PluginContext, settings: Mapping[str, Any] | None = None, *, writing: str = "") -> Options:
    """Read `settings` (default: the stored ones). Raises Misconfigured naming the setting that is wrong."""
    values = {one.name: one.default for one in FIELDS} | dict(ctx.settings() if settings is None else settings)
    company = ctx.company()
    language = company.get("language") or "en"
    return Options(
        root=_root(ctx, values, language),
        habits=Habits(
            currency=_currency(values, company, language),
            factor=10 if values["amounts_in"] == "toman" else 1,
            mark=values["decimal_mark"] or ".",
            order=values["date_order"] or "dmy",
            calendar=values["calendar"] or "auto",
            state_words=_state_words(values, language),
        ),
        zone=_zone(company),
        language=language,
        writing=values["writing"] or (writing if writing in PAGES else ""),
        file_names=dict(values["file_names"] or {}),
        columns={
            Kind.CUSTOMERS: dict(values["customer_columns"] or {}),
            Kind.INVOICES: dict(values["invoice_columns"] or {}),
            Kind.PAYMENTS: dict(values["payment_columns"] or {}),
        },
        missing=_missing(values),
        creates_contacts=bool(values["create_contacts"]),
        number_is_reference=bool(values["number_is_reference"]),
        tax_id_field=clean(values["tax_id_field"]),
        events_from=_events_from(values, language),
        stale_days=_whole(values, "stale_days", 7),
        quiet_seconds=_whole(values, "quiet_seconds", 10),
        keep_days=_whole(values, "keep_days", 90),
    )


def _root(ctx: PluginContext, values: Mapping[str, Any], language: str) -> Path:
    written = str(values["folder"] or "").strip()
    if not written:
        return ctx.folder
    root = Path(written).expanduser()
    if not root.is_absolute():
        raise SettingError("folder", N_("The folder must be a full path, such as /srv/books."), language)
    return root


def _currency(values: Mapping[str, Any], company: Mapping[str, str], language: str) -> str:
    written = code(values["currency"]).upper()
    if written in ("IRT", "TOMAN"):
        raise SettingError("currency", N_("A toman is ten rials: choose IRR, and amounts in tomans."), language)
    if values["amounts_in"] == "toman":
        return "IRR"
    if written:
        if len(written) != 3 or not written.isascii() or not written.isalpha():
            raise SettingError("currency", N_("A currency is three letters, such as ILS."), language)
        return written
    country = (company.get("country") or "").upper()
    found = "EUR" if country in _EURO.split() else _CURRENCY_OF.get(country)
    if found is None:
        raise SettingError("currency", N_("Say which currency the files are in."), language)
    return found


def _missing(values: Mapping[str, Any]) -> dict[Kind, str]:
    found = {}
    if values["full_customers"]:
        found[Kind.CUSTOMERS] = "gone"
    if values["missing_invoices"] in ("cancelled", "paid"):
        found[Kind.INVOICES] = values["missing_invoices"]
    if values["full_payments"]:
        found[Kind.PAYMENTS] = "gone"
    return found


def _zone(company: Mapping[str, str]) -> ZoneInfo:
    try:
        return ZoneInfo(company.get("time_zone") or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _state_words(values: Mapping[str, Any], language: str) -> dict[str, str]:
    found = {}
    for word, meaning in (values["state_words"] or {}).items():
        if meaning.strip().lower() not in set(State):
            raise SettingError(
                "state_words", N_("“%(word)s” is none of: open, paid, cancelled, draft."), language, word=meaning
            )
        found[word] = meaning.strip().lower()
    return found


def _events_from(values: Mapping[str, Any], language: str) -> date | None:
    written = clean(values["events_from"])
    if not written:
        return None
    try:
        return day(written, values["date_order"] or "dmy")
    except CellError as error:
        raise SettingError("events_from", error.sentence, language, **error.params) from None


def _whole(values: Mapping[str, Any], name: str, default: int) -> int:
    value = values[name]
    return default if value in (None, "") else int(value)
