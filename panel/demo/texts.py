"""The demo's templates, made from short texts and one plain layout."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy.orm import Session

from panel.i18n import direction
from panel.messages.templates import Form, save_template

_SIGN_OFF = {
    "en": ("You get this because you asked for it.", "Unsubscribe", "Choose what you get"),
    "he": ("ההודעה נשלחה כי ביקשת לקבל אותה.", "הסרה מרשימת התפוצה", "לבחירת מה לקבל"),
    "fa": ("این پیام را چون خودتان خواسته‌اید دریافت می‌کنید.", "لغو اشتراک", "انتخاب دریافتی‌ها"),
}


def load_templates(session: Session, by: int | None) -> int:
    """Store every template of the demo; how many there are."""
    texts = yaml.safe_load((Path(__file__).parent / "templates.yaml").read_text(encoding="utf-8"))
    for name, channels in texts.items():
        forms = [
            _form(channel, language, content)
            for channel, languages in channels.items()
            for language, content in languages.items()
        ]
        save_template(session, name, forms, by=by)
    return len(texts)


def _form(channel: str, language: str, content: dict[str, Any]) -> Form:
    stored = "" if language == "any" else language
    paragraphs: list[str] = content["text"]
    if channel != "email":
        return Form(channel, stored, text="\n".join(paragraphs))
    written_in = stored or _language_of(content["subject"])
    plain = "\n\n".join(_plain(paragraph) for paragraph in paragraphs)
    plain += f"\n\n[[our name]]\n{_SIGN_OFF[written_in][1]}: [[unsubscribe link]]\n"
    return Form(channel, stored, content["subject"], _layout(paragraphs, written_in), plain)


def _language_of(text: str) -> str:
    if any("\u05d0" <= letter <= "\u05ea" for letter in text):
        return "he"
    return "fa" if any("\u0600" <= letter <= "\u06ff" for letter in text) else "en"


def _plain(paragraph: str) -> str:
    if not paragraph.startswith("->"):
        return paragraph
    words, _, address = paragraph[2:].partition("|")
    return f"{words.strip()}: {address.strip()}"


def _html(paragraph: str) -> str:
    if not paragraph.startswith("->"):
        return f'<p style="margin:0 0 16px">{escape(paragraph, quote=False)}</p>'
    words, _, address = paragraph[2:].partition("|")
    return (
        f'<p style="margin:24px 0"><a href="{escape(address.strip())}" style="background:#2f6f4f;color:#ffffff;'
        f'padding:12px 20px;border-radius:6px;text-decoration:none">{escape(words.strip(), quote=False)}</a></p>'
    )


def _layout(paragraphs: list[str], language: str) -> str:
    why, unsubscribe, preferences = _SIGN_OFF[language]
    start = "right" if direction(language) == "rtl" else "left"
    body = "\n".join(_html(paragraph) for paragraph in paragraphs)
    return f"""<!DOCTYPE html>
<html lang="{language}" dir="{direction(language)}">
<body style="margin:0;background:#f4f5f2;font-family:Arial,sans-serif;color:#222222">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:24px">
<table role="presentation" width="560" cellpadding="0" cellspacing="0" style="background:#ffffff;border-radius:8px">
<tr><td align="{start}" style="padding:32px;font-size:16px;line-height:1.6;text-align:{start}">
<p style="margin:0 0 24px;font-weight:bold;color:#2f6f4f">[[our name]]</p>
{body}
</td></tr>
<tr><td align="{start}" style="padding:0 32px 24px;font-size:12px;color:#5f6b62;text-align:{start}">
{why}<br>[[our name]] · [[our address]]<br>
<a href="[[unsubscribe link]]" style="color:#5f6b62">{unsubscribe}</a> ·
<a href="[[preferences link]]" style="color:#5f6b62">{preferences}</a>
</td></tr>
</table></td></tr></table>
</body>
</html>
"""
