"""Sentences around values: translated whole, every value isolated, so that no direction of writing turns it around."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from markupsafe import Markup, escape

from panel import amounts, calendars
from panel.calendars import Reader
from panel.i18n import N_, translate
from panel.journeys import reasons as journey_reasons
from panel.messages import reasons as message_reasons
from panel.sdk.events import EventField
from panel.staff.rules import ROLE_LABELS, RoleName
from panel.timeline.registry import types
from panel.web.filters import hidden_amount

CHANNELS = {
    "email": (N_("Email"), "mail"),
    "sms": (N_("SMS"), "device-mobile"),
    "whatsapp": (N_("WhatsApp"), "message-circle"),
    "letter": (N_("Letter"), "file-text"),
    "in_app": (N_("In-app message"), "bell"),
    "call": (N_("Call"), "phone"),
}
HOW = {
    "import": N_("by an import"),
    "form": N_("through a form"),
    "landing_page": N_("through a landing page"),
    "api": N_("through the API"),
    "manual": N_("by hand"),
    "by_hand": N_("by hand"),
    "plugin": N_("from a connected system"),
    "accounting": N_("from the accounting system"),
    "demo": N_("as an example"),
    "one_click": N_("with one click in the message"),
    "unsubscribe_link": N_("through the unsubscribe link"),
    "preference_page": N_("on the preferences page"),
    "reply": N_("by a reply"),
    "reply_stop": N_("by a reply"),
    "complaint": N_("by a spam complaint"),
    "hard": N_("for good"),
    "soft": N_("for now"),
    "sent": N_("it went out"),
    "not_sent": N_("it did not go out"),
    "arrived": N_("it went out"),
    "skip": N_("it was given up"),
    "send_again": N_("it is sent again"),
    "human": N_("a person"),
    "proxy": N_("a mail service"),
    "machine": N_("a machine"),
    "unsubscribed": N_("unsubscribed"),
    "complained": N_("spam complaint"),
    "hard_bounce": N_("messages came back"),
    "legal": N_("legal reasons"),
    "provider": N_("the provider"),
    "report": N_("a report of the provider"),
    "wire_journal": N_("the worker's own notes"),
    "person": N_("a colleague"),
    "marketing": N_("no marketing"),
    "everything": N_("nothing at all"),
}
TRIGGERS = {
    "contact_created": N_("the contact was created"),
    "joins_list": N_("joined a list"),
    "leaves_list": N_("left a list"),
    "tag_added": N_("got a tag"),
    "tag_removed": N_("lost a tag"),
    "form_submitted": N_("filled in a form"),
    "page_visited": N_("visited a page"),
    "becomes_true": N_("a condition became true"),
    "date": N_("a date came"),
    "schedule": N_("the schedule"),
    "start_journey": N_("another journey"),
}
_CODES = frozenset({"how", "scope", "severity", "verdict", "outcome", "by", "because"})
_LTR_FIELDS = frozenset({"url", "referrer", "address", "email", "phone", "order", "page", "file", "link"})
_NOTHING = Markup('<span class="text-secondary">…</span>')


class _Values(dict[str, Any]):
    """A value that was erased, or that the sender left out, must not break the sentence around it."""

    def __missing__(self, key: str) -> Markup:
        return _NOTHING


def fill(language: str, sentence: str, values: Mapping[str, Any]) -> Markup:
    """`sentence` (an English msgid) in `language`, its slots filled with `values`; plain strings are isolated."""
    safe = {name: value if isinstance(value, Markup) else isolated(value) for name, value in values.items()}
    return Markup(escape(translate(language, sentence))) % _Values(safe)


def isolated(value: Any) -> Markup:
    """Something a person typed: finds its own direction."""
    return Markup("<bdi>{}</bdi>").format(value) if value not in (None, "") else _NOTHING


def left_to_right(value: Any) -> Markup:
    """A number, address, code or file name: always left to right."""
    return Markup('<bdi dir="ltr" class="wrap">{}</bdi>').format(value)


def channel_words(channel: str, language: str) -> str:
    known = CHANNELS.get(channel)
    return translate(language, known[0]) if known else channel.replace("_", " ").replace(".", " ")


def channel_icon(channel: str) -> str:
    return CHANNELS.get(channel, ("", "send"))[1]


def how_words(code: str, language: str) -> str:
    """A short code of an event (how, by whom, how badly) in words; what has no words is shown as it came."""
    known = HOW.get(code) or HOW.get({"plugin": "plugin", "user": "person"}.get(code.partition(":")[0], ""))
    return translate(language, known) if known else code


def trigger_words(code: str, language: str) -> str:
    """What started a journey, in words; an event by its label."""
    known = TRIGGERS.get(code)
    if known is None:
        declared = types.get(code)
        known = declared.label if declared else None
    return translate(language, known) if known else code.replace("_", " ").replace(".", " · ")


def value_words(field: EventField | None, name: str, value: Any, data: Mapping[str, Any], reader: Reader) -> Markup:
    """One value of an event as its declaration says: money, date, number, a code in words, or isolated text."""
    language = reader.language
    if value in (None, "", [], {}):
        return _NOTHING
    if isinstance(value, Mapping):
        return Markup(", ").join(
            Markup("{}: {}").format(isolated(key), value_words(None, str(key), inner, value, reader))
            for key, inner in value.items()
        )
    if isinstance(value, (list, tuple)):
        return Markup(", ").join(value_words(field, name, one, data, reader) for one in value)
    if isinstance(value, bool):
        return Markup(escape(translate(language, N_("yes") if value else N_("no"))))
    kind = field.kind if field else "text"
    if amounts.is_amount(value, reader, kind=kind, name=name, is_nameless=name in _CHANGED):
        return hidden_amount(language)
    if name == "channel" and isinstance(value, str):
        return isolated(channel_words(value, language))
    if name == "reason" and isinstance(value, str):
        return isolated(reason_words(value, language))
    if name == "who" and value in ROLE_LABELS:
        return isolated(translate(language, ROLE_LABELS[RoleName(value)]))
    if name in _CODES and isinstance(value, str):
        return isolated(how_words(value, language))
    if kind == "money":
        return _money(value, str(data.get("currency") or "ILS"), reader)
    if kind == "date" and isinstance(value, str):
        return _date(value, reader)
    if kind == "moment" and isinstance(value, str):
        return _moment(value, reader)
    if kind == "number" or (isinstance(value, (int, float)) and field is None):
        return _number(value, reader)
    if name in _LTR_FIELDS:
        return left_to_right(value)
    return isolated(value) if name in _WRITTEN else veiled(str(value), reader)


# In which places a changed field's value stands, when its type is not known.
_CHANGED = frozenset({"", "old", "new", "before", "after", "from", "to", "was", "value"})
# What a person wrote stays as it was written, amounts and all.
_WRITTEN = frozenset({"subject", "text", "title", "earlier_text"})


def veiled(value: str, reader: Reader) -> Markup:
    """Text that a program wrote, isolated, without the amounts that this reader may not see."""
    return isolated(amounts.veiled(value, reader))


def reason_words(code: str, language: str) -> str:
    """Any reason code that an event may carry: of a message, of a journey's end, of a block."""
    if code in journey_reasons.END:
        return journey_reasons.end_words(code, language)
    if code in HOW:
        return how_words(code, language)
    if code in message_reasons.SENTENCES:
        return message_reasons.words(code, language)
    return code


def _money(value: Any, currency: str, reader: Reader) -> Markup:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return isolated(value)
    return Markup('<bdi dir="ltr" class="num">{}</bdi>').format(calendars.show_money(amount, currency, reader))


def _number(value: Any, reader: Reader) -> Markup:
    try:
        return Markup('<bdi dir="ltr" class="num">{}</bdi>').format(calendars.show_number(Decimal(str(value)), reader))
    except InvalidOperation:
        return isolated(value)


def _date(value: str, reader: Reader) -> Markup:
    try:
        day = date.fromisoformat(value[:10])
    except ValueError:
        return isolated(value)
    return Markup('<time datetime="{}"><bdi>{}</bdi></time>').format(day.isoformat(), calendars.show_day(day, reader))


def _moment(value: str, reader: Reader) -> Markup:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return isolated(value)
    return Markup('<time datetime="{}"><bdi>{}</bdi></time>').format(
        moment.astimezone(reader.zone).isoformat(timespec="seconds"), calendars.show_moment(moment, reader)
    )


def time_words(moment: datetime, reader: Reader) -> Markup:
    """The clock time alone; the full moment is in the title."""
    local = moment.astimezone(reader.zone)
    return Markup('<time datetime="{}" title="{}"><bdi>{}</bdi></time>').format(
        local.isoformat(timespec="seconds"),
        f"{local:%Y-%m-%d %H:%M} {reader.time_zone}",
        calendars.show_time(moment, reader),
    )


def near_words(moment: datetime, day: date, reader: Reader) -> Markup:
    """The clock time when the moment is on `day`, else date and time."""
    local = moment.astimezone(reader.zone)
    if local.date() == day:
        return time_words(moment, reader)
    return Markup('<time datetime="{}" title="{}"><bdi>{}</bdi></time>').format(
        local.isoformat(timespec="seconds"),
        f"{local:%Y-%m-%d %H:%M} {reader.time_zone}",
        calendars.show_moment(moment, reader, "short"),
    )
