"""Taking a mail apart for showing. Meant for our own mail, but no mail makes it fail."""

from __future__ import annotations

import email
import email.policy
from email.header import decode_header
from email.message import Message

from panel.sdk.channels import Attachment, Shown


def header_text(value: str) -> str:
    """A header's value in readable letters, on one line."""
    value = " ".join(str(value).split())
    if "=?" not in value:
        return value
    try:
        parts = decode_header(value)
    except Exception:  # noqa: BLE001 - decode_header raises whatever its decoders raise
        return value
    return "".join(_decoded(part, charset) if isinstance(part, bytes) else part for part, charset in parts)


def _decoded(raw: bytes, charset: str | None) -> str:
    try:
        return raw.decode(charset or "ascii", "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def part_text(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    return _decoded(raw, part.get_content_charset() or "utf-8").replace("\r\n", "\n")


def read_shown(payload: bytes) -> Shown:
    """Subject, first HTML part, first text part, headers in order, and the files that went along."""
    mail = email.message_from_bytes(payload, policy=email.policy.compat32)
    html = text = ""
    files: list[Attachment] = []
    for part in mail.walk():
        if part.is_multipart():
            continue
        if part.get_content_disposition() == "attachment":
            raw = part.get_payload(decode=True)
            size = len(raw) if isinstance(raw, bytes) else 0
            files.append(Attachment(header_text(part.get_filename() or ""), part.get_content_type(), size))
            continue
        kind = part.get_content_type()
        if kind == "text/html" and not html:
            html = part_text(part)
        elif kind == "text/plain" and not text:
            text = part_text(part)
    shown = tuple((name, header_text(value)) for name, value in mail.items())
    return Shown(header_text(mail.get("Subject", "")), html, text, shown, attachments=tuple(files))
