"""The fields a contact has, by every name they go by: `[[first name]]`, `[[שם פרטי]]` and `[[نام]]` are one field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache

from panel.contacts.search import fold, strip_marks

# The types a custom field may have. Built-in ones also know email, phone, language, time_zone, person, link.
TYPES = ("text", "number", "date", "yes_no", "choice", "money")


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

    def names(self) -> Iterable[str]:
        """Every name by which a person may call it."""
        return (self.name, *(str(label) for label in self.labels.values()), *self.aliases)

    @property
    def writable(self) -> bool:
        """False for what is made when it is needed (the personal link) and for what is only raised or lowered."""
        return self.type != "link" and self.name != "score"

    def __hash__(self) -> int:
        return hash((self.name, self.id))


def _built_in(name: str, en: str, he: str, fa: str, *aliases: str, type: str = "text") -> tuple[str, FieldInfo]:
    return name, FieldInfo(name, type, {"en": en, "he": he, "fa": fa}, aliases)


BUILT_IN: dict[str, FieldInfo] = dict(
    (
        _built_in("first_name", "first name", "שם פרטי", "نام", "given name", "forename", "fname", "name first",
                  "שם הלקוח הפרטי", "פרטי", "نام کوچک", "اسم"),
        _built_in("last_name", "last name", "שם משפחה", "نام خانوادگی", "surname", "family name", "lname", "משפחה",
                  "שם המשפחה", "فامیلی", "فامیل"),
        _built_in("full_name", "full name", "שם מלא", "نام کامل", "name", "contact name", "customer name", "contact",
                  "customer", "client", "שם", "שם לקוח", "שם הלקוח", "לקוח", "איש קשר", "نام و نام خانوادگی",
                  "نام مشتری", "نام مخاطب", "مشتری", "مخاطب"),
        _built_in("email", "email", 'דוא"ל', "ایمیل", "e-mail", "mail", "email address", "אימייל", "מייל",
                  "כתובת מייל", "כתובת אימייל", 'כתובת דוא"ל', "דואר אלקטרוני", "رایانامه", "پست الکترونیک",
                  "پست الکترونیکی", "آدرس ایمیل", "نشانی ایمیل", type="email"),
        _built_in("phone", "phone", "טלפון", "تلفن", "phone number", "telephone", "telephone number", "tel", "mobile",
                  "mobile number", "mobile phone", "cell phone", "cell", "cellular", "cellphone", "מספר טלפון",
                  "מס טלפון", "נייד", "טלפון נייד", "מספר נייד", "סלולרי", "טלפון סלולרי", "פלאפון", "شماره تلفن",
                  "شماره تماس", "موبایل", "شماره موبایل", "تلفن همراه", "شماره همراه", "شماره تلفن همراه", "همراه",
                  type="phone"),
        _built_in("company", "company", "חברה", "شرکت", "company name", "firm", "organisation", "organization",
                  "business", "שם החברה", "שם חברה", "ארגון", "עסק", "نام شرکت", "سازمان"),
        _built_in("language", "language", "שפה", "زبان", "lang", type="language"),
        _built_in("time_zone", "time zone", "אזור זמן", "منطقه زمانی", "timezone", type="time_zone"),
        _built_in("owner", "owner", "אחראי", "مسئول", "our person", "account manager", "sales person", "מטפל", "נציג",
                  "مسئول پرونده", "کارشناس", type="person"),
        _built_in("reference", "customer number", "מספר לקוח", "شماره مشتری", "reference", "contact number",
                  "customer reference", "customer id", "client number", "client id", "external id", "id", "אסמכתה",
                  "מס לקוח", "קוד לקוח", "מזהה", "מזהה לקוח", "کد مشتری", "شناسه مشتری", "شناسه"),
        _built_in("address", "postal address", "כתובת", "نشانی", "address", "street address", "mailing address",
                  "כתובת למשלוח", "כתובת דואר", "כתובת מגורים", "آدرس", "نشانی پستی", "آدرس پستی"),
        _built_in("personal_link", "personal link", "קישור אישי", "پیوند شخصی", "personal page", "לינק אישי",
                  "لینک شخصی", type="link"),
        _built_in("score", "score", "ניקוד", "امتیاز", type="number"),
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
ADDRESS_KINDS = {"email": "email", "phone": "phone", "address": "postal"}


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
        for name in one.names():
            if name:
                found.setdefault(key(name), one.name)
    return found


def keys(custom_fields: Iterable[FieldInfo] = ()) -> dict[str, str]:
    """Every name of every field, folded (see `key`), to its identity; built-in fields win."""
    return _keys(custom_fields) | _built_in_keys()


def identity(name: str, custom_fields: Iterable[FieldInfo] = ()) -> str | None:
    """Which field is meant by `name` (identity, label or alias, in any language), or None."""
    folded = key(name)
    return _built_in_keys().get(folded) or _keys(custom_fields).get(folded)


def find(name: str, custom_fields: Iterable[FieldInfo] = ()) -> FieldInfo | None:
    """The field meant by `name` (identity, label or alias, in any language), or None."""
    custom = list(custom_fields)
    found = identity(name, custom)
    if found is None:
        return None
    return BUILT_IN.get(found) or next((one for one in custom if one.name == found), None)


def nearest(name: str, custom_fields: Iterable[FieldInfo] = ()) -> str | None:
    """The known name most like `name`, as a person would write it; None when nothing is near."""
    known = {key(word): word for one in (*BUILT_IN.values(), *custom_fields) for word in one.names()}
    close = get_close_matches(key(name), known, n=1, cutoff=0.6)
    return known[close[0]] if close else None
