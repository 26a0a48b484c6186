"""Jinja filters that print values so that no direction of writing can turn them around.

Every value inside running text is isolated: names and subjects find their own direction, numbers, addresses and codes
are always left-to-right. `+972 52-123-0003` printed bare in a Hebrew page reads `52-123-0003 972+`.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import phonenumbers
from flask import Flask
from markupsafe import Markup

from panel import amounts, calendars, clock
from panel.i18n import translate
from panel.web.preferences import current_reader

NOTHING = Markup('<span class="text-secondary" aria-hidden="true">–</span>')
_LTR = Markup('<bdi dir="ltr">{}</bdi>')
_NUMBER = Markup('<bdi dir="ltr" class="num">{}</bdi>')


def person(value: Any) -> Markup:
    """A name, subject, tag: anything a person typed. Finds its own direction."""
    return Markup("<bdi>{}</bdi>").format(value) if value not in (None, "") else NOTHING


def email(value: str | None) -> Markup:
    return Markup('<bdi dir="ltr" class="wrap">{}</bdi>').format(value) if value else NOTHING


def phone(value: str | None) -> Markup:
    """An E.164 number in its international grouping: +972 52-123-0003."""
    return _NUMBER.format(phone_words(value)) if value else NOTHING


def phone_words(value: str) -> str:
    try:
        return phonenumbers.format_number(phonenumbers.parse(value, None), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return value


def money(value: Decimal | float | int | None, currency: str = "ILS") -> Markup:
    """What contacts paid, owe or brought in: dots, with the reason, for who may not see it."""
    if value is None:
        return NOTHING
    reader = current_reader()
    if not reader.sees_amounts:
        return hidden_amount(reader.language)
    return _NUMBER.format(calendars.show_money(value, currency, reader))


def hidden_amount(language: str) -> Markup:
    """What stands in the place of an amount for somebody who may not see it."""
    return Markup('<span class="text-secondary" title="{1}">{0}<span class="visually-hidden">{1}</span></span>').format(
        calendars.HIDDEN_AMOUNT, translate(language, amounts.WHY_HIDDEN)
    )


def price(value: Decimal | float | int | None, currency: str = "ILS") -> Markup:
    """What something costs ourselves, such as sending a message; what contacts pay goes through `money`."""
    return _NUMBER.format(calendars.show_price(value, currency, current_reader())) if value is not None else NOTHING


def number(value: int | float | Decimal | None, decimals: int | None = None) -> Markup:
    return _NUMBER.format(calendars.show_number(value, current_reader(), decimals)) if value is not None else NOTHING


def percent(share: float | None, decimals: int = 0) -> Markup:
    return _NUMBER.format(calendars.show_percent(share, current_reader(), decimals)) if share is not None else NOTHING


def code(value: Any) -> Markup:
    """An identifier, URL, file name or the like: left-to-right, in one piece."""
    return (
        Markup('<bdi dir="ltr" class="wrap"><code>{}</code></bdi>').format(value)
        if value not in (None, "")
        else NOTHING
    )


def day(value: date | datetime | None, style: calendars.Style = "long") -> Markup:
    """A date in the reader's calendar; the Gregorian one is in the title."""
    if value is None:
        return NOTHING
    reader = current_reader()
    if isinstance(value, datetime):
        value = value.astimezone(reader.zone).date()
    return Markup('<time datetime="{}" title="{}"><bdi>{}</bdi></time>').format(
        value.isoformat(), value.isoformat(), calendars.show_day(value, reader, style)
    )


def when(value: datetime | None, style: str = "ago") -> Markup:
    """A moment: "5 min ago", "today 09:30", "yesterday 17:05", then its date. "long" always gives date and time."""
    if value is None:
        return NOTHING
    reader = current_reader()
    if style == "ago":
        words = calendars.show_ago(value, clock.now(), reader)
    elif style == "time":
        words = calendars.show_time(value, reader)
    else:
        words = calendars.show_moment(value, reader, "short" if style == "short" else "long")
    local = value.astimezone(reader.zone)
    return Markup('<time datetime="{}" title="{}"><bdi>{}</bdi></time>').format(
        local.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M} {reader.time_zone}", words
    )


def isolate(value: Any) -> str:
    """For places that cannot hold markup (page titles, aria-label): isolation characters around the value."""
    return f"\u2068{value}\u2069"


def initials(name: str | None) -> str:
    """One or two letters for the round badge beside a name."""
    words = [w for w in (name or "").replace("@", " ").split() if w[0].isalpha()]
    return "".join(w[0].upper() for w in (words[:1] + words[-1:] if len(words) > 1 else words[:1])) or "?"


def combined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two sets of attributes as one; the second wins."""
    return {**first, **second}


def install(app: Flask) -> None:
    app.jinja_env.filters.update(
        person=person, email=email, phone=phone, money=money, price=price, number=number, percent=percent, code=code,
        day=day, when=when, combined=combined, isolate=isolate, initials=initials,
    )  # fmt: skip
