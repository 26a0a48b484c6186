"""A gateway as its settings describe it: making the request, reading the answer. Pure; nothing is sent here."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import phonenumbers

from panel.sdk.channels import Deferred, Failed, Result, Sent, Unknown
from panel.sdk.errors import Misconfigured
from panel.sdk.outbound import Answer
from plugins.sms.places import all_texts, look_up, parse_json, words

PLACEHOLDER = re.compile(r"\[\[([a-z_]+)\]\]")
NAMES = frozenset({"to", "text", "sender", "reference", "user", "secret", "basic"})
LONGEST_WAIT = timedelta(hours=6)
# Busy, and certainly before anything was accepted. Other 5xx may come after the gateway passed the message on.
BUSY = frozenset({408, 425, 429, 503})
TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class HttpRequest:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


def check(settings: Mapping[str, Any]) -> None:
    """Raise Misconfigured naming the setting that cannot work, before any message is tried with it."""
    for name in ("body", "address"):
        unknown = [one for one in PLACEHOLDER.findall(str(settings[name])) if one not in NAMES]
        if unknown:
            raise Misconfigured(name, f"[[{unknown[0]}]] is not one of: {', '.join(sorted(NAMES))}")
    build(settings, to="+972521234567", text="x", reference="x")


def build(settings: Mapping[str, Any], *, to: str, text: str, reference: str) -> HttpRequest:
    """The request for one message. Raises Misconfigured when the settings do not make one."""
    user, secret = str(settings["user"] or ""), str(settings["secret"] or "")
    values = {
        "to": number(to, str(settings["number_form"])),
        "text": text,
        "sender": str(settings["sender"] or ""),
        "reference": reference,
        "user": user,
        "secret": secret,
        "basic": base64.b64encode(f"{user}:{secret}".encode()).decode(),
    }
    headers = {name: _fill(value, values) for name, value in (settings["headers"] or {}).items()}
    url = _fill(str(settings["address"] or ""), {name: quote(value, safe="") for name, value in values.items()})
    if not url:
        raise Misconfigured("address", "the gateway's address is empty")
    kind, template = str(settings["format"]), str(settings["body"] or "")
    body: bytes | None
    if kind == "json":
        # The template is parsed first and filled afterwards: no text can break out of its quotation marks.
        body = json.dumps(_fill_json(_template(template), values), ensure_ascii=False).encode()
    else:
        fields = [(name, _fill(value, values)) for name, value in _lines(template)]
        body = urlencode(fields).encode() if kind == "form" else None
        if kind == "query":
            parts = urlsplit(url)
            url = urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(fields))))))
    if body is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = TYPES[kind]
    headers.setdefault("Accept", "application/json, */*")
    return HttpRequest(str(settings["method"]), url, headers, None if settings["method"] == "GET" else body)


def number(e164: str, form: str) -> str:
    """A number as this gateway wants it written."""
    digits = e164.removeprefix("+")
    if form == "digits":
        return digits
    if form == "double_zero":
        return "00" + digits
    if form == "national":
        try:
            parsed = phonenumbers.parse(e164, None)
        except phonenumbers.NumberParseException:
            return e164
        shown = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
        return "".join(character for character in shown if character.isdigit())
    return e164


def read_answer(settings: Mapping[str, Any], answer: Answer, now: datetime) -> Result:
    """What the gateway's answer means. Only a certain no is `Failed` or `Deferred`; what is not clear is `Unknown`.

    Raises Misconfigured when the gateway says that it is us it does not accept.
    """
    status = answer.status
    reason = _reason(settings, answer)
    if status in BUSY:
        return Deferred(f"{status} {reason}".strip(), retry_after(answer.headers.get("retry-after"), now))
    if status in (401, 403, 407):
        raise Misconfigured("secret", f"{status} {reason}".strip())
    if 300 <= status < 400 and status != 303:
        raise Misconfigured("address", f"{status} {answer.headers.get('location', '')}".strip())
    if 400 <= status < 500 and status != 409:
        return _refused(settings, answer, f"{status} {reason}".strip())
    if not 200 <= status < 300:
        return Unknown(f"{status} {reason}".strip())
    place, values = good_rule(str(settings["good_when"] or ""))
    data = parse_json(answer.body)
    if place:
        found = look_up(data, place) if answer.complete else None
        if found is None:
            return Unknown(f"{status}, and the answer does not say {place}: {_excerpt(answer)}")
        if found.casefold() not in values:
            return _refused(settings, answer, f"{place} = {found}" + (f": {reason}" if reason else ""))
    return Sent(look_up(data, str(settings["id_place"] or "")))


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """What a Retry-After header asks for, in seconds or as a date; None when it says nothing useful."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        wait = timedelta(seconds=min(int(text), 10**8))
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return max(timedelta(0), min(wait, LONGEST_WAIT))


def good_rule(text: str) -> tuple[str, frozenset[str]]:
    """ "status = ok, 0" is (place, its good values, folded); an empty rule has no place."""
    place, equals, values = text.partition("=")
    if not place.strip() or not equals:
        return "", frozenset()
    return place.strip(), frozenset(one.casefold() for one in words(values))


def _refused(settings: Mapping[str, Any], answer: Answer, detail: str) -> Failed:
    said = " ".join((*all_texts(parse_json(answer.body)), "" if parse_json(answer.body) else _excerpt(answer)))
    bad = any(one.casefold() in said.casefold() for one in words(str(settings["bad_number"] or "")))
    return Failed("failed_address" if bad else "failed_provider", detail[:300], suppress=bad)


def _reason(settings: Mapping[str, Any], answer: Answer) -> str:
    found = look_up(parse_json(answer.body), str(settings["error_place"] or ""))
    return found or ("" if 200 <= answer.status < 300 else _excerpt(answer))


def _excerpt(answer: Answer) -> str:
    return " ".join(answer.body[:300].decode("utf-8", "replace").split())[:150]


def _fill(template: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def _fill_json(part: Any, values: Mapping[str, str]) -> Any:
    if isinstance(part, str):
        return _fill(part, values)
    if isinstance(part, list):
        return [_fill_json(one, values) for one in part]
    if isinstance(part, dict):
        return {_fill(name, values): _fill_json(one, values) for name, one in part.items()}
    return part


def _template(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Misconfigured("body", f"not JSON: {error}") from None


def _lines(text: str) -> list[tuple[str, str]]:
    pairs = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon:
            raise Misconfigured("body", f'"{line[:60]}" is not "name: value"')
        pairs.append((name.strip(), value.strip()))
    return pairs
