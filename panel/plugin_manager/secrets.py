"""Secrets at rest and tokens that only this installation can make, from one secret of the instance.

Keys are derived per use by HKDF, so that a token made for one purpose or plugin is worth nothing for another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import sha256
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MARK = "$secret"  # {"$secret": token} in stored settings: recognisable even when the plugin that declared it is gone
MAC_BYTES = 18


def _derive(secret: str, use: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"nava:{use}".encode()).derive(secret.encode())


class Secrets:
    """Encrypts settings and signs values with keys derived from the instance's secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._fernet = Fernet(base64.urlsafe_b64encode(_derive(secret, "plugin-secrets")))

    def seal(self, value: str) -> dict[str, str]:
        return {MARK: self._fernet.encrypt(value.encode()).decode()}

    def open(self, stored: Any) -> str | None:
        """The value inside what `seal` made; None when it cannot be read (another installation's, or damaged)."""
        if not is_sealed(stored):
            return None
        try:
            return self._fernet.decrypt(stored[MARK].encode()).decode()
        except (InvalidToken, ValueError):
            return None

    def sign(self, plugin_id: str, purpose: str, value: str) -> str:
        """A URL-safe token carrying `value` in clear, which `unsign` accepts for the same plugin and purpose only."""
        body = base64.urlsafe_b64encode(value.encode()).rstrip(b"=")
        return (body + b"." + self._mac(plugin_id, purpose, body)).decode()

    def unsign(self, plugin_id: str, purpose: str, token: str) -> str | None:
        try:
            body, _, mac = token.encode("ascii").partition(b".")
            # Compared before decoding anything, and in constant time.
            if not hmac.compare_digest(mac, self._mac(plugin_id, purpose, body)):
                return None
            return base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)).decode()
        except (UnicodeError, ValueError, binascii.Error):
            return None

    def _mac(self, plugin_id: str, purpose: str, body: bytes) -> bytes:
        key = _derive(self._secret, f"sign:{plugin_id}:{purpose}")
        return base64.urlsafe_b64encode(hmac.new(key, body, sha256).digest()[:MAC_BYTES])


def is_sealed(stored: Any) -> bool:
    return isinstance(stored, dict) and set(stored) == {MARK} and isinstance(stored[MARK], str)
