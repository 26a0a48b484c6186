"""The fields a contact has, by every name they go by: `[[first name]]`, `[[שם פרטי]]` and `[[نام]]` are one field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from panel.contacts.search import fold, strip_marks


@dataclass(frozen=True)
class BuiltIn:
    """A field every contact has. `names` are what people call it, per language; the first of each is its label."""

    identity: str
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    type: str = "text"

    def label(self, language: str) -> str:
        return (self.names.get(language) or self.names["en"])[0]


BUILT_IN = (
    BuiltIn("first_name", {"en": ("first name", "given name", "forename"), "he": ("שם פרטי",),
                           "fa": ("نام", "نام کوچک", "اسم")}),
    BuiltIn("last_name", {"en": ("last name", "surname", "family name"), "he": ("שם משפחה",),
                          "fa": ("نام خانوادگی", "فامیلی")}),
    BuiltIn("full_name", {"en": ("full name", "name", "contact name"), "he": ("שם מלא", "שם"),
                          "fa": ("نام کامل", "نام و نام خانوادگی")}),
    BuiltIn("email", {"en": ("email", "e-mail", "email address", "mail"),
                      "he": ('דוא"ל', "אימייל", "מייל", "כתובת מייל", "דואר אלקטרוני"),
                      "fa": ("ایمیل", "رایانامه", "پست الکترونیک", "آدرس ایمیل")}, "email"),
    BuiltIn("phone", {"en": ("phone", "phone number", "telephone", "mobile", "mobile number", "cell phone"),
                      "he": ("טלפון", "מספר טלפון", "נייד", "טלפון נייד", "סלולרי"),
                      "fa": ("تلفن", "شماره تلفن", "موبایل", "شماره موبایل", "تلفن همراه", "همراه")}, "phone"),
    BuiltIn("company", {"en": ("company", "company name", "firm", "organisation", "organization", "business"),
                        "he": ("חברה", "שם החברה", "ארגון", "עסק"), "fa": ("شرکت", "نام شرکت", "سازمان")}),
    BuiltIn("language", {"en": ("language",), "he": ("שפה",), "fa": ("زبان",)}),
    BuiltIn("time_zone", {"en": ("time zone", "timezone"), "he": ("אזור זמן",), "fa": ("منطقه زمانی",)}),
    BuiltIn("reference", {"en": ("reference", "customer number", "contact number", "our reference"),
                          "he": ("מספר לקוח", "אסמכתה"), "fa": ("شماره مشتری", "کد مشتری", "شناسه مشتری")}),
)  # fmt: skip


# Names that only exist inside messages: who writes, today's date, and the contact's own links.
IN_MESSAGES = (
    BuiltIn("company_name", {"en": ("our name", "our company", "sender name"), "he": ("שם העסק שלנו", "שם השולח"),
                             "fa": ("نام ما", "نام کسب و کار ما", "نام فرستنده")}),
    BuiltIn("company_address", {"en": ("our address", "our company address"), "he": ("הכתובת שלנו",),
                                "fa": ("نشانی ما", "آدرس ما")}),
    BuiltIn("today", {"en": ("today", "today's date"), "he": ("היום", "תאריך היום"), "fa": ("امروز", "تاریخ امروز")},
            "date"),
    BuiltIn("personal_link", {"en": ("personal link", "my link", "personal page"), "he": ("קישור אישי", "לינק אישי"),
                              "fa": ("پیوند شخصی", "لینک شخصی")}, "link"),
    BuiltIn("unsubscribe_link", {"en": ("unsubscribe link", "unsubscribe"),
                                 "he": ("קישור הסרה", "קישור להסרה", "הסרה", "לינק להסרה"),
                                 "fa": ("پیوند لغو اشتراک", "لینک لغو اشتراک", "لغو اشتراک")}, "link"),
    BuiltIn("preferences_link", {"en": ("preferences link", "preferences"), "he": ("קישור להעדפות", "העדפות"),
                                 "fa": ("پیوند ترجیحات", "لینک ترجیحات", "تنظیمات دریافت پیام")}, "link"),
)  # fmt: skip


class CustomField(Protocol):
    """What `identity` needs of a custom field (a row of `fields`)."""

    name: Any
    labels: Any
    aliases: Any


def key(name: str) -> str:
    """The form in which names of fields are compared: letters only, without case, spaces, underscores, marks."""
    folded = fold(strip_marks(name).replace("\u200c", ""))
    return "".join(c for c in folded if c not in " _-'\"")


@cache
def built_in_names() -> dict[str, str]:
    """Every name of every built-in field, folded, to its identity."""
    found: dict[str, str] = {}
    for one in BUILT_IN + IN_MESSAGES:
        for name in (one.identity, *(name for names in one.names.values() for name in names)):
            found.setdefault(key(name), one.identity)
    return found


def names(custom_fields: Iterable[CustomField]) -> dict[str, str]:
    """Every name of every field, folded, to its identity: built in first, then the business's own."""
    found = dict(built_in_names())
    for one in custom_fields:
        for name in (one.name, *(one.labels or {}).values(), *(one.aliases or ())):
            if name:
                found.setdefault(key(str(name)), str(one.name))
    return found


def identity(name: str, custom_fields: Iterable[CustomField] = ()) -> str | None:
    """Which field is meant by `name` (identity, label or alias, in any language), or None."""
    folded = key(name)
    return built_in_names().get(folded) or names(custom_fields).get(folded)


def built_in(identity: str) -> BuiltIn | None:
    return next((one for one in BUILT_IN + IN_MESSAGES if one.identity == identity), None)
