"""What an import is to do, as data: which column goes where, whom it matches, what it gives to everybody in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from panel.contacts.fields import BUILT_IN, FieldInfo, find, key
from panel.contacts.values import parse_day
from panel.errors import UserError
from panel.i18n import N_

SKIP = ""
# Columns that are not fields of a contact but do something for it.
EXTRAS = {
    "tags": ("tags", "tag", "labels", "תגיות", "תגית", "تگ", "برچسب", "برچسب ها"),
    "lists": ("lists", "list", "groups", "רשימות", "רשימה", "فهرست", "فهرست ها", "گروه"),
    "note": ("note", "notes", "comment", "comments", "remarks", "הערה", "הערות", "یادداشت", "توضیحات"),
}
_EXTRA_OF = {key(word): name for name, words in EXTRAS.items() for word in words}
MODES = ("both", "create", "update")
MATCH = ("reference", "email", "phone")
CONSENT_CHANNELS = ("email", "sms", "whatsapp", "letter")
_EMAIL_LIKE = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
_PHONE_LIKE = re.compile(r"[+(]?[\d\s().\-]{9,20}\Z")


@dataclass(frozen=True)
class GivenConsent:
    """Consent that everybody in the file gave, with its proof: where, when, to what words. All of it is required."""

    channels: tuple[str, ...]
    source: str
    day: date
    wording: str


@dataclass(frozen=True)
class Rules:
    """`match`: in this order, the first that finds somebody. `mode`: both | create | update."""

    match: tuple[str, ...] = MATCH
    mode: str = "both"
    lists: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    consent: GivenConsent | None = None
    starts_journeys: bool = False
    language: str = "en"  # of the person who brought the file: the reasons in the error file
    day_order: Mapping[str, str] = field(default_factory=dict)  # column -> dmy | mdy

    def plain(self) -> dict[str, Any]:
        data = asdict(self)
        if self.consent is not None:
            data["consent"]["day"] = self.consent.day.isoformat()
        return data


def read_rules(data: Mapping[str, Any], *, today: date) -> Rules:
    """Rules from a form, a mapping file or the database. Every mistake is a UserError in words."""
    match = tuple(_words(data.get("match", MATCH)))
    for name in match:
        if name not in MATCH:
            raise UserError(
                "match_unknown",
                N_('Contacts are matched by reference, email or phone, not by "%(name)s"'),
                name=name[:40],
            )
    mode = str(data.get("mode") or "both")
    if mode not in MODES:
        raise UserError("mode_unknown", N_('The mode is create, update or both, not "%(mode)s"'), mode=mode[:40])
    return Rules(
        match,
        mode,
        tuple(_words(data.get("lists", data.get("list", ())))),
        tuple(_words(data.get("tags", data.get("tag", ())))),
        _read_consent(data.get("consent"), today),
        _is_yes(data.get("starts_journeys", data.get("start_journeys", False))),
        str(data.get("language") or "en"),
        dict(data.get("day_order") or {}),
    )


def _read_consent(data: Any, today: date) -> GivenConsent | None:
    if not data:
        return None
    if not isinstance(data, Mapping):
        raise UserError("consent_incomplete", N_("Consent needs its channels, source, date and wording"))
    channels = tuple(_words(data.get("channels", data.get("channel", ()))))
    if not channels and not any(data.get(name) for name in ("source", "day", "date", "wording")):
        return None
    for channel in channels:
        if channel not in CONSENT_CHANNELS:
            raise UserError("channel_unknown", N_('There is no channel called "%(channel)s"'), channel=channel[:40])
    source, wording = str(data.get("source") or "").strip(), str(data.get("wording") or "").strip()
    written = str(data.get("day") or data.get("date") or "").strip()
    day = parse_day(written) if written else None
    if not channels or not source or not wording or day is None:
        raise UserError(
            "consent_incomplete",
            N_("Consent needs its proof: the channels, where it was given, the date, and the words they agreed to"),
        )
    if day > today:
        raise UserError("consent_in_future", N_("The date of the consent lies in the future"))
    return GivenConsent(channels, source[:200], day, wording)


def _words(value: Any) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [str(part).strip() for part in value if str(part).strip()]


def _is_yes(value: Any) -> bool:
    return value is True or str(value).strip().lower() in {"yes", "true", "1", "on", "כן", "بله"}


def guess_columns(headers: Sequence[str], rows: Iterable[Sequence[str]], custom: Sequence[FieldInfo]) -> dict[str, str]:
    """Where each column probably goes: {"0": "first_name", ...}; columns that nobody can guess are left out.

    By their names in three languages first, then by what stands in them. A field that holds one value is guessed
    for one column only; e-mail and telephone may come several times.
    """
    samples = [list(row) for row in rows]
    found: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for at, header in enumerate(headers):
        target = _by_name(header, custom)
        if target and (target in ("email", "phone") or not taken[target]):
            found[str(at)] = target
            taken[target] += 1
    for at in range(len(headers)):
        if str(at) in found:
            continue
        values = [row[at].strip() for row in samples if at < len(row) and row[at].strip()]
        for kind, pattern in (("email", _EMAIL_LIKE), ("phone", _PHONE_LIKE)):
            if len(values) >= 2 and not taken[kind] and all(pattern.match(value) for value in values):
                found[str(at)] = kind
                taken[kind] += 1
                break
    # "name" beside "last name" is the first name; Hebrew files do this with שם and משפחה.
    targets = {target: number for number, target in found.items()}
    if "full_name" in targets and "last_name" in targets and "first_name" not in targets:
        found[targets["full_name"]] = "first_name"
    # نام alone is the whole name.
    if "first_name" in targets and "last_name" not in targets and "full_name" not in targets:
        alone = targets["first_name"]
        if key(headers[int(alone)]) in (key("نام"), key("اسم")):
            found[alone] = "full_name"
    return found


def _by_name(header: str, custom: Sequence[FieldInfo]) -> str | None:
    header = re.sub(r" \(\d+\)$|[\s_]*\d$", "", header).strip().rstrip(":*")
    extra = _EXTRA_OF.get(key(header))
    if extra:
        return extra
    info = find(header, custom)
    if info is not None and info.writable:
        return info.name
    # "Customer email", "E-mail 1 - Value", "כתובת מייל של הלקוח"
    words = {key(word) for word in re.split(r"[\s_\-/:.]+", header)}
    for name in ("email", "phone"):
        names = {key(word) for word in BUILT_IN[name].names()} - {"", key("call")}
        if words & names:
            return name
    return None


def check_columns(columns: Mapping[str, str], width: int, custom: Sequence[FieldInfo]) -> None:
    """Refuse a mapping that cannot work: unknown fields, a field from two columns, nothing to know a person by."""
    taken: Counter[str] = Counter()
    for at, target in columns.items():
        if target == SKIP:
            continue
        if not at.isdigit() or int(at) >= width:
            raise UserError("column_unknown", N_("The file has no column number %(n)s"), n=at)
        info = find(target, custom)
        if target not in EXTRAS and (info is None or not info.writable):
            raise UserError("field_unknown", N_('There is no field called "%(field)s"'), field=target[:80])
        taken[target] += 1
        if taken[target] > 1 and target not in ("email", "phone", *EXTRAS):
            raise UserError(
                "field_twice", N_('Two columns go into the field "%(field)s". Choose one of them.'), field=target
            )
    if not taken.keys() & {"first_name", "last_name", "full_name", "email", "phone", "reference", "company"}:
        raise UserError(
            "nothing_to_know_by", N_("Choose at least one column with a name, an e-mail address, a phone or a number")
        )


def guess_day_order(values: Iterable[str]) -> str:
    """Whether a column of days is written day first (usual here) or month first, by values that can only be one."""
    for value in values:
        match = re.match(r"\s*(\d{1,2})[./\-](\d{1,2})[./\-]\d{2,4}", value)
        if match:
            if int(match[1]) > 12:
                return "dmy"
            if int(match[2]) > 12:
                return "mdy"
    return "dmy"
