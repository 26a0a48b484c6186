"""Looking up merge fields: what a name in `[[...]]` means, and the value that stands there for one contact."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from panel.calendars import Reader, show_day, show_moment, show_money, show_number
from panel.contacts.fields import BUILT_IN, FieldInfo, identity, key
from panel.errors import Problem
from panel.i18n import N_, translate
from panel.sdk.channels import TemplateContent
from panel.sdk.merge import FIELD
from panel.timeline.registry import types

# Fields that only exist inside a message, by their names in three languages.
IN_MESSAGES = tuple(
    FieldInfo(name, type_, {"en": labels[0], "he": labels[1], "fa": labels[2]}, tuple(labels[3:]))
    for name, type_, labels in (
        ("unsubscribe_link", "link", ("unsubscribe link", "קישור הסרה", "پیوند لغو اشتراک", "unsubscribe",
                                      "קישור להסרה", "הסרה", "לינק להסרה", "לינק הסרה", "لینک لغو اشتراک",
                                      "لغو اشتراک")),
        ("preferences_link", "link", ("preferences link", "קישור להעדפות", "پیوند ترجیحات", "preferences", "העדפות",
                                      "לינק להעדפות", "لینک ترجیحات")),
        ("company_name", "text", ("our name", "שם העסק שלנו", "نام ما", "our company", "sender name", "שם השולח",
                                  "نام کسب و کار ما", "نام فرستنده")),
        ("company_address", "text", ("our address", "הכתובת שלנו", "نشانی ما", "آدرس ما")),
        ("today", "date", ("today", "היום", "امروز", "today's date", "תאריך היום", "تاریخ امروز")),
    )
)  # fmt: skip
LINKS = frozenset({"unsubscribe_link", "preferences_link", "personal_link"})
_PREFIXES = ("event.", "run.", "entry.")
ANY = "given."  # a name without prefix that is no field of ours: taken from the journey's run, else from its event


class Fields:
    """The names usable in templates of this business: built in, of messages, and its own custom fields."""

    def __init__(self, custom_fields: Iterable[FieldInfo] = ()) -> None:
        self.custom = {one.name: one for one in custom_fields}
        self._in_messages = {
            key(name): one.name for one in IN_MESSAGES for name in (one.name, *one.labels.values(), *one.aliases)
        }
        self._known: dict[str, str | None] = {}

    def identity(self, name: str) -> str | None:
        """The identity of a field of ours; None for a name that only a journey's event could give."""
        if name not in self._known:
            built_in = identity(name, ())
            self._known[name] = built_in or self._in_messages.get(key(name)) or identity(name, self.custom.values())
        return self._known[name]

    def canonical_name(self, written: str) -> str:
        """The one spelling by which a name is stored in a compiled message."""
        written = html.unescape(written).strip()
        lowered = written.casefold()
        for prefix in _PREFIXES:
            if lowered.startswith(prefix):
                return prefix + key(written[len(prefix) :])
        return self.identity(written) or ANY + key(written)

    def canonical(self, content: TemplateContent) -> TemplateContent:
        """The content with every merge field under its identity, so that a channel need not know any names."""
        return replace(
            content,
            subject=self.rewrite(content.subject),
            html=self.rewrite(content.html),
            text=self.rewrite(content.text),
        )

    def rewrite(self, text: str) -> str:
        if "[[" not in text:
            return text

        def put(match: Any) -> str:
            default = "" if match[2] is None else "|" + match[2].strip()
            return f"[[{self.canonical_name(match[1])}{default}]]"

        return FIELD.sub(put, text)

    def labels(self) -> list[tuple[str, FieldInfo]]:
        """Every field for a picker: (group, field); groups: contact, ours, message."""
        rows = [("contact", one) for one in BUILT_IN.values() if one.type != "link"]
        rows += [("ours", one) for one in self.custom.values()]
        return rows + [("message", one) for one in (*IN_MESSAGES, BUILT_IN["personal_link"])]

    def nearest(self, name: str, given: Iterable[str] = ()) -> str | None:
        """The known name most like `name`, as a person would write it."""
        names: dict[str, str] = {}
        for _, one in self.labels():
            for label in (*one.labels.values(), *one.aliases, one.name):
                names.setdefault(key(label), label)
        for label in given:
            names.setdefault(key(label), label)
        close = get_close_matches(key(name), names, n=1, cutoff=0.6)
        return names[close[0]] if close else None


@cache
def _event_field_names(count: int) -> dict[str, str]:
    """Fields that declared events carry, folded; `count` (of event types) makes the cache notice a new plugin."""
    return {key(one.name): one.name.replace("_", " ") for kind in types.all() for one in kind.fields}


def check_template(
    content: TemplateContent, custom_fields: Iterable[FieldInfo], given: Sequence[str] = ()
) -> list[Problem]:
    """Everything wrong with the merge fields of a template, each with the nearest right name.

    `given` are further names a journey provides. Fields that any declared event carries count as known, because a
    template may be used in a journey that such an event starts.
    """
    fields = Fields(custom_fields)
    events = _event_field_names(len(types.all()))
    known = {key(name) for name in given} | events.keys()
    problems: list[Problem] = []
    for where in ("subject", "html", "text"):
        text = getattr(content, where)
        for match in FIELD.finditer(text):
            written = html.unescape(match[1]).strip()
            if written.casefold().startswith(_PREFIXES) or fields.identity(written) or key(written) in known:
                continue
            guess = fields.nearest(written, (*given, *events.values()))
            problems.append(_unknown(written, guess, where))
        rest = FIELD.sub("", text)
        if "[[" in rest:
            shown = rest[rest.index("[[") :][:40].split("\n")[0]
            problems.append(
                Problem(
                    "merge_field_not_closed",
                    N_("%(text)s is not a merge field: write [[name]] or [[name|what stands there without a value]]"),
                    {"text": shown},
                    where,
                )
            )
    return problems


def _unknown(written: str, guess: str | None, where: str) -> Problem:
    if guess is None:
        return Problem("merge_field", N_("[[%(name)s]] is not a known field"), {"name": written}, where)
    return Problem(
        "merge_field",
        N_("[[%(name)s]] is not a known field; did you mean [[%(guess)s]]?"),
        {"name": written, "guess": guess},
        where,
    )


def given_values(extra: Mapping[str, Any] | None, language: str, zone: str = "UTC") -> dict[str, str]:
    """What a journey hands along, by stored name: {"event": {...}, "run": {...}} or {"event.amount": ...}.

    A name without prefix is answered by the run first, then by the event, then by whatever else was given.
    """
    if not extra:
        return {}
    flat: dict[str, Any] = {}
    for name, value in extra.items():
        if isinstance(value, Mapping) and not _is_money(value):
            flat.update({f"{name}.{inner}": one for inner, one in value.items()})
        else:
            flat[name] = value
    found: dict[str, str] = {}
    for name in sorted(flat, key=lambda one: (not one.startswith("run."), not one.startswith("event."))):
        prefix, dot, rest = name.partition(".")
        text = show_value(flat[name], language, zone)
        if text:
            if dot:
                found.setdefault(f"{prefix}.{key(rest)}", text)
            found.setdefault(ANY + key(rest or prefix), text)
    return found


def _is_money(value: Mapping[str, Any]) -> bool:
    return set(value) == {"amount", "currency"}


def reader_for(language: str, zone: str = "UTC") -> Reader:
    """How a contact of this language reads dates and numbers."""
    known = language if language in ("en", "he", "fa") else "en"
    calendar = "solar_hijri" if known == "fa" else "gregorian"
    return Reader(language=known, calendar=calendar, time_zone=zone, sees_amounts=True)  # it is the contact's own money


def show_value(value: Any, language: str, zone: str = "UTC") -> str:
    """A value as it stands in a message in this language. Texts are left exactly as they are."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    reader = reader_for(language, zone)
    if isinstance(value, bool):
        return translate(reader.language, N_("yes") if value else N_("no"))
    if isinstance(value, datetime):
        return show_moment(value if value.tzinfo else value.replace(tzinfo=UTC), reader)
    if isinstance(value, date):
        return show_day(value, reader)
    if isinstance(value, int | float | Decimal):
        return show_number(value, reader)
    if isinstance(value, Mapping) and _is_money(value):
        return show_money(Decimal(str(value["amount"])), str(value["currency"]), reader)
    return str(value)


def today(now: datetime, language: str, zone: str) -> str:
    return show_day(now.astimezone(ZoneInfo(zone)).date(), reader_for(language, zone))
