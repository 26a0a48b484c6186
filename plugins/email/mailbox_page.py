"""The development mailbox in the panel: what arrived, as the recipient's mail program would show it.

It plays the recipient: the pixel loads and links work, so opens and clicks come back to the timeline. The mail itself
is served on its own address in a frame without scripts, under a token that only a person on this page has.
"""

from __future__ import annotations

import html
from urllib.parse import urlencode

from panel.sdk.context import PluginContext
from panel.sdk.i18n import N_, translate
from panel.sdk.web import PluginPage, Request, Response, Webhook
from plugins.email.mailbox_store import Mail, Store
from plugins.email.reading import read_shown

PAGE = 30
TABS = (
    ("mail", N_("Mail")),
    ("text", N_("Text")),
    ("headers", N_("Headers")),
    ("source", N_("Source")),
)
ABOUT = N_("Mail that stays on this machine. It plays the recipient: links here work.")
_MAX_SOURCE = 400_000
# The mail's own styles and images may load; scripts, frames and forms may not. Links open in a new tab.
_FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


def store_of(ctx: PluginContext) -> Store:
    return Store(ctx.folder / "mailbox")


def page(ctx: PluginContext) -> PluginPage:
    return PluginPage(
        "mailbox",
        N_("Mailbox"),
        render=lambda request: render(ctx, request),
        post=lambda request: post(ctx, request),
        icon="inbox",
    )


def webhook(ctx: PluginContext) -> Webhook:
    return Webhook("mail", handle=lambda request: serve_mail(ctx, request), methods=("GET",))


def post(ctx: PluginContext, request: Request) -> str:
    if request.form.get("action") != "clear":
        return ""
    count = store_of(ctx).clear()
    return translate(request.language, N_("The mailbox is empty; %(n)s mails are gone."), n=count)


def render(ctx: PluginContext, request: Request) -> str:
    mail_id = request.query.get("mail", "")
    if mail_id.isascii() and mail_id.isdigit():
        found = store_of(ctx).get(int(mail_id))
        if found is not None:
            return _one(ctx, request, *found)
    return _list(ctx, request)


def serve_mail(ctx: PluginContext, request: Request) -> Response:
    """The HTML of one mail, for the frame. Without a token of ours: nothing."""
    mail_id = ctx.unsign("mailbox", request.query.get("t", ""))
    found = store_of(ctx).get(int(mail_id)) if mail_id and mail_id.isdigit() else None
    if found is None:
        return Response("", 404)
    shown = read_shown(found[1])
    content = shown.html or f"<pre style='white-space: pre-wrap'>{html.escape(shown.text)}</pre>"
    return Response(
        '<!DOCTYPE html><base target="_blank">' + content,
        content_type="text/html; charset=utf-8",
        headers={
            "Content-Security-Policy": _FRAME_POLICY,
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "X-Frame-Options": "SAMEORIGIN",
        },
    )


def _list(ctx: PluginContext, request: Request) -> str:
    def t(msgid: str, **params: object) -> str:
        return html.escape(translate(request.language, msgid, **params))

    words = request.query.get("q", "")[:200]
    before = request.query.get("before", "")
    store = store_of(ctx)
    mails = store.find(words, before=int(before) if before.isascii() and before.isdigit() else None, limit=PAGE + 1)
    rows = "".join(_row(mail) for mail in mails[:PAGE])
    parts = [
        f'<p class="text-secondary">{t(ABOUT)}</p>',
        '<div class="d-flex flex-wrap gap-2 mb-3"><form method="get" role="search" class="d-flex gap-2 flex-fill">'
        f'<label class="visually-hidden" for="mailbox-q">{t(N_("Search"))}</label>'
        f'<input class="form-control" type="search" id="mailbox-q" name="q" dir="auto" value="{html.escape(words)}" '
        f'placeholder="{t(N_("Search by address, subject or text"))}">'
        f'<button class="btn" type="submit">{t(N_("Search"))}</button></form>',
    ]
    if mails and not words:
        parts.append(
            '<form method="post"><input type="hidden" name="action" value="clear">'
            f'<button class="btn btn-outline-danger" type="submit" data-confirm="{t(N_("Throw away all mails?"))}">'
            f"{t(N_('Empty the mailbox'))}</button></form>"
        )
    parts.append("</div>")
    if rows:
        heads = (N_("To"), N_("Subject"), N_("From"), N_("Arrived"))
        parts.append(
            '<div class="card"><div class="table-responsive" role="region" tabindex="0" aria-label="'
            f'{t(N_("Mailbox"))}"><table class="table table-vcenter card-table"><thead><tr>'
            + "".join(f'<th scope="col">{t(head)}</th>' for head in heads)
            + f"</tr></thead><tbody>{rows}</tbody></table></div></div>"
        )
    else:
        empty = N_("Nothing found.") if words else N_("No mail yet. What the panel sends arrives here.")
        parts.append(f'<div class="card"><div class="card-body text-secondary">{t(empty)}</div></div>')
    if len(mails) > PAGE:
        query = html.escape(urlencode({"q": words, "before": mails[PAGE - 1].id}))
        parts.append(f'<p class="mt-3"><a class="btn" href="?{query}">{t(N_("Older mails"))}</a></p>')
    return "".join(parts)


def _row(mail: Mail) -> str:
    subject = html.escape(mail.subject) or "—"
    return (
        f'<tr><td><bdi dir="ltr">{html.escape(mail.recipients)}</bdi></td>'
        f'<td><a href="?mail={mail.id}"><bdi>{subject}</bdi></a></td><td><bdi>{html.escape(mail.shown_from)}</bdi></td>'
        f"<td>{_when(mail)}</td></tr>"
    )


def _when(mail: Mail) -> str:
    return f'<time datetime="{mail.at.isoformat()}"><bdi dir="ltr">{mail.at:%Y-%m-%d %H:%M:%S} UTC</bdi></time>'


def _one(ctx: PluginContext, request: Request, mail: Mail, content: bytes) -> str:
    def t(msgid: str, **params: object) -> str:
        return html.escape(translate(request.language, msgid, **params))

    tab = request.query.get("tab", "mail")
    shown = read_shown(content)
    tabs = "".join(_tab(mail, name, t(label), name == tab) for name, label in TABS)
    if tab == "text":
        body = f'<pre class="text-wrap" dir="auto">{html.escape(shown.text)}</pre>'
    elif tab == "headers":
        body = (
            f'<div class="table-responsive" role="region" tabindex="0" aria-label="{t(N_("Headers"))}">'
            '<table class="table table-sm" dir="ltr"><tbody>'
            + "".join(_header(name, value) for name, value in shown.headers)
            + "</tbody></table></div>"
        )
    elif tab == "source":
        source = content[:_MAX_SOURCE].decode("utf-8", "replace")
        body = f'<pre class="text-wrap text-break" dir="ltr">{html.escape(source)}</pre>'
    else:
        token = html.escape(ctx.sign("mailbox", str(mail.id)))
        body = (
            f'<iframe class="mail-frame w-100 border-0" src="/hooks/email/mail?t={token}" height="640" '
            f'sandbox="allow-popups allow-popups-to-escape-sandbox" title="{t(N_("The mail as it looks"))}"></iframe>'
        )
    facts = "".join(
        f'<dt class="col-3 col-md-2">{t(label)}</dt><dd class="col-9 col-md-10">{value}</dd>'
        for label, value in (
            (N_("Subject"), f"<bdi>{html.escape(mail.subject) or '—'}</bdi>"),
            (N_("From"), f"<bdi>{html.escape(mail.shown_from)}</bdi>"),
            (N_("To"), f'<bdi dir="ltr">{html.escape(mail.recipients)}</bdi>'),
            (N_("Arrived"), _when(mail)),
        )
    )
    return (
        f'<p><a href="?">{t(N_("Back to the mailbox"))}</a></p><div class="card"><div class="card-body">'
        f'<dl class="row mb-0">{facts}</dl></div><div class="card-header">'
        f'<ul class="nav nav-tabs card-header-tabs">{tabs}</ul></div><div class="card-body">{body}</div></div>'
    )


def _tab(mail: Mail, name: str, label: str, is_active: bool) -> str:
    state = ' active" aria-current="page' if is_active else ""
    return f'<li class="nav-item"><a class="nav-link{state}" href="?mail={mail.id}&amp;tab={name}">{label}</a></li>'


def _header(name: str, value: str) -> str:
    shown = f'<td class="text-break"><bdi>{html.escape(value)}</bdi></td>'
    return f'<tr><th scope="row">{html.escape(name)}</th>{shown}</tr>'
