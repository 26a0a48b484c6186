"""Ways to reach a contact: what a person typed becomes one form that can be matched and sent to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import phonenumbers
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneMetadata

from panel.contacts.search import latin_digits, strip_marks
from panel.errors import UserError
from panel.i18n import N_

DEFAULT_REGION = "IL"
KINDS = ("email", "phone", "postal")

# Plain addresses, which are nearly all of them, need not go through the full validator (60 times slower). Each one that
# this accepts, the validator accepts as well; a test compares them.
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]{2,24})\Z")
_LOCAL = re.compile(r"[a-z0-9_-]+(?:[.+][a-z0-9_-]+)*\Z")
_SPECIAL = frozenset(SPECIAL_USE_DOMAIN_NAMES)
_SPECIAL_ENDINGS = frozenset(name.rsplit(".", 1)[-1] for name in _SPECIAL)
_DOTLESS_PROVIDERS = frozenset({"gmail.com", "googlemail.com"})
_DOTLESS_ENDINGS = tuple(f"@{name}" for name in _DOTLESS_PROVIDERS)
_PHONE_FILLING = re.compile(r"[\s().\-/\u2010-\u2015\u2212]+")


@dataclass(frozen=True)
class Address:
    """`value` is for matching and sending, `shown` is what the person wrote (without direction marks)."""

    kind: str
    value: str
    shown: str


def parse(kind: str, text: str, *, region: str = DEFAULT_REGION) -> Address:
    """Read an address of any kind. Raises UserError with a sentence for the person who typed it."""
    if kind == "email":
        return parse_email(text)
    if kind == "phone":
        return parse_phone(text, region=region)
    shown = strip_marks(text).strip()[:320]
    if not shown:
        raise UserError("address_empty", N_("An address is missing"))
    return Address(kind, " ".join(shown.split()), shown)


def parse_email(text: str) -> Address:
    """Read an e-mail address: `value` is lower-case with an ASCII domain. No DNS is asked."""
    shown = strip_marks(text).strip().removeprefix("mailto:")
    if shown.endswith(">") and "<" in shown:  # Dana Levi <dana@example.com>, as mail programs write it
        shown = shown.rpartition("<")[2].removesuffix(">").strip()
    lowered = shown.lower()
    if lowered.isascii() and _is_plain(lowered):
        return Address("email", lowered, shown)
    if not shown:
        raise UserError("email_empty", N_("An e-mail address is missing"))
    try:
        found = validate_email(shown, check_deliverability=False)
    except EmailNotValidError:
        raise UserError(
            "email_invalid",
            N_('"%(address)s" is not an e-mail address. One looks like name@example.com.'),
            address=shown[:100],
        ) from None
    value = f"{found.local_part.lower()}@{found.ascii_domain.lower()}"
    if len(value) > 320:
        raise UserError("email_too_long", N_("This e-mail address is too long: %(address)s"), address=shown[:100])
    return Address("email", value, shown[:320])


def _is_plain(address: str) -> bool:
    local, _, domain = address.partition("@")
    match = _DOMAIN.match(domain)
    return (
        match is not None
        and len(local) <= 64
        and len(address) <= 200
        and _LOCAL.match(local) is not None
        and match[1] not in _SPECIAL_ENDINGS
        and "--" not in domain
    )


def parse_phone(text: str, *, region: str = DEFAULT_REGION) -> Address:
    """Read a telephone number as people write it in `region` (ISO 3166 alpha-2): `value` is E.164.

    A number counts when its country could have it. Whether its operator has given that block out yet is not asked:
    such tables are always behind, and refusing a real customer is worse than one failed message.
    """
    shown = strip_marks(text).strip().removeprefix("tel:")
    if not shown:
        raise UserError("phone_empty", N_("A telephone number is missing"))
    quick = _quick_phone(_PHONE_FILLING.sub("", latin_digits(shown)), region)
    if quick:
        return Address("phone", quick, shown[:320])
    if len(shown) > 100:
        raise _not_a_phone(shown)
    try:
        number = phonenumbers.parse(shown, region)
    except NumberParseException:
        raise _not_a_phone(shown) from None
    if number.extension or not _could_exist(number):
        raise _not_a_phone(shown)
    return Address("phone", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), shown)


def _could_exist(number: phonenumbers.PhoneNumber) -> bool:
    if phonenumbers.is_valid_number(number):
        return True
    rules = _numbering(phonenumbers.region_code_for_country_code(number.country_code or 0) or "")
    return rules is not None and rules.could_be(phonenumbers.national_significant_number(number))


def _not_a_phone(shown: str) -> UserError:
    return UserError(
        "phone_invalid",
        N_('"%(number)s" is not a telephone number we can reach. Write it with its country code, like %(example)s.'),
        number=shown[:60],
        example="+972 52 123 4567",
    )


@dataclass(frozen=True)
class _Numbering:
    """How a country numbers its telephones. `is_simple`: no other country shares the code, and the prefix is "0"."""

    code: str
    pattern: re.Pattern[str]
    lengths: frozenset[int]
    is_simple: bool

    def could_be(self, national: str) -> bool:
        return len(national) in self.lengths and bool(self.pattern.match(national))


@cache
def _numbering(region: str) -> _Numbering | None:
    metadata: Any = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None:
        return None
    kinds = [kind for kind in (metadata.mobile, metadata.fixed_line) if kind is not None]
    lengths = frozenset(length for kind in kinds for length in kind.possible_length if length > 0)
    is_simple = (
        not metadata.national_prefix_transform_rule
        and not metadata.leading_digits
        and metadata.national_prefix == metadata.national_prefix_for_parsing == "0"
        and len(phonenumbers.region_codes_for_country_code(metadata.country_code)) == 1
    )
    pattern = re.compile(rf"(?:{metadata.general_desc.national_number_pattern})\Z")
    return _Numbering(f"+{metadata.country_code}", pattern, lengths, is_simple)


def _quick_phone(digits: str, region: str) -> str | None:
    """The E.164 form of an ordinary number, by the library's own tables but 40 times as fast; None: ask the library."""
    rules = _numbering(region)
    if rules is None or not rules.is_simple:
        return None
    if digits.startswith(rules.code):
        national = digits[len(rules.code) :]
    elif digits.startswith("0") and not digits.startswith("00"):
        national = digits[1:]
    else:
        national = digits  # a spreadsheet ate the leading zero
    if national.isascii() and national.isdigit() and not national.startswith("0") and rules.could_be(national):
        return rules.code + national
    return None


def suppression_key(address: str) -> str:
    """The form under which a refusal is kept, so that it covers every spelling of the same mailbox.

    Case and IDN are settled by `parse`; here +tags go, and the dots that Gmail ignores. Anything but e-mail stays.
    """
    local, at, domain = address.rpartition("@")
    if not at:
        return address
    local = local.partition("+")[0] or local
    if domain in _DOTLESS_PROVIDERS:
        return f"{local.replace('.', '')}@gmail.com"
    return f"{local}@{domain}"


def plain_mailbox(address: str | None) -> str | None:
    """The plain spelling of an address that is another spelling of the same mailbox; None when it is plain itself."""
    if address is None or ("+" not in address and not address.endswith(_DOTLESS_ENDINGS)):
        return None  # nearly everybody's
    key = suppression_key(address)
    return key if key != address else None
