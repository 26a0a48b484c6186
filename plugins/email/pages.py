"""An author's HTML as mail programs need it: styles inlined, direction on the content itself, holes for the values."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

import css_inline

from panel.sdk.channels import Slot, TemplateContent
from panel.sdk.merge import FIELD, MergeField, TemplateError
from plugins.email.bodies import Hole, Piece

RIGHT_TO_LEFT = frozenset({"he", "fa", "ar"})
SPECIAL = {"unsubscribe_link": "unsubscribe", "preferences_link": "preferences"}
_LINK_FIELDS = frozenset({*SPECIAL, "personal_link"})
_DOCUMENT = re.compile(r"<(?:html|body|!doctype)\b", re.IGNORECASE)
_BODY = re.compile(r"(<body\b[^>]*>)(.*)(</body\s*>)", re.IGNORECASE | re.DOTALL)
_HTML_TAG = re.compile(r"<html\b[^>]*>", re.IGNORECASE)
_DIR = re.compile(r"\sdir\s*=", re.IGNORECASE)
# A merge field while the HTML passes through the parser: two private-use characters around its number.
_MARK = re.compile("\ue000(\\d+)\ue001")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
# What the parser writes: comments, elements whose content is code, tags (attributes always in double quotes), text.
_TOKEN = re.compile(
    r"(?P<comment><!--.*?-->)|(?P<code><(?P<name>style|script)\b(?:[^>\"]|\"[^\"]*\")*>.*?</(?P=name)>)"
    r"|(?P<title><title\b[^>]*>.*?</title>)|(?P<tag><[a-zA-Z/!](?:[^>\"]|\"[^\"]*\")*>)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"([^\s=\"'<>/]+)=\"([^\"]*)\"")
_IN_LINK = re.compile(r"<a[\s>]", re.IGNORECASE)
_TRACKED = re.compile(r"https?://", re.IGNORECASE)


@dataclass
class Links:
    """The tracked links of one message, each target once."""

    targets: list[str] = field(default_factory=list)

    def number(self, target: str) -> int:
        if target not in self.targets:
            self.targets.append(target)
        return self.targets.index(target)


def slot_for(one: MergeField, coding: str) -> Slot:
    """The slot of a merge field; unsubscribe and preference links have names of their own."""
    return Slot(SPECIAL.get(one.name, one.slot), coding)


def document(content: TemplateContent, subject: str) -> str:
    """The author's HTML as a whole document in its language's direction."""
    language = content.language or "en"
    direction = "rtl" if language in RIGHT_TO_LEFT else "ltr"
    # Gmail and others keep no <html> and <body>: what must hold stands on an element of the content.
    side = "right" if direction == "rtl" else "left"
    open_, close = f'<div lang="{language}" dir="{direction}" style="text-align: {side}">', "</div>"
    if not _DOCUMENT.search(content.html):
        return (
            f'<!DOCTYPE html><html lang="{language}" dir="{direction}"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(subject)}</title></head>"
            '<body style="margin: 0; padding: 24px; background: #ffffff; color: #1f2430; line-height: 1.6; '
            f'font-family: Arial, Helvetica, sans-serif; font-size: 16px">{open_}{content.html}{close}</body></html>'
        )
    text = _BODY.sub(lambda match: match[1] + open_ + match[2] + close + match[3], content.html, count=1)

    def with_direction(match: re.Match[str]) -> str:
        tag = match[0]
        if _DIR.search(tag):
            return tag
        return f'{tag[:-1]} lang="{language}" dir="{direction}">'

    return _HTML_TAG.sub(with_direction, text, count=1)


def compile_html(
    content: TemplateContent, subject: str, links: Links, *, track_clicks: bool, pixel: bool
) -> list[Piece]:
    """The HTML part as pieces. Raises TemplateError for a merge field where no value can be made safe."""
    fields: list[MergeField] = []

    def mark(match: re.Match[str]) -> str:
        default = None if match[2] is None else html.unescape(match[2].strip())
        fields.append(MergeField(match[1].strip(), default))
        return f"\ue000{len(fields) - 1}\ue001"

    text = FIELD.sub(mark, _PRIVATE.sub("", document(content, subject)))
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
    try:
        text = inliner.inline(text)
    except css_inline.InlineError as error:
        raise TemplateError("html_unreadable", detail=str(error)[:200]) from None
    pieces: list[Piece] = []
    at = 0
    in_link = False
    for token in _TOKEN.finditer(text):
        _put_text(pieces, text[at : token.start()], fields, in_link)
        at = token.end()
        if token["tag"] is not None:
            in_link = _IN_LINK.match(token["tag"]) is not None or (in_link and not token["tag"].startswith("</a"))
            if pixel and token["tag"].lower().startswith("</body"):
                pieces += ['<img src="', Hole(Slot("pixel", "attr")), '" width="1" height="1" alt="" border="0" ']
                pieces += ['style="display:block;width:1px;height:1px;border:0">']
                pixel = False
            _put_tag(pieces, token["tag"], fields, links, track_clicks)
        elif token["title"] is not None:
            _put_marks(pieces, token["title"], fields, "attr")
        else:
            found = _MARK.search(token[0])
            if found:
                where = token["name"] or "comment"
                raise TemplateError("field_in_code", field=fields[int(found[1])].name, where=where)
            pieces.append(token[0])
    _put_text(pieces, text[at:], fields, in_link)
    return pieces


def _put_marks(pieces: list[Piece], text: str, fields: list[MergeField], coding: str) -> None:
    at = 0
    for match in _MARK.finditer(text):
        pieces.append(text[at : match.start()])
        pieces.append(Hole(slot_for(fields[int(match[1])], coding)))
        at = match.end()
    pieces.append(text[at:])


def _put_text(pieces: list[Piece], text: str, fields: list[MergeField], in_link: bool) -> None:
    """Text between tags. Every value is isolated: a telephone number keeps its order inside Hebrew and Persian."""
    at = 0
    for match in _MARK.finditer(text):
        one = fields[int(match[1])]
        pieces.append(text[at : match.start()])
        at = match.end()
        if one.name in _LINK_FIELDS and not in_link:
            pieces += ['<a href="', Hole(slot_for(one, "href")), '">', Hole(slot_for(one, "html")), "</a>"]
        else:
            pieces += ['<span dir="auto">', Hole(slot_for(one, "html")), "</span>"]
    pieces.append(text[at:])


def _put_tag(pieces: list[Piece], tag: str, fields: list[MergeField], links: Links, track_clicks: bool) -> None:
    name = re.match(r"</?([a-zA-Z0-9-]*)", tag)
    element = name[1].lower() if name else ""
    at = 0
    for attribute in _ATTRIBUTE.finditer(tag):
        key, value = attribute[1].lower(), attribute[2]
        is_link = element in ("a", "area") and key == "href"
        if is_link and track_clicks and _TRACKED.match(value) and not _MARK.search(value):
            pieces.append(tag[at : attribute.start(2)])
            pieces.append(Hole(Slot(f"link:{links.number(html.unescape(value).strip())}", "attr")))
            at = attribute.end(2)
        elif _MARK.search(value):
            pieces.append(tag[at : attribute.start(2)])
            _put_value(pieces, key, value, fields)
            at = attribute.end(2)
    if _MARK.search(tag[at:]):
        found = _MARK.search(tag[at:])
        raise TemplateError("field_in_code", field=fields[int(found[1])].name if found else "", where=element)
    pieces.append(tag[at:])


def _put_value(pieces: list[Piece], key: str, value: str, fields: list[MergeField]) -> None:
    """An attribute's value with merge fields in it."""
    if key == "style" or key.startswith("on") or key == "srcdoc":
        found = _MARK.search(value)
        raise TemplateError("field_in_code", field=fields[int(found[1])].name if found else "", where=key)
    if key in ("href", "src", "background", "action", "cite", "poster", "srcset"):
        whole = _MARK.fullmatch(value.strip())
        if whole:
            pieces.append(Hole(slot_for(fields[int(whole[1])], "href")))
            return
        first = _MARK.search(value)
        if first is not None and not re.match(r"(?:https?://[^/?#]+[/?#]|mailto:|tel:|sms:)", value[: first.start()]):
            raise TemplateError("field_in_host", field=fields[int(first[1])].name, where=key)
        _put_marks(pieces, value, fields, "url")
        return
    _put_marks(pieces, value, fields, "attr")
