"""Signatures made with `cryptography` are verified by dkimpy, which shares no code with us."""

from __future__ import annotations

from base64 import b64encode

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from panel.sdk.errors import Misconfigured
from plugins.email.dkim import Signer
from plugins.email.tests.conftest import content, fill

BODY = "<p>שלום [[first_name]]</p>  <p>\t x </p><p><a href='[[unsubscribe_link]]'>הסרה</a></p>"


def pem(key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture(scope="module", params=["rsa", "ed25519"])
def keys(request):
    """(private key as PEM, DNS record)."""
    if request.param == "rsa":
        key = rsa.generate_private_key(65537, 2048)
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    else:
        key = ed25519.Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return pem(key), f"v=DKIM1; k={request.param}; p={b64encode(public).decode()}".encode()


def signed(context, channel, keys, language="he") -> bytes:
    context.given |= {"dkim_domain": "nava.test", "dkim_selector": "s1", "dkim_key": keys[0]}
    skeleton = channel.compile(content(BODY, subject="שלום [[first_name]] " + "מילה " * 30, language=language))
    return fill(channel, skeleton, first_name="דנה", subject="שלום דנה " + "מילה " * 30)


def verifies(payload: bytes, keys) -> bool:
    asked: list[bytes] = []

    def dns(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return keys[1]

    good = dkim.verify(payload, dnsfunc=dns)
    assert all(name == b"s1._domainkey.nava.test." for name in asked)
    return good


def test_the_signature_covers_everything_bulk_senders_must_sign(context, channel, keys):
    payload = signed(context, channel, keys)
    assert verifies(payload, keys)
    head = payload.partition(b"\r\n bh=")[0].replace(b"\r\n ", b"")
    names = head.partition(b"h=")[2].rstrip(b"; ").split(b":")
    for name in (
        b"list-unsubscribe",
        b"list-unsubscribe-post",
        b"subject",
        b"date",
        b"to",
        b"message-id",
        b"mime-version",
    ):
        assert name in names
    assert names.count(b"from") == 2  # once more than it occurs: nobody can add a second sender


def test_it_holds_after_a_relay_added_headers_and_folded_anew(context, channel, keys):
    payload = signed(context, channel, keys)
    relayed = b"Received: from x by y; Sun, 22 Nov 2026\r\n" + payload.replace(b"To: dana@", b"To:   dana@")
    assert verifies(relayed, keys)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"To: dana@", b"To: dina@"),
        (b"List-Unsubscribe-Post: List", b"List-Unsubscribe-Post: Lost"),
        (b"/u/UUU>", b"/u/XXX>"),
        (b"MIME-Version: 1.0\r\n", b"MIME-Version: 1.0\r\nFrom: evil@x.test\r\n"),
        (b"https://panel.test/u/UUU=", b"https://panel.test/u/VVV="),
    ],
)
def test_any_change_breaks_it(context, channel, keys, old, new):
    payload = signed(context, channel, keys)
    assert old in payload
    assert not verifies(payload.replace(old, new), keys)


def test_the_same_mail_is_signed_the_same_way_twice(context, channel, keys):
    assert signed(context, channel, keys) == signed(context, channel, keys)


@pytest.mark.parametrize("key", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_a_key_that_is_none_is_named(key):
    with pytest.raises(Misconfigured) as caught:
        Signer("nava.test", "s1", key)
    assert caught.value.field == "dkim_key"
