"""HTML of messages made safe to show: no script, no request to anywhere, no way back into the tracking."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
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
_LINK = re.compile(r'<a\b([^>]*?)\shref="([^"]*)"([^>]*)>')
_IMAGE = re.compile(r'<img\b[^>]*?\ssrc="([^"]*)"[^>]*>')
_STYLE = re.compile(r'\sstyle="[^"]*"')
_STYLE_URL = re.compile(r"[\w-]+\s*:[^;\"]*(?:url|image-set|expression)\([^)\"]*\)?[^;\"]*;?", re.IGNORECASE)
_SRC = re.compile(r'\ssrc="([^"]*)"')
_TITLE = re.compile(r'\stitle="[^"]*"')
_REL = re.compile(r'\srel="[^"]*"')
_SHEET = re.compile(r"<style\b[^>]*>(.*?)</style\s*>", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/|<!--|-->", re.DOTALL)
_ASKS = re.compile(r"@import|(?:url|image-set|src|expression|element)\s*\(", re.IGNORECASE)


def safe_html(
    source: str,
    own_base: str = "",
    *,
    targets: Mapping[str, str] | None = None,
    pictures: Mapping[str, str] | None = None,
) -> str:
    """Clean a message's HTML for showing in a frame.

    No link leads anywhere: its address moves to `data-href`, so that neither a click, nor the middle button, nor the
    browser's own menu counts as the contact's act, here or at any service that counts clicks. Its `title` says where
    it led: `targets` gives the original behind a tracked address. Images show only when they are inside the message
    (`data:`) or in `pictures` (by address, as `data:` addresses); the others keep their address in `data-src`. Our own
    pixel disappears.
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
    known, loaded = targets or {}, pictures or {}

    def link(match: re.Match[str]) -> str:
        address = html.unescape(match[2])
        rest = _REL.sub("", _TITLE.sub("", match[1] + match[3]))
        # Where our own addresses lead is said in our words or not at all: whoever reads one out could use it.
        told = known.get(address) or (address if _leads_out(address, own) else "")
        title = f' title="{html.escape(told)}"' if told else ""
        return f'<a{rest} data-href="{match[2] if told == address else ""}"{title} role="link" aria-disabled="true">'

    def image(match: re.Match[str]) -> str:
        target = html.unescape(match[1])
        if target.startswith("data:image/"):
            return match[0]
        if own_base and target.startswith(own_base.rstrip("/") + "/o/"):
            return ""
        if target in loaded:
            return _SRC.sub(lambda found: f' src="{html.escape(loaded[target])}"', match[0], count=1)
        return _SRC.sub(lambda found: f' data-src="{found[1]}"', match[0], count=1)

    without_urls = _STYLE.sub(lambda match: _STYLE_URL.sub("", match[0]), cleaned)
    return _IMAGE.sub(image, _LINK.sub(link, without_urls))


def image_addresses(cleaned: str) -> list[str]:
    """Web addresses of the images that `safe_html` did not load, each once, in order."""
    found = re.findall(r'<img\b[^>]*?\sdata-src="([^"]*)"', cleaned)
    addresses = dict.fromkeys(html.unescape(one).strip() for one in found)
    return [one for one in addresses if one.lower().startswith(("http://", "https://"))]


def safe_styles(source: str) -> str:
    """The style sheets inside a message without anything that asks for something: what makes it fit a telephone.

    The frame's policy loads nothing either way; a second lock costs little. No `<` is left, so it cannot end early.
    """
    sheets = "\n".join(_SHEET.findall(source))
    # An escape (`\\75rl(`) would hide a word from the next line; style sheets of mails have no use for them.
    plain = _COMMENT.sub("", sheets).replace("\\", "").replace("<", "")
    # A rule and a function that do not exist: the browser drops the line each stands in, and only that.
    return _ASKS.sub(lambda match: "@no " if match[0][0] == "@" else "no(", plain)


def _leads_out(target: str, own: SplitResult) -> bool:
    """Whether an address is of another host, a mail program, a telephone: nothing of this installation."""
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


def frame(body: str, language: str, direction: str, styles: str = "") -> str:
    """The whole document for the frame. `base target` comes first: were a link left, it would open nowhere."""
    return (
        f'<!DOCTYPE html><html lang="{html.escape(language)}" dir="{direction}"><head><base target="_blank">'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title></title>'
        "<style>body{margin:16px;font:16px/1.6 Arial,Helvetica,sans-serif;color:#1f2430;background:#fff;"
        "overflow-wrap:anywhere}img{max-width:100%;height:auto}img[data-src]{outline:1px dashed #888;min-width:24px;"
        "min-height:24px}a[data-href]{text-decoration:underline;color:#0b57d0;cursor:not-allowed}</style>"
        f"<style>{styles}</style></head><body>{body}</body></html>"
    )


def frame_headers() -> dict[str, str]:
    """Headers of the frame's answer: nothing loads, nothing runs, nothing is kept."""
    return {
        "Content-Security-Policy": FRAME_POLICY,
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Frame-Options": "SAMEORIGIN",
    }
