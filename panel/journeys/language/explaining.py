"""What the YAML parser could not read, in words that a person can act on.

The parser says where it gave up, often one line after the mistake. The line itself tells more than its message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from panel.journeys.language.grammar import FORMS

if TYPE_CHECKING:
    from panel.journeys.language.reading import Source

_TEXT_START = re.compile(r"^(?:[^#\"']*?[:\-,\[{]\s+)?(\[\[|\{\{|[@`%!&*?|>\[{])")
_MERGE_IN_BRACES = re.compile(r"[:,{]\s+(\[\[|\{\{)([^,}]*)")
_KEYS = frozenset(key for shape in FORMS.values() for key in shape.keys)
_MOST_LETTERS = 400  # lines are cut: nobody needs a hint from the middle of a megabyte
_SAYINGS = [
    (r"unknown escape|escape code|escape sequence|hexadec|hexdecimal", "bad_escape"),
    (r"flow (sequence|mapping)", "unclosed_bracket"),
    (r"mapping values are not allowed", "colon_in_text"),
    (r"could not find expected ':'", "colon_missing"),
    (
        r"<block end>|did not find expected (key|'-')|block (mapping|collection|sequence)|not properly indented",
        "indentation",
    ),
    (r"directive", "several_documents"),
    (r"tag", "tag"),
]


def explain(source: Source, error: yaml.YAMLError, skipped: int) -> None:
    """Note one problem that says what the parser's error means. `skipped` letters stood before what it read."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    index = min((mark.index if mark else getattr(error, "position", 0) or 0) + skipped, len(source.text))
    opened = getattr(error, "context_mark", None)
    opened_at = opened.index + skipped if opened else index
    said = f"{getattr(error, 'context', '') or ''} {getattr(error, 'problem', '') or error}"
    if re.search(r"quoted scalar.*(end of stream|document)", said):
        source.add("unclosed_quote", opened_at, opened_at + 1)
        return
    if _looks_wrong(source, index, said):
        return
    code = next((code for pattern, code in _SAYINGS if re.search(pattern, said)), "yaml_syntax")
    if code == "colon_in_text":
        _colon(source, index)
        return
    if code == "indentation" and _after_quote(source, index):
        return
    if code == "yaml_syntax" and "flow node" in said and not source.text[index:].strip():
        last = max(source.text.rfind("[", 0, index), source.text.rfind("{", 0, index))
        if last >= 0:
            source.add("unclosed_bracket", last, last + 1)
            return
    if code == "unclosed_bracket":
        line = source.position(index)[0]
        merged = _MERGE_IN_BRACES.search(source.line_text(line)[:_MOST_LETTERS])
        if merged:
            start, end = (source.line_start(line) + place for place in (merged.start(1), merged.end()))
            source.add("needs_quotes", start, end, "", quoted(merged[1] + merged[2]), mark=merged[1])
            return
        index = opened_at
    if code == "tag":
        words = source.text[index : index + 40].split()
        source.add("tag", index, index + 1, tag=words[0] if words else "!")
        return
    source.add(code, index, index + 1)


def _looks_wrong(source: Source, index: int, said: str) -> bool:
    """Whether the line, or the one before it, shows a TAB or text that needs quotes; then that is noted."""
    line, column = source.position(index)
    for number in (line, line - 1):
        text = source.line_text(number)[:_MOST_LETTERS]
        start = source.line_start(number)
        indent = re.match(r"[ ]*\t", text)
        if indent and number == line:
            source.add("tab", start, start + indent.end())
            return True
        begins = _TEXT_START.match(text)
        if begins and (number < line or begins.start(1) <= column) and _is_text(begins[1], text[begins.start(1) :]):
            first, rest = start + begins.start(1), text[begins.start(1) :]
            source.add("needs_quotes", first, start + len(text), "", quoted(rest), mark=begins[1])
            return True
        if number == line and "\t" in text[: column + 1] and "start any token" in said:
            source.add("tab", start + text.index("\t"), start + text.index("\t") + 1)
            return True
    return False


def quoted(text: str) -> str:
    """Text between double quotes, for a guess."""
    return '"' + text[:_MOST_LETTERS].strip().replace('"', "'") + '"'


def _is_text(start: str, rest: str) -> bool:
    """Whether something that begins with a YAML indicator looks like a sentence and not like YAML that went wrong."""
    if start in ("[[", "{{", "@", "`", "%"):
        return True
    if start in ("[", "{"):
        return False
    if start in ("|", ">"):
        return len(rest.split()) > 1 and not rest.lstrip("|>").lstrip("+-0123456789").lstrip().startswith("#")
    return True


def _colon(source: Source, index: int) -> None:
    """ "mapping values are not allowed": a second colon on the line, or a key below something that has a value."""
    line, column = source.position(index)
    text = source.line_text(line)[:_MOST_LETTERS]
    start = source.line_start(line)
    parts = re.match(r"\s*(?:-\s+)*([^:]*):\s+(.*)", text)
    if parts and parts.end(1) < column - 1:
        second = re.match(r"([\w -]+):(?:\s|$)", parts[2])
        if second and re.sub(r"[\s-]+", "_", second[1].strip().casefold()) in _KEYS:
            guess = f"{parts[1].strip()}: {{{parts[2].strip()}}}"
            source.add("two_keys", index, index + 1, "", guess)
        else:
            source.add("colon_in_text", index, index + 1, "", quoted(parts[2]))
        return
    above = line - 1
    while above > 0 and not source.line_text(above).split("#")[0].strip():
        above -= 1
    word = source.line_text(above)[:_MOST_LETTERS].split(" #")[0]
    if re.fullmatch(r"\s*(?:-\s+)?[\w -]{1,60}\s*", word) and ":" not in word:
        at = source.line_start(above)
        bare = word.strip().removeprefix("- ")
        source.add("colon_missing", at + len(word) - len(word.lstrip()), at + len(word.rstrip()), "", f"{bare}:")
        return
    first = start + len(text) - len(text.lstrip())
    source.add("indentation", first, first + 1)


def _after_quote(source: Source, index: int) -> bool:
    """Whether text goes on directly behind a closing quotation mark; then that is noted."""
    before = source.text[max(0, index - 1) : index]
    if before in ("'", '"') and source.text[index : index + 1].strip():
        source.add("text_after_quote", index - 1, index)
        return True
    return False
