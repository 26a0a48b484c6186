"""journeys.yaml on disk: reading it, and rewriting one journey's lines without touching any other byte.

The file is never dumped again: comments, blank lines, order, quotation marks and line ends outside the one journey stay
exactly as they are. A person may have the file open in an editor, so each write names the state it started from.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from panel.errors import UserError
from panel.i18n import N_
from panel.journeys.language.reading import Block, Entry, Source, clean, normalise, read

_INDENT = "  "


@dataclass(frozen=True)
class JourneysFile:
    """The file as it was read. `text` None: it cannot be decoded. `sha256` is "" when there is no file."""

    path: Path
    text: str | None
    sha256: str
    data: bytes = b""


def read_file(path: Path) -> JourneysFile:
    """Read the file; a missing one is empty."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return JourneysFile(path, "", "")
    try:
        text: str | None = data.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    return JourneysFile(path, text, hashlib.sha256(data).hexdigest(), data)


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def journey_texts(file_text: str) -> dict[str, str]:
    """The text of every journey of a file, moved to the left margin; {} when the file cannot be read."""
    source, tree = read(file_text)
    if not isinstance(tree, Block):
        return {}
    return {identity: _text_of(source, entry) for identity, entry in _journeys(tree).items() if _span(source, entry)}


def journey_text(file_text: str, journey_id: str) -> str | None:
    """The text of one journey (its key and what stands below it), moved to the left margin; None when not there."""
    return journey_texts(file_text).get(journey_id)


def first_place(file_text: str, journey_id: str) -> tuple[int, int]:
    """How many lines stand above a journey in the file, and how many characters to the left of it; zeros when it is
    not there."""
    source, tree = read(file_text)
    entry = _journeys(tree).get(journey_id) if isinstance(tree, Block) else None
    line, column = source.position(entry.start) if entry else (1, 1)
    return line - 1, column - 1


def splice(file_text: str, journey_id: str, text: str) -> str:
    """The file with one journey's lines exchanged for `text`, or with the journey added at the end.

    Every byte outside those lines stays. Raises UserError when the file or the text cannot be read, when the text is
    not exactly this one journey, or when the journeys stand between braces on one line.
    """
    new = _one_journey(journey_id, text)
    if not file_text.strip("\ufeff \t\r\n"):
        start = file_text if file_text.startswith("\ufeff") else ""
        return f"{start}language: 1\n\njourneys:\n{_indented(new, _INDENT)}\n"
    source, tree = read(file_text)
    if not isinstance(tree, Block):
        raise UserError(
            "journeys_file_unreadable",
            N_("journeys.yaml cannot be read at the moment (line %(line)s); correct it first."),
            line=source.problems[0].line if source.problems else 1,
        )
    newline = "\r\n" if "\r\n" in file_text else "\n"
    entry = _journeys(tree).get(journey_id)
    if entry is not None:
        span = _span(source, entry)
        if span is None:
            raise _in_braces()
        begin, end = span
        lines = _indented(new, " " * (entry.start - begin), newline)
        changed = file_text[:begin] + lines + file_text[end:]
    else:
        changed = _appended(file_text, source, tree, new, newline)
    _make_sure(tree, changed, journey_id)
    return changed


def write_journey(path: Path, journey_id: str, text: str, *, expected_sha256: str) -> str:
    """Put one journey's text into the file and return the file's new sha256.

    `expected_sha256` is the state that the person's editing started from ("" when there was no file). Raises UserError
    `journeys_file_changed` when the file is another one by now; nothing is written then.
    """
    path = path.resolve()
    found = read_file(path)
    if found.sha256 != expected_sha256:
        raise UserError(
            "journeys_file_changed",
            N_("journeys.yaml was changed meanwhile by somebody else. Look at the difference, then save again."),
        )
    if found.text is None:
        raise UserError("journeys_file_not_utf8", N_("journeys.yaml is not UTF-8 text; save it as UTF-8 first."))
    data = splice(found.text, journey_id, text).encode("utf-8")
    _replace(path, data)
    return hashlib.sha256(data).hexdigest()


def _replace(path: Path, data: bytes) -> None:
    """Exchange the file in one step: a reader sees the old one or the new one, also after a crash."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            os.chmod(name, path.stat().st_mode & 0o777)
        else:
            os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _journeys(tree: Block) -> dict[str, Entry]:
    entry = tree.entries.get("journeys")
    return entry.value.entries if entry and isinstance(entry.value, Block) else {}


def _span(source: Source, entry: Entry) -> tuple[int, int] | None:
    """From the beginning of the key's line to the end of the last line, its comment included; None between braces."""
    begin = source.line_start(source.position(entry.start)[0])
    if source.text[begin : entry.start].strip(" \ufeff"):
        return None
    last = max(entry.end, entry.value.end)
    # A block scalar's end lies behind the blank lines that follow it; those belong to the file.
    last = len(source.text[:last].rstrip())
    line = source.position(max(last - 1, 0))[0]
    return begin, source.line_start(line) + len(source.line_text(line))


def _text_of(source: Source, entry: Entry) -> str:
    span = _span(source, entry)
    assert span is not None
    return dedent(source.text[span[0] : span[1]].lstrip("\ufeff"), entry.start - span[0])


def dedent(text: str, spaces: int) -> str:
    """Move lines to the left by `spaces`; comments that stand further left go to the margin. Ends are made "\\n"."""
    moved = [re.sub(rf"^ {{0,{spaces}}}", "", line) for line in re.split(r"\r\n|\r|\n", text)]
    return "\n".join(moved) + "\n"


def _indented(text: str, indent: str, newline: str = "\n") -> str:
    return newline.join(indent + line if line else line for line in text.split("\n"))


def _one_journey(journey_id: str, text: str) -> str:
    """The text at the left margin without outer blank lines, after making sure that it is this journey."""
    source, tree = read(text)
    if not isinstance(tree, Block):
        problem = source.problems[0] if source.problems else None
        raise UserError(
            "journey_text_unreadable",
            N_("This text cannot be put into journeys.yaml yet: %(problem)s (line %(line)s)"),
            problem={language: problem.words(language) for language in ("en", "he", "fa")} if problem else "",
            line=problem.line if problem else 1,
        )
    if list(tree.entries) != [journey_id]:
        raise UserError(
            "another_journey",
            N_("This text must be the journey “%(journey)s” and nothing else; it begins with “%(found)s”."),
            journey=journey_id,
            found=next((entry.written for entry in tree.entries.values()), ""),
        )
    entry = tree.entries[journey_id]
    spaces = source.position(entry.start)[1] - 1
    lines = dedent(text.lstrip("\ufeff"), spaces).split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    return "\n".join(lines)


def _appended(file_text: str, source: Source, tree: Block, new: str, newline: str) -> str:
    entries = _journeys(tree)
    if not entries:
        head = tree.entries.get("journeys")
        if head is not None:  # "journeys:" with nothing below it yet
            line = source.position(head.start)[0]
            end = source.line_start(line) + len(source.line_text(line))
            if source.text[head.end : end].split("#")[0].strip() != ":":
                raise _in_braces()
            return file_text[:end] + newline + _indented(new, _INDENT, newline) + file_text[end:]
        end = len(file_text.rstrip())
        return f"{file_text[:end]}{newline}{newline}journeys:{newline}{_indented(new, _INDENT, newline)}{newline}"
    last = max(entries.values(), key=lambda entry: entry.start)
    span = _span(source, last)
    if span is None:
        raise _in_braces()
    indent = " " * (last.start - span[0])
    added = newline + newline + _indented(new, indent, newline)
    return file_text[: span[1]] + added + (file_text[span[1] :] or newline)


def _in_braces() -> UserError:
    return UserError(
        "journeys_in_braces",
        N_("The journeys stand between braces in journeys.yaml; put each on lines of its own first."),
    )


def _make_sure(before: Block, changed: str, journey_id: str) -> None:
    """The last look before a file is written: everything but this journey must read as it did."""
    source, after = read(changed)
    if not isinstance(after, Block) or _meaning(before, journey_id) != _meaning(after, journey_id):
        raise UserError(
            "splice_refused",
            N_("This text would change other parts of journeys.yaml; look at its indentation and quotation marks."),
        )


def _meaning(tree: Block, without: str) -> object:
    """What a tree says, without places, and without one journey."""

    def said(node: object) -> object:
        if isinstance(node, Block):
            return [(key, said(entry.value)) for key, entry in node.entries.items()]
        if hasattr(node, "values"):
            return [said(value) for value in node.values]
        return getattr(node, "value", None)

    head = [(key, said(entry.value)) for key, entry in tree.entries.items() if key != "journeys"]
    return head, [(key, said(entry.value)) for key, entry in _journeys(tree).items() if key != without]


def self_contained(journey_id: str, text: str, file_text: str | None) -> str:
    """One journey as a complete file: with the defaults and the blueprint of `file_text` that it depends on.

    This is what a published version keeps, so that it can be read and checked for ever without the file.
    """
    source, tree = read(text)
    if isinstance(tree, Block) and "journeys" in tree.entries:
        return text
    parts = ["language: 1\n"]
    around, file_tree = read(file_text) if file_text else (Source(""), None)
    if isinstance(file_tree, Block):
        if "defaults" in file_tree.entries:
            parts.append(_lines(around, file_tree.entries["defaults"]))
        used = _used_blueprint(tree, journey_id)
        blueprints = file_tree.entries.get("blueprints")
        if used and blueprints and isinstance(blueprints.value, Block) and used in blueprints.value.entries:
            block = _lines(around, blueprints.value.entries[used])
            parts.append("blueprints:\n" + _indented(block.rstrip("\n"), _INDENT) + "\n")
    body = _one_journey(journey_id, text) if isinstance(tree, Block) else text.rstrip("\n")
    parts.append("journeys:\n" + _indented(body, _INDENT) + "\n")
    return "\n".join(parts)


def _lines(source: Source, entry: Entry) -> str:
    span = _span(source, entry)
    if span is None:
        return f"{entry.written}: {source.text[entry.value.start : entry.value.end]}\n"
    return dedent(source.text[span[0] : span[1]].lstrip("\ufeff"), entry.start - span[0])


def _used_blueprint(tree: object, journey_id: str) -> str | None:
    entry = tree.entries.get(journey_id) if isinstance(tree, Block) else None
    use = entry.value.entries.get("use") if entry and isinstance(entry.value, Block) else None
    return normalise(clean(getattr(use.value, "value", ""))) if use else None
