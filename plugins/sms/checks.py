""" "Test connection" for a gateway: step by step, without sending anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from panel.sdk import outbound
from panel.sdk.context import PluginContext
from panel.sdk.errors import Misconfigured
from panel.sdk.i18n import N_
from panel.sdk.outbound import NotSentError
from panel.sdk.settings import CheckStep
from plugins.sms import gateway, phone

TIMEOUT = 8.0


def steps(ctx: PluginContext, settings: Mapping[str, Any]) -> list[CheckStep]:
    if settings["provider"] == "phone":
        return [CheckStep(N_("Development phone"), True, N_("Texts appear on its page; nothing leaves this machine."))]
    done: list[CheckStep] = []
    try:
        gateway.check(settings)
        target = outbound.parse(str(settings["address"]))
    except (Misconfigured, NotSentError) as error:
        detail = error.detail
        return [CheckStep(N_("Settings"), False, "%(detail)s", N_("Mend this setting."), {"detail": detail})]
    done.append(CheckStep(N_("Settings"), True))
    local = bool(settings["local_network"]) or phone.is_own(ctx, str(settings["address"]))
    try:
        outbound.resolve(target, allow_local=local)
    except NotSentError as error:
        fix = (
            N_("The address is inside a private network. If that is right, allow it in the settings.")
            if error.reason == "private"
            else N_("The name is not known. Check its spelling, and that this machine can reach the internet.")
        )
        return [*done, CheckStep(N_("Address"), False, "%(detail)s", fix, {"detail": error.detail})]
    done.append(CheckStep(N_("Address"), True, "%(detail)s", "", {"detail": target.host}))
    try:
        outbound.connect(target, allow_local=local, timeout=TIMEOUT).close()
    except NotSentError as error:
        fix = (
            N_("The gateway's certificate is not valid for this address. Ask the gateway, or check the address.")
            if error.reason == "certificate"
            else N_("Nothing answers there. Check the port, the firewall, and whether the gateway is up.")
        )
        return [*done, CheckStep(N_("Connection"), False, "%(detail)s", fix, {"detail": error.detail})]
    done.append(CheckStep(N_("Connection"), True))
    done.append(
        CheckStep(
            N_("Key"),
            True,
            N_("A key can only be tried with a message: send yourself one from your own contact's page."),
        )
    )
    return done
