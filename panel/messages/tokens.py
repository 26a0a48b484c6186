"""Short signed tokens for the addresses in a message: pixel, links, unsubscribe, personal page.

A token holds the message's id (and a link's position) and a keyed hash over them and the purpose, so that a token for
one purpose opens nothing else, and changing any character of it opens nothing at all.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal

Purpose = Literal["open", "click", "unsubscribe", "personal"]

# One letter per purpose, also the first part of the public address.
PATHS: dict[Purpose, str] = {"open": "o", "click": "c", "unsubscribe": "u", "personal": "p"}
_MAC = 12  # bytes; 96 bits cannot be guessed over a network
_BODY = 6  # bytes; enough for 2**48 messages
_LINK = 3  # with the link's position
_LENGTHS = {"open": _BODY + _MAC, "click": _BODY + _LINK + _MAC, "unsubscribe": _BODY + _MAC, "personal": _BODY + _MAC}


class _Seal:
    """HMAC-SHA256 (RFC 2104) with the key taken in once: over some bytes a third of the time of `hmac.digest`."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")  # a key of ours is as long as a digest, never longer than a block
        self._inner = hashlib.sha256(bytes(one ^ 0x36 for one in block))
        self._outer = hashlib.sha256(bytes(one ^ 0x5C for one in block))

    def over(self, body: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(body)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class Tokens:
    """Makes and reads tokens with keys derived from the installation's secret."""

    def __init__(self, secret: str | bytes) -> None:
        root = secret.encode() if isinstance(secret, str) else secret
        self._seals = {
            purpose: _Seal(hmac.digest(root, b"nava link " + purpose.encode(), "sha256")) for purpose in PATHS
        }

    def make(self, purpose: Purpose, message_id: int, link: int = 0) -> str:
        """A token of 24 characters (28 for a link), letters, digits, - and _ only."""
        body = message_id.to_bytes(_BODY, "big")
        if purpose == "click":
            body += link.to_bytes(_LINK, "big")
        return urlsafe_b64encode(body + self._seals[purpose].over(body)[:_MAC]).decode("ascii")

    def read(self, purpose: Purpose, token: str) -> tuple[int, int] | None:
        """(message id, link position), or None for anything this installation did not make for this purpose."""
        length = _LENGTHS[purpose]
        if len(token) != length // 3 * 4 or not token.isascii():
            return None
        try:
            raw = urlsafe_b64decode(token)
        except ValueError:
            return None
        if len(raw) != length or urlsafe_b64encode(raw).decode("ascii") != token:
            return None  # the lenient decoder skips foreign characters; only our own spelling counts
        body, mac = raw[:-_MAC], raw[-_MAC:]
        if not hmac.compare_digest(self._seals[purpose].over(body)[:_MAC], mac):
            return None
        return int.from_bytes(body[:_BODY], "big"), int.from_bytes(body[_BODY:], "big")


class Addresses:
    """The public addresses of one installation, by message. `base` is its public URL without a trailing slash."""

    def __init__(self, base: str, secret: str | bytes) -> None:
        self.base = base.rstrip("/")
        self.tokens = Tokens(secret)

    def pixel(self, message_id: int) -> str:
        return f"{self.base}/o/{self.tokens.make('open', message_id)}.gif"

    def link(self, message_id: int, link: int) -> str:
        return f"{self.base}/c/{self.tokens.make('click', message_id, link)}"

    def unsubscribe(self, message_id: int) -> str:
        return f"{self.base}/u/{self.tokens.make('unsubscribe', message_id)}"

    def personal(self, message_id: int) -> str:
        return f"{self.base}/p/{self.tokens.make('personal', message_id)}"
