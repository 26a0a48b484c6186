"""The email channel: compiles a template to MIME, writes values safely, hands over by SMTP, shows what was sent."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from panel.sdk.channels import AddressKind, ChannelFacts, Outgoing, Result, Shown, Skeleton, Slot, TemplateContent, Wire
from panel.sdk.context import PluginContext
from panel.sdk.i18n import N_
from panel.sdk.merge import FIELD
from plugins.email import dkim, headers
from plugins.email.account import Account, account_from
from plugins.email.bodies import CODINGS, PLAIN, Hole, Piece, body, quoted
from plugins.email.pages import Links, compile_html
from plugins.email.plain import compile_text, html_from_text, text_from_html
from plugins.email.reading import read_shown
from plugins.email.smtp import Client

# RFC 5321 wants ten minutes for the answer after the body: giving up sooner is what makes copies.
HAND_OVER = timedelta(seconds=660)


class EmailChannel:
    """One per worker. Keeps its connection to the server open between batches."""

    name = "email"
    label = N_("Email")
    icon = "mail"
    address_kind: AddressKind = "email"
    facts = ChannelFacts(batch_size=1000, reports=frozenset({"opened", "clicked"}), timeout=HAND_OVER)

    def __init__(self, ctx: PluginContext) -> None:
        self._ctx = ctx
        self._client: Client | None = None
        self._client_of: tuple[int, Account] | None = None
        self._signer: tuple[Account, dkim.Signer] | None = None
        if per_minute := account_from(ctx.settings(), {}).per_minute:
            self.facts = replace(self.facts, rate=per_minute / 60)

    def account(self) -> Account:
        return account_from(self._ctx.settings(), self._ctx.company())

    def fingerprint(self) -> str:
        """What a compiled mail depends on besides its text."""
        account = self.account()
        facts = [account.from_name, account.from_address, account.reply_to, account.track_opens, account.track_clicks]
        return hashlib.sha256(json.dumps([*facts, bool(account.dkim_key)]).encode()).hexdigest()

    def compile(self, content: TemplateContent) -> Skeleton:
        account = self.account()
        links = Links()
        source = content.html if content.html.strip() else html_from_text(content.text)
        as_html = TemplateContent(content.subject, source, "", content.language)
        title = FIELD.sub("", content.subject).strip()
        html_pieces = compile_html(as_html, title, links, track_clicks=account.track_clicks, pixel=account.track_opens)
        text = content.text if content.text.strip() else text_from_html(source)
        text_pieces = compile_text(text, links, track_clicks=account.track_clicks)
        boundary = "=_" + hashlib.sha256(f"{content!r}".encode()).hexdigest()[:24]
        bulk = any(_is_unsubscribe(piece) for piece in (*html_pieces, *text_pieces))
        parts: list[bytes | Slot] = _head(content, account, bulk, boundary)
        for kind, pieces in (("plain", text_pieces), ("html", html_pieces)):
            parts.append(
                f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n\r\n".encode()
            )
            segments, slots = body(pieces)
            parts.append(segments[0])
            for slot, segment in zip(slots, segments[1:], strict=True):
                parts += [slot, segment]
            parts.append(b"\r\n")
        parts.append(f"--{boundary}--\r\n".encode())
        return _skeleton(parts, tuple(links.targets))

    def encode(self, coding: str, value: str) -> bytes:
        in_body = CODINGS.get(coding)
        if in_body is not None:
            # Links and plain words, most of what is written: nothing in them needs writing differently anywhere.
            if PLAIN.match(value) and (coding != "href" or value.startswith("http")) and coding != "url":
                return value.encode("ascii")
            return quoted(in_body(value))
        match coding.split(":", 1):
            case ["subject"]:
                return headers.encode_text(value)
            case ["address"]:
                return headers.encode_address(value)
            case ["date"]:
                return headers.one_line(value).encode("ascii", "ignore")
            case ["link"]:
                return headers.one_line(value).replace(">", "").replace(" ", "").encode("ascii", "ignore")
            case ["message_id", domain]:
                return headers.encode_message_id(value, domain)
            case ["id"]:
                return headers.encode_id(value)
            case _:
                raise ValueError(f"no such coding: {coding}")

    def seal(self, payload: bytes) -> bytes:
        """The DKIM signature over a finished message, as a header line."""
        account = self.account()
        if not account.dkim_key:
            return b""
        if self._signer is None or self._signer[0] != account:
            self._signer = (account, dkim.Signer(account.dkim_domain, account.dkim_selector, account.dkim_key))
        return self._signer[1].sign(payload)

    def send(self, batch: Sequence[Outgoing], wire: Wire) -> Sequence[Result]:
        account = self.account()
        # A connection must not be shared with the process this one was forked from.
        if self._client is None or self._client_of != (os.getpid(), account):
            if self._client is not None and self._client_of is not None and self._client_of[0] == os.getpid():
                self._client.close()
            self._client, self._client_of = Client(account), (os.getpid(), account)
        return self._client.send(batch, wire)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def lookup(self, key: str) -> Literal["sent", "not_sent", "cannot_say"]:
        return "cannot_say"

    def show(self, payload: bytes) -> Shown:
        return read_shown(payload)


def _is_unsubscribe(piece: Piece) -> bool:
    return isinstance(piece, Hole) and piece.slot.name == "unsubscribe"


def _head(content: TemplateContent, account: Account, bulk: bool, boundary: str) -> list[bytes | Slot]:
    """The header block. The signature comes first, so that it covers everything below it."""
    head: list[bytes | Slot] = []
    if account.dkim_key:
        head.append(Slot("seal", "seal"))
    head += [b"Message-ID: ", Slot("message_id", f"message_id:{account.domain}"), b"\r\n"]
    head += [b"Date: ", Slot("date", "date"), b"\r\n"]
    if content.answers:
        answered = headers.encode_message_id(content.answers, account.domain)
        head += [b"In-Reply-To: ", answered, b"\r\nReferences: ", answered, b"\r\n"]
    head += [b"From: ", headers.encode_mailbox(account.from_name, account.from_address), b"\r\n"]
    head += [b"To: ", Slot("to", "address"), b"\r\n"]
    if account.reply_to:
        head += [b"Reply-To: ", headers.encode_address(account.reply_to), b"\r\n"]
    head += [b"Subject: "]
    head.append(Slot("subject", "subject") if "[[" in content.subject else headers.encode_text(content.subject))
    head += [b"\r\nMIME-Version: 1.0\r\n"]
    if bulk:
        head += [b"List-Unsubscribe: <", Slot("unsubscribe", "link"), b">\r\n"]
        head += [b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"]
        head += [f"List-Id: <news.{account.domain}>\r\nFeedback-ID: news:email:{account.domain}\r\n".encode()]
    head += [b"X-Nava-Id: ", Slot("key", "id"), b"\r\n"]
    language = content.language if content.language.isascii() and content.language.isalnum() else "en"
    head += [f"Content-Language: {language}\r\n".encode()]
    head += [f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode()]
    return head


def _skeleton(parts: list[bytes | Slot], links: tuple[str, ...]) -> Skeleton:
    segments: list[bytes] = [b""]
    slots: list[Slot] = []
    for part in parts:
        if isinstance(part, Slot):
            slots.append(part)
            segments.append(b"")
        else:
            segments[-1] += part
    return Skeleton(tuple(segments), tuple(slots), links)
