"""The channel "sms": hands texts to the gateway, one request each, and tells what is certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from panel.sdk import outbound
from panel.sdk.channels import (
    AddressKind,
    ChannelFacts,
    Deferred,
    Outgoing,
    Result,
    Sent,
    Shown,
    Skeleton,
    TemplateContent,
    Unknown,
    Wire,
)
from panel.sdk.context import PluginContext
from panel.sdk.errors import Misconfigured, TryLater
from panel.sdk.i18n import N_
from panel.sdk.outbound import NoAnswerError, NotSentError
from plugins.sms import gateway, phone
from plugins.sms.text import compile_text, encode_value, show_text

MAX_LENGTH = 1000
BATCH = 10
REPORTS = frozenset({"delivered", "replied"})
# Which setting to look at when the gateway cannot even be reached because of it.
FIELD_OF = {"address": "address", "private": "local_network", "certificate": "address"}


class SmsChannel:
    name = "sms"
    label = N_("SMS")
    icon = "message"
    address_kind: AddressKind = "phone"

    def __init__(self, ctx: PluginContext) -> None:
        self._ctx = ctx
        self._settings: Mapping[str, Any] = ctx.settings()
        self._is_phone = self._settings["provider"] == "phone"
        per_second = self._settings["per_second"]
        self.facts = ChannelFacts(
            batch_size=BATCH,
            idempotent=self._is_phone or bool(self._settings["idempotent"]),
            reports=REPORTS,
            rate=float(per_second) if per_second and not self._is_phone else None,
            timeout=timedelta(seconds=self._timeout),
            max_length=MAX_LENGTH,
        )

    @property
    def _timeout(self) -> float:
        return float(self._settings["timeout"] or 30)

    def compile(self, content: TemplateContent) -> Skeleton:
        return compile_text(content)

    def encode(self, coding: str, value: str) -> bytes:
        return encode_value(value)

    def show(self, payload: bytes) -> Shown:
        return show_text(payload)

    def send(self, batch: Sequence[Outgoing], wire: Wire) -> Sequence[Result]:
        if self._is_phone:
            return phone.deliver(self._ctx, batch, wire)
        gateway.check(self._settings)
        results: list[Result] = []
        for outgoing in batch:
            try:
                results.append(self._send_one(outgoing, wire))
            except (Misconfigured, TryLater) as error:
                if not results:
                    raise
                # Some of the batch has gone; the rest has certainly not, and is met again with the same trouble.
                results += [Deferred(f"not tried: {error}")] * (len(batch) - len(results))
                break
        return results

    def _send_one(self, outgoing: Outgoing, wire: Wire) -> Result:
        text = outgoing.payload.decode("utf-8")
        request = gateway.build(self._settings, to=outgoing.address, text=text, reference=outgoing.key)
        try:
            answer = outbound.request(
                request.method,
                request.url,
                headers=request.headers,
                body=request.body,
                timeout=self._timeout,
                allow_local=bool(self._settings["local_network"]) or phone.is_own(self._ctx, request.url),
                before=lambda: wire.begin(outgoing),
            )
        except NotSentError as error:
            if error.reason in FIELD_OF:
                raise Misconfigured(FIELD_OF[error.reason], error.detail) from None
            raise TryLater(error.detail) from None
        except NoAnswerError as error:
            return Unknown(str(error))
        result = gateway.read_answer(self._settings, answer, self._ctx.now())
        if isinstance(result, Sent):
            wire.accepted(outgoing, result.provider_id)
        return result

    def lookup(self, key: str) -> Literal["sent", "not_sent", "cannot_say"]:
        return phone.lookup(self._ctx, key) if self._is_phone else "cannot_say"
