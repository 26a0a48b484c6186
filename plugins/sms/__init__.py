"""SMS: hooks only. The work is in the modules beside this one; README.md says how to set it up."""

from functools import partial

from panel.hookspecs import hookimpl
from panel.sdk.events import EventField, EventType
from panel.sdk.i18n import N_
from panel.sdk.web import PluginPage, Response, Webhook
from plugins.sms import checks, incoming, pages, phone
from plugins.sms.channel import SmsChannel
from plugins.sms.settings import FIELDS


@hookimpl
def register_settings():
    return FIELDS


@hookimpl
def register_event_types():
    return [
        EventType(
            "sms.received",
            N_("SMS received"),
            N_("Wrote an SMS: %(text)s"),
            "message-reply",
            "engagement",
            (EventField("text", N_("text")), EventField("from", N_("number"))),
            tone="good",
        )
    ]


@hookimpl
def register_channels(ctx):
    return [SmsChannel(ctx)]


@hookimpl
def register_webhooks(ctx):
    def take_request(request):
        if not incoming.is_key(ctx, request, "gateway"):
            return Response("the key is missing or wrong", 403)
        return phone.take_request(ctx, request)

    return [
        Webhook("report", partial(incoming.take_reports, ctx), ("POST", "GET")),
        Webhook("reply", partial(incoming.take_replies, ctx), ("POST", "GET")),
        Webhook("gateway", take_request),
    ]


@hookimpl
def register_pages(ctx):
    return [
        PluginPage(
            "phone",
            N_("Development phone"),
            partial(pages.render_phone, ctx),
            partial(pages.post_phone, ctx),
            "device-mobile",
        ),
        PluginPage(
            "addresses",
            N_("Addresses for the gateway"),
            partial(pages.render_addresses, ctx),
            icon="link",
            action="plugins.manage",
        ),
    ]


@hookimpl
def test_connection(ctx, settings):
    return checks.steps(ctx, settings)


@hookimpl
def sync(ctx):
    incoming.settle_early(ctx)


@hookimpl
def erase_contact(ctx, unit, contact_id):
    phone.forget(unit, contact_id)
