"""HTML of messages made safe to show: no script, no request to anywhere, no way back into the tracking."""

from __future__ import annotations

import html
import re
from urllib.parse import SplitResult, urlsplit

import nh3

_TAG_NAMES = """
    a abbr b bdi bdo big blockquote br caption center code col colgroup dd del div dl dt em figure figcaption font
    h1 h2 h3 h4 h5 h6 hr i img ins kbd li main mark ol p pre q s section header footer article small span strike strong
    sub sup table tbody td tfoot th thead tr tt u ul
"""
_EVERYWHERE = frozenset(["dir", "style", "lang", "title", "align", "valign", "bgcolor", "width", "height", "color"])
_ATTRIBUTES = {
    "*": set(_EVERYWHERE),
    "a": {"href"},
    "img": {"src", "alt", "border"},
    "table": {"border", "cellpadding", "cellspacing", "role"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "scope"},
    "font": {"face", "size"},
    "ol": {"start", "type"},
}
_STYLE_NAMES = """
    background background-color border border-bottom border-collapse border-color border-left border-radius border-right
    border-spacing border-style border-top border-width box-sizing caption-side clear color direction display float font
    font-family font-size font-style font-variant font-weight height letter-spacing line-height list-style
    list-style-type margin margin-bottom margin-left margin-right margin-top max-height max-width min-height min-width
    opacity overflow padding padding-bottom padding-left padding-right padding-top table-layout text-align
    text-decoration text-indent text-transform unicode-bidi vertical-align white-space width word-break word-spacing
    word-wrap overflow-wrap margin-inline-start margin-inline-end padding-inline-start padding-inline-end
"""
_LINK = re.compile(r'<a\b([^>]*?)\shref="([^"]*)"')
_IMAGE = re.compile(r'<img\b[^>]*?\ssrc="([^"]*)"[^>]*>')
_STYLE = re.compile(r'\sstyle="[^"]*"')
_STYLE_URL = re.compile(r"[\w-]+\s*:[^;\"]*(?:url|image-set|expression)\([^)\"]*\)?[^;\"]*;?", re.IGNORECASE)
_SRC = re.compile(r'\ssrc="([^"]*)"')


def safe_html(source: str, own_base: str = "") -> str:
    """Clean a message's HTML for showing in a frame.

    Links to `own_base` (this installation: unsubscribe, tracked links) lose their target to `data-href`, so that
    looking at a message never counts as the contact's act. Images load only when they are inside the message
    (`data:`); the others keep their address in `data-src`. Our own pixel disappears.
    """
    cleaned = nh3.clean(
        source,
        tags=set(_TAG_NAMES.split()),
        clean_content_tags={"script", "style", "title", "head", "noscript", "template"},
        attributes=_ATTRIBUTES,
        filter_style_properties=set(_STYLE_NAMES.split()),
        url_schemes={"http", "https", "mailto", "tel", "sms", "data"},
        link_rel="noopener noreferrer",
    )
    own = urlsplit(own_base)

    def link(match: re.Match[str]) -> str:
        if _leads_out(html.unescape(match[2]), own):
            return match[0]
        return f'<a{match[1]} data-href="{match[2]}" role="link" aria-disabled="true"'

    def image(match: re.Match[str]) -> str:
        target = html.unescape(match[1])
        if target.startswith("data:image/"):
            return match[0]
        if own_base and target.startswith(own_base.rstrip("/") + "/o/"):
            return ""
        return _SRC.sub(lambda found: f' data-src="{found[1]}"', match[0], count=1)

    without_urls = _STYLE.sub(lambda match: _STYLE_URL.sub("", match[0]), cleaned)
    return _IMAGE.sub(image, _LINK.sub(link, without_urls))


def _leads_out(target: str, own: SplitResult) -> bool:
    """Whether following a link does nothing to this installation: another host, a mail program, a telephone."""
    try:
        parts = urlsplit(target.strip())
    except ValueError:
        return False
    if parts.scheme.lower() in ("mailto", "tel", "sms"):
        return True
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.hostname != own.hostname


FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)


def frame(body: str, language: str, direction: str) -> str:
    """The whole document for the frame. `base target` comes first: a link opens nowhere, because popups are off."""
    return (
        f'<!DOCTYPE html><html lang="{html.escape(language)}" dir="{direction}"><head><base target="_blank">'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title></title>'
        "<style>body{margin:16px;font:16px/1.6 Arial,Helvetica,sans-serif;color:#1f2430;background:#fff;"
        "overflow-wrap:anywhere}img{max-width:100%;height:auto}img[data-src]{outline:1px dashed #888;min-width:24px;"
        f"min-height:24px}}</style></head><body>{body}</body></html>"
    )


def frame_headers() -> dict[str, str]:
    """Headers of the frame's answer: nothing loads, nothing runs, nothing is kept."""
    return {
        "Content-Security-Policy": FRAME_POLICY,
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Frame-Options": "SAMEORIGIN",
    }
