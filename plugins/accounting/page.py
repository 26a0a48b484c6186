"""The plugin's page: what was read, who is who, what is open; and the few decisions only a person can make."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from persiantools.jdatetime import JalaliDate

from panel.sdk.context import PluginContext, Record, Unit
from panel.sdk.i18n import N_, translate
from panel.sdk.web import PluginPage, Request
from plugins.accounting.books import FILE, STATE, Books
from plugins.accounting.hotfolder import HotFolder
from plugins.accounting.matching import RULES, Decision
from plugins.accounting.model import EXPONENTS
from plugins.accounting.overview import overview, samples
from plugins.accounting.reading import PAGES
from plugins.accounting.rounds import remembered_writing
from plugins.accounting.settings import SettingError, options

CONTACT = "/admin/contact/id/{}"
KINDS = {"customers": N_("customers"), "invoices": N_("invoices"), "payments": N_("payments"), "": N_("unknown")}
LANGUAGES = {"en": "English", "he": "עברית", "fa": "فارسی"}
WRITINGS = {
    "he": N_("Hebrew (Windows-1255)"),
    "fa": N_("Persian (Windows-1256)"),
    "he_dos": N_("Hebrew of a DOS program (CP862)"),
    "en": N_("Western European (Windows-1252)"),
}


def books_page(ctx: PluginContext) -> PluginPage:
    return PluginPage(
        "books",
        N_("Accounting"),
        render=lambda request: render(ctx, request),
        post=lambda request: post(ctx, request),
        icon="receipt-2",
        action="money.view",
    )


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(ctx: PluginContext, request: Request) -> str:
    language = request.language

    def words(message: str, /, **params: Any) -> str:
        return translate(language, message, **params)

    problem = ""
    try:
        found = options(ctx, writing=remembered_writing(ctx))
    except SettingError as error:
        sentence = words(error.sentence, **error.params)
        return Markup('<div class="alert alert-warning" role="alert">{}</div>').format(sentence)
    if not found.root.is_dir():
        problem = words(N_("The folder %(folder)s is not there."), folder=found.root)
    with ctx.unit() as unit:
        shown = overview(unit, ctx.now().astimezone(found.zone).date())
    return (
        _templates()
        .get_template("books.html")
        .render(
            _=words,
            o=shown,
            folder=str(found.root),
            problem=problem,
            kinds=KINDS,
            rules=RULES,
            writings=WRITINGS,
            samples=samples(),
            languages=LANGUAGES,
            money=_money,
            amount=_amount,
            day=lambda one: _day(one, language),
            moment=lambda text: _day(datetime.fromisoformat(text).astimezone(found.zone).date(), language),
            contact_link=CONTACT.format,
        )
    )


def _amount(value: Decimal, currency: str) -> Markup:
    decimals = EXPONENTS.get(currency, 2)
    return Markup('<bdi dir="ltr" class="text-nowrap">{} {}</bdi>').format(f"{value:,.{decimals}f}", currency)


def _money(money: Any) -> Markup:
    return _amount(money.value, money.currency)


def _day(day: date | None, language: str) -> Markup:
    if day is None:
        return Markup("–")
    if language == "fa":
        text = JalaliDate(day).strftime("%Y/%m/%d")
    else:
        text = day.strftime("%d/%m/%Y")
    return Markup('<time datetime="{0}" title="{0}"><bdi dir="ltr">{1}</bdi></time>').format(day.isoformat(), text)


# What a person decides


def post(ctx: PluginContext, request: Request) -> str:
    """Carry out one of the page's forms; the answer is a sentence for the person."""
    form = request.form

    def words(message: str, /, **params: Any) -> str:
        return translate(request.language, message, **params)

    match form.get("action"):
        case "link":
            return words(_link(ctx, form.get("customer", ""), form.get("contact", "")))
        case "find":
            return words(_find(ctx, form.get("customer", ""), form.get("text", "").strip()))
        case "writing":
            return words(_read_as(ctx, form.get("file", ""), form.get("writing", "")))
        case "again":
            return words(_read_again(ctx, form.get("file", "")))
    return ""


_LINKED = N_("Linked. The invoices will be on the contact's timeline in a minute.")
_GONE = N_("This was settled in the meantime.")


def _link(ctx: PluginContext, customer: str, contact: str) -> str:
    """Take one of the candidates that were offered, no other number."""
    with ctx.unit() as unit:
        books = Books(unit)
        known = books.customers.get(customer)
        if known is None or not contact.isascii() or not contact.isdigit() or int(contact) not in known.link.candidates:
            return _GONE
        _keep(unit, books, customer, int(contact))
    return _LINKED


def _find(ctx: PluginContext, customer: str, text: str) -> str:
    """Link to the one contact that has this e-mail address, phone or reference number."""
    with ctx.unit() as unit:
        books = Books(unit)
        known = books.customers.get(customer)
        if known is None:
            return _GONE
        found = unit.find_contacts(reference=text or None, email=text if "@" in text else "", phone=text)
        if len(found) != 1:
            return N_("Not one contact exactly has this e-mail address, phone or reference number.")
        _keep(unit, books, customer, found[0])
    return _LINKED


def _keep(unit: Unit, books: Books, customer: str, contact_id: int) -> None:
    books.put(unit, replace(books.customers[customer], link=Decision("linked", contact_id, "person"), problem=""))
    books.ask(unit)
    if not any(one.link.outcome == "ambiguous" for one in books.customers.values()):
        unit.resolve_issue("ambiguous")


def _read_as(ctx: PluginContext, sha: str, writing: str) -> str:
    """Remember the writing for this and all later files in an old encoding, and read the file again."""
    if writing not in PAGES:
        return _GONE
    with ctx.unit() as unit:
        record = unit.get(FILE, sha)
        if record is None or record.data["state"] != "bad":
            return _GONE
        unit.put(Record(STATE, "writing", {"writing": writing}))
    return _back(ctx, record)


def _read_again(ctx: PluginContext, sha: str) -> str:
    """Read a file although it is the same as an older one; or one that was set aside, after the settings changed."""
    with ctx.unit() as unit:
        record = unit.get(FILE, sha)
        if record is None:
            return _GONE
        unit.put(replace(record, data=record.data | {"stamp": ""}))
        unit.resolve_issue(f"again:{record.data['kind']}")
    return _back(ctx, record)


def _back(ctx: PluginContext, record: Record) -> str:
    folder = HotFolder(options(ctx).root)
    name = str(record.data.get("again_as") or record.data["name"])
    try:
        if record.data["state"] == "bad":
            folder.back("bad", name, name)
        else:
            folder.back("done", f"{record.key[:8]}-{name}", name)
    except OSError:
        return N_("The file is no longer there; put it into the folder again.")
    return N_("The file will be read again in a minute.")
