"""The fields a contact has, by every name they go by: `[[first name]]`, `[[שם פרטי]]` and `[[نام]]` are one field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from panel.contacts.search import fold, strip_marks


@dataclass(frozen=True)
class FieldInfo:
    """A field, built in or the business's own (then `id` is its row). `labels` are per interface language."""

    name: str
    type: str = "text"
    labels: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    id: int | None = None

    def label(self, language: str) -> str:
        return self.labels.get(language) or self.labels.get("en") or self.name

    def __hash__(self) -> int:
        return hash((self.name, self.id))


def _built_in(name: str, en: str, he: str, fa: str, *aliases: str, type: str = "text") -> tuple[str, FieldInfo]:
    return name, FieldInfo(name, type, {"en": en, "he": he, "fa": fa}, aliases)


BUILT_IN: dict[str, FieldInfo] = dict(
    (
        _built_in("first_name", "first name", "שם פרטי", "نام", "given name", "forename", "نام کوچک", "اسم"),
        _built_in("last_name", "last name", "שם משפחה", "نام خانوادگی", "surname", "family name", "فامیلی"),
        _built_in("full_name", "full name", "שם מלא", "نام کامل", "name", "contact name", "שם", "نام و نام خانوادگی"),
        _built_in("email", "email", 'דוא"ל', "ایمیل", "e-mail", "mail", "email address", "אימייל", "מייל",
                  "כתובת מייל", "דואר אלקטרוני", "رایانامه", "پست الکترونیک", "آدرس ایمیل", type="email"),
        _built_in("phone", "phone", "טלפון", "تلفن", "phone number", "telephone", "mobile", "mobile number",
                  "cell phone", "מספר טלפון", "נייד", "טלפון נייד", "סלולרי", "شماره تلفن", "موبایل", "شماره موبایل",
                  "تلفن همراه", "همراه", type="phone"),
        _built_in("company", "company", "חברה", "شرکت", "company name", "firm", "organisation", "organization",
                  "business", "שם החברה", "ארגון", "نام شرکت", "سازمان"),
        _built_in("language", "language", "שפה", "زبان"),
        _built_in("time_zone", "time zone", "אזור זמן", "منطقه زمانی"),
        _built_in("owner", "owner", "אחראי", "مسئول", "our person", "מטפל", "مسئول پرونده"),
        _built_in("reference", "customer number", "מספר לקוח", "شماره مشتری", "reference", "contact number",
                  "אסמכתה", "کد مشتری", "شناسه مشتری"),
        _built_in("personal_link", "personal link", "קישור אישי", "پیوند شخصی", "personal page", "לינק אישי",
                  "لینک شخصی", type="link"),
    )
)  # fmt: skip

# Where the value of a built-in field is kept: a column of the contact, or its primary address of a kind.
COLUMNS = {
    "first_name": "first_name",
    "last_name": "last_name",
    "full_name": "name",
    "company": "company",
    "language": "language",
    "time_zone": "time_zone",
    "reference": "reference",
}
ADDRESS_KINDS = {"email": "email", "phone": "phone"}


def key(name: str) -> str:
    """The form in which names of fields are compared: letters only, without case, spaces, underscores, marks."""
    folded = fold(strip_marks(name).replace("\u200c", ""))
    return "".join(c for c in folded if c not in " _-'\"")


@cache
def _built_in_keys() -> dict[str, str]:
    return _keys(BUILT_IN.values())


def _keys(fields: Iterable[FieldInfo]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in fields:
        for name in (one.name, *one.labels.values(), *one.aliases):
            if name:
                found.setdefault(key(str(name)), one.name)
    return found


def keys(custom_fields: Iterable[FieldInfo] = ()) -> dict[str, str]:
    """Every name of every field, folded (see `key`), to its identity; built-in fields win."""
    return _keys(custom_fields) | _built_in_keys()


def identity(name: str, custom_fields: Iterable[FieldInfo] = ()) -> str | None:
    """Which field is meant by `name` (identity, label or alias, in any language), or None."""
    folded = key(name)
    return _built_in_keys().get(folded) or _keys(custom_fields).get(folded)
