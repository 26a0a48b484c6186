"""Which text a contact gets: the right language's form, and what the law and good manners add to it."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from panel.i18n import N_, translate
from panel.messages.facts import Company
from panel.sdk.channels import TemplateContent
from panel.sdk.merge import FIELD

_HEBREW = re.compile("[\u0590-\u05ff]")
_ARABIC = re.compile("[\u0600-\u06ff]")
_LATIN = re.compile("[A-Za-z]")
_TAG = re.compile(r"<[^>]*>")
_END = re.compile(r"</body\s*>", re.IGNORECASE)
_SUBJECT_LENGTH = 70

ADVERTISEMENT = "פרסומת"
_MARKS = " \u200e\u200f\u202a\u202b\u2066\u2067\u2068"

WHY = N_("You receive this because you are in touch with %(company)s.")
UNSUBSCRIBE = N_("Unsubscribe")
PREFERENCES = N_("Choose what you receive")


def choose(forms: Mapping[str, TemplateContent], language: str | None, default: str) -> TemplateContent | None:
    """The contact's language, else the form for any language, else the business's, else English, else whichever."""
    for wanted in (language, "", default, "en"):
        if wanted is not None and wanted in forms:
            content = forms[wanted]
            return content if content.language else replace(content, language=language_of(content))
    return next(iter(forms.values()), None)


def inline_content(inline: Mapping[str, Any], language: str | None) -> TemplateContent:
    """A text written in the journey or by hand: {"text", "subject", "html"}; its script tells its language."""
    content = TemplateContent(
        str(inline.get("subject") or ""), str(inline.get("html") or ""), str(inline.get("text") or ""), ""
    )
    return replace(content, language=language_of(content, language or "en"))


def language_of(content: TemplateContent, otherwise: str = "en") -> str:
    """The language a text is written in, by its letters; `otherwise` decides between languages of one script."""
    text = FIELD.sub("", _TAG.sub(" ", content.html) + content.text + content.subject)
    hebrew, arabic, latin = (len(script.findall(text)) for script in (_HEBREW, _ARABIC, _LATIN))
    if not hebrew + arabic + latin:
        return otherwise
    if hebrew * 2 > latin and hebrew >= arabic:
        return "he"
    if arabic * 2 > latin:
        return "fa"
    return "en" if otherwise in ("he", "fa") else otherwise


def with_subject(content: TemplateContent, company: Company) -> TemplateContent:
    """An email needs a subject: without one, the beginning of the text serves, or the business's name."""
    if content.subject.strip():
        return content
    first = next((line.strip() for line in content.text.splitlines() if line.strip()), "")
    if len(FIELD.sub("", first)) > _SUBJECT_LENGTH or not first:
        plain = FIELD.sub(lambda match: match[2] or "", first)
        first = plain[:_SUBJECT_LENGTH].rsplit(" ", 1)[0] + "…" if plain else company.name or "…"
    return replace(content, subject=first)


def with_marker(content: TemplateContent, company: Company) -> TemplateContent:
    """The word that Israeli law (section 30A) wants at the start of an advertisement's subject, in every language.

    Added here and not left to authors. Direction marks before it do not hide it.
    """
    if company.country != "IL" or content.subject.lstrip(_MARKS).startswith(ADVERTISEMENT):
        return content
    return replace(content, subject=f"{ADVERTISEMENT}: {content.subject}")


def with_footer(content: TemplateContent, company: Company) -> TemplateContent:
    """Who writes and how to stop it, in the message's language, unless the author placed the link (canonical names)."""
    if any("[[unsubscribe_link" in part for part in (content.html, content.text)):
        return content
    language = content.language
    who = " · ".join(part for part in (company.name, company.address) if part)
    why = translate(language, WHY, company=company.name) if company.name else ""
    stop, choose_ = translate(language, UNSUBSCRIBE), translate(language, PREFERENCES)
    new_html, new_text = content.html, content.text
    if content.html.strip():
        lines = "<br>".join(html.escape(line) for line in (why, who) if line)
        footer = (
            '<div style="margin-top:32px;padding-top:12px;border-top:1px solid #d9dce1;font-size:12px;'
            f'line-height:1.6;color:#5b6470">{lines}{"<br>" if lines else ""}'
            f'<a href="[[unsubscribe_link]]" style="color:#5b6470">{html.escape(stop)}</a> · '
            f'<a href="[[preferences_link]]" style="color:#5b6470">{html.escape(choose_)}</a></div>'
        )
        end = None
        for end in _END.finditer(content.html):  # noqa: B007 - the last one counts
            pass
        at = end.start() if end else len(content.html)
        new_html = content.html[:at] + footer + content.html[at:]
    if content.text.strip():
        lines = "\n".join(line for line in (why, who) if line)
        new_text = (
            content.text.rstrip()
            + f"\n\n--\n{lines}{chr(10) if lines else ''}"
            + f"{stop}: [[unsubscribe_link]]\n{choose_}: [[preferences_link]]\n"
        )
    return replace(content, html=new_html, text=new_text)
