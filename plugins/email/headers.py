"""Header values that cannot break out of their header, whatever is in them."""

from __future__ import annotations

import re
from base64 import b64encode

LINE = 76
_UNSAFE = re.compile("[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]+")
_NOT_ID = re.compile(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]+")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.?)+\Z")
_LONGEST_PLAIN_WORD = 60
_WORD_BYTES = 39  # 39 bytes are 52 characters of base64, with "=?utf-8?b??=" 64: fits behind any of our header names


def one_line(text: str) -> str:
    """Text without line ends, control characters and runs of spaces."""
    return " ".join(_UNSAFE.sub(" ", text).split())


def encode_text(text: str, name_length: int = 9) -> bytes:
    """A header's free text: plain when it is plain ASCII, else encoded words (RFC 2047), folded.

    `name_length` counts the header's name, colon and space. Text that merely looks like an encoded word is encoded
    itself, so that no reader can be made to decode a line end out of it.
    """
    text = one_line(text)
    if text.isascii() and "=?" not in text:
        words = text.split(" ")
        if all(len(word) <= _LONGEST_PLAIN_WORD for word in words):
            return _fold(words, name_length).encode("ascii")
    return encoded_words(text)


def encoded_words(text: str) -> bytes:
    return "\r\n ".join(f"=?utf-8?b?{b64encode(part).decode()}?=" for part in _parts(text)).encode("ascii")


def _fold(words: list[str], at: int) -> str:
    lines, line = [], ""
    for word in words:
        if line and at + len(line) + 1 + len(word) > LINE:
            lines.append(line)
            line, at = word, 1
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line])


def _parts(text: str) -> list[bytes]:
    """UTF-8 in pieces of whole characters."""
    whole = text.encode("utf-8", "replace")
    if len(whole) <= _WORD_BYTES:
        return [whole]
    parts, part = [], b""
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if len(part) + len(encoded) > _WORD_BYTES:
            parts.append(part)
            part = b""
        part += encoded
    return [*parts, part] if part or not parts else parts


def encode_address(address: str) -> bytes:
    """A bare address in ASCII, its domain in IDNA. Raises ValueError when it cannot be written so."""
    local, at, domain = address.strip().rpartition("@")
    if not domain.isascii():
        try:
            domain = ".".join(label.encode("idna").decode("ascii") for label in domain.split("."))
        except UnicodeError:
            raise ValueError(f"email address: {one_line(address)[:80]}") from None
    plain = f"{local}{at}{domain}"
    if not _ADDRESS.match(plain) or len(plain) > 254 or ".." in plain:
        raise ValueError(f"email address: {one_line(address)[:80]}")
    return plain.encode("ascii")


def encode_mailbox(name: str, address: str) -> bytes:
    """`name <address>` for From and Reply-To."""
    plain = encode_address(address)
    name = one_line(name)
    if not name:
        return plain
    if name.isascii() and "=?" not in name and len(name) <= _LONGEST_PLAIN_WORD:
        shown = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{shown} <{plain.decode()}>".encode("ascii")
    return encoded_words(name) + b"\r\n <" + plain + b">"


def encode_message_id(key: str, domain: str) -> bytes:
    """Our key as a Message-ID: `<key@domain>`; a key that has a domain keeps it."""
    key = _NOT_ID.sub("", key.strip().strip("<>"))
    local, _, own = key.partition("@")
    return f"<{local[:180]}@{(own or domain).replace('@', '')}>".encode("ascii")


def encode_id(key: str) -> bytes:
    return _NOT_ID.sub("", key.strip().strip("<>")).encode("ascii")[:200]
