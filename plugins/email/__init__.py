"""Email through any SMTP server; until one is set up, mail goes to a mailbox on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from panel.hookspecs import hookimpl
from panel.sdk.channels import Channel
from panel.sdk.context import PluginContext
from panel.sdk.settings import CheckStep, SettingField
from panel.sdk.web import PluginPage, Service, Webhook
from plugins.email import mailbox_page
from plugins.email.account import FIELDS, mailbox_port
from plugins.email.channel import EmailChannel
from plugins.email.check import check_account


@hookimpl
def register_settings() -> Iterable[SettingField]:
    return FIELDS


@hookimpl
def register_channels(ctx: PluginContext) -> Iterable[Channel]:
    return [EmailChannel(ctx)]


@hookimpl
def register_services(ctx: PluginContext) -> Iterable[Service]:
    return [
        Service(
            "mailbox",
            "plugins.email.mailbox_server",
            ("--folder", str(ctx.folder / "mailbox"), "--port", str(mailbox_port())),
        )
    ]


@hookimpl
def register_webhooks(ctx: PluginContext) -> Iterable[Webhook]:
    return [mailbox_page.webhook(ctx)]


@hookimpl
def register_pages(ctx: PluginContext) -> Iterable[PluginPage]:
    return [mailbox_page.page(ctx)]


@hookimpl
def test_connection(ctx: PluginContext, settings: Mapping[str, Any]) -> Iterable[CheckStep]:
    return check_account(settings, ctx.company())
