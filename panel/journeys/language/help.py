"""The help pages that are made from the grammar and the problem codes, so that they can never say something else.

`python -m panel.journeys.language.help` writes them into panel/help; a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path

from panel.i18n import LANGUAGES, N_, translate
from panel.journeys.language.grammar import (
    CORE_CHANNELS,
    FORMS,
    VERBS,
    Anything,
    Channel,
    Choice,
    Either,
    Form,
    Key,
    ListOf,
    MapOf,
    Name,
    Scalar,
    Shape,
    Type,
)
from panel.journeys.language.kinds import KINDS
from panel.journeys.language.problems import HELP_PAGE

FOLDER = Path(__file__).parents[2] / "help"
_INTRO = N_(
    "Keys are English and may be written with capitals, spaces or hyphens; every value may be in any language, and"
    " Persian and Arabic digits are digits. A list may be written as a single value."
)
_PROBLEMS_INTRO = N_(
    "Each message about a journey has a code. Here is what each code means and what to do about it. Errors keep a"
    " journey from being published, warnings do not; what is live is never touched by either."
)


def type_words(kind: Type, language: str) -> str:
    """A type in words, for a table."""

    def say(sentence: str, **params: str) -> str:
        return translate(language, sentence, **params)

    if isinstance(kind, Scalar | Name):
        return say(kind.shown)
    if isinstance(kind, Choice):
        return " / ".join(f"`{word}`" for word in kind.words)
    if isinstance(kind, Channel):
        return " / ".join(f"`{word}`" for word in (*CORE_CHANNELS, *kind.also))
    if isinstance(kind, Form):
        return say(N_("block: %(form)s"), form=f"[{kind.name}](#{kind.name})")
    if isinstance(kind, ListOf):
        return say(N_("list of: %(what)s"), what=type_words(kind.of, language))
    if isinstance(kind, MapOf):
        return say(N_("names with: %(what)s"), what=type_words(kind.of, language))
    if isinstance(kind, Anything):
        return type_words(Form("journey"), language)
    assert isinstance(kind, Either)
    return say(N_("%(first)s or %(last)s"), first=type_words(kind.options[0], language), last=_rest(kind, language))


def _rest(kind: Either, language: str) -> str:
    rest = kind.options[1:]
    return type_words(rest[0] if len(rest) == 1 else Either(rest), language)


def reference_page(language: str) -> str:
    """Every form with its keys, as Markdown."""
    parts = [f"# {translate(language, N_('The journey language'))}\n", translate(language, _INTRO) + "\n"]
    for name, shape in FORMS.items():
        parts.append(f"## {name}\n")
        if name == "step":
            parts.append(
                translate(language, N_("A step has exactly one verb; what goes with it stands beside it.")) + "\n"
            )
        elif shape.one_of:
            main = ", ".join(f"`{key}`" for key in shape.one_of)
            parts.append(translate(language, N_("One of these must stand in it: %(keys)s."), keys=main) + "\n")
        parts.append(_table(name, shape, language))
    return "\n".join(parts)


def _table(name: str, shape: Shape, language: str) -> str:
    heads = [N_("key"), N_("value"), N_("default"), N_("meaning")]
    rows = ["| " + " | ".join(translate(language, head) for head in heads) + " |", "|---|---|---|---|"]
    for key, spec in shape.keys.items():
        rows.append(_row(f"**`{key}`**" if name == "step" and key in VERBS else f"`{key}`", spec, language))
    if shape.channel_keys is not None:
        kind, meaning = type_words(shape.channel_keys, language), translate(language, N_("for this channel alone"))
        rows.append(f"| {type_words(Channel(), language)} | {kind} |  | {meaning} |")
    return "\n".join(rows) + "\n"


def _row(shown: str, spec: Key, language: str) -> str:
    default = f"`{spec.default}`" if spec.default else ""
    if spec.required:
        default = translate(language, N_("required"))
    meaning = translate(language, spec.meaning)
    if spec.goes_with:
        mains = ", ".join(f"`{key}`" for key in spec.goes_with)
        meaning += " — " + translate(language, N_("with %(keys)s"), keys=mains)
    return f"| {shown} | {type_words(spec.type, language)} | {default} | {meaning} |"


def problems_page(language: str) -> str:
    """Every code with its sentence and what to do, as Markdown; the heading of each is its anchor."""
    parts = [f"# {translate(language, N_('Problems in journeys'))}\n", translate(language, _PROBLEMS_INTRO) + "\n"]
    for severity, title in (("error", N_("Errors")), ("warning", N_("Warnings"))):
        parts.append(f"## {translate(language, title)}\n")
        for code, kind in KINDS.items():
            if kind.severity == severity:
                parts.append(f"### {code}\n")
                parts.append(_filled(kind.sentence, language) + "\n")
                parts.append(_filled(kind.advice, language) + "\n")
    return "\n".join(parts)


def _filled(sentence: str, language: str) -> str:
    """A sentence with dots where the particulars stand."""
    names = re.findall(r"%\((\w+)\)s", sentence)
    return translate(language, sentence, **dict.fromkeys(names, "…"))


def pages() -> dict[str, str]:
    """File name -> content, for all languages."""
    return {
        f"{name}.{language}.md": make(language)
        for language in LANGUAGES
        for name, make in (("journeys-reference", reference_page), (HELP_PAGE, problems_page))
    }


if __name__ == "__main__":
    for file_name, content in pages().items():
        (FOLDER / file_name).write_text(content, encoding="utf-8")
