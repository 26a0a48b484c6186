"""Test connection: the folder, the settings, and a sample reading of the newest file of each kind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from panel.sdk.context import PluginContext
from panel.sdk.i18n import N_, current_language, translate
from panel.sdk.settings import CheckStep
from plugins.accounting.columns import COLUMNS, Kind, kind_of, unknown_columns
from plugins.accounting.hotfolder import FOLDERS, SUFFIXES, HotFolder
from plugins.accounting.importing import parse, read
from plugins.accounting.reading import MAX_BYTES, FileError
from plugins.accounting.rounds import remembered_writing
from plugins.accounting.settings import Options, SettingError, options

CUT = 9  # done/ puts eight signs of the digest and a hyphen before the name
_FOLDER, _COLUMNS = N_("The folder"), N_("Names of columns")
_READING = {
    Kind.CUSTOMERS: N_("The newest customers file"),
    Kind.INVOICES: N_("The newest invoices file"),
    Kind.PAYMENTS: N_("The newest payments file"),
}


def steps(ctx: PluginContext, settings: Mapping[str, Any]) -> Iterator[CheckStep]:
    """Try `settings`; nothing is stored and no file is moved."""
    try:
        found = options(ctx, settings, writing=remembered_writing(ctx))
    except SettingError as error:
        yield CheckStep(N_("Settings"), False, error.sentence, params=error.params)
        return
    params = {"currency": found.habits.currency, "zone": found.zone.key}
    yield CheckStep(N_("Settings"), True, N_("Amounts in %(currency)s, days as in %(zone)s."), params=params)
    if (problem := _folder_problem(found.root)) is not None:
        yield problem
        return
    yield CheckStep(
        _FOLDER, True, N_("%(folder)s can be read and written."), params={"folder": _isolated(str(found.root))}
    )
    for kind in Kind:
        if unknown := unknown_columns(found.columns.get(kind, {}), kind):
            yield CheckStep(
                _COLUMNS,
                False,
                N_("“%(words)s” is none of our words."),
                N_("Write our word first, then the file's: for example due date: Pay until."),
                {"words": ", ".join(unknown)},
            )
    for kind in Kind:
        yield _sample(found, kind)


def _folder_problem(root: Path) -> CheckStep | None:
    params = {"folder": _isolated(str(root))}
    if not root.is_dir():
        return CheckStep(
            _FOLDER,
            False,
            N_("%(folder)s is not there, or the panel's user may not look into it."),
            N_("Make the folder, or connect the shared drive, on the machine where the panel runs."),
            params,
        )
    try:
        HotFolder(root).make()
        for name in FOLDERS:
            list((root / name).iterdir())
            with tempfile.NamedTemporaryFile(dir=root / name, prefix=".try-"):
                pass
    except OSError as error:
        return CheckStep(
            _FOLDER,
            False,
            N_("%(folder)s cannot be written: %(reason)s"),
            N_("Give the user that the panel runs as the right to read and write there."),
            params | {"reason": error.strerror or type(error).__name__},
        )
    return None


def _sample(found: Options, kind: Kind) -> CheckStep:
    name = _READING[kind]
    path = _newest(found, kind)
    if path is None:
        good = kind is not Kind.INVOICES
        return CheckStep(name, good, N_("There is none yet."), "" if good else N_("Save an export into the folder in."))
    params: dict[str, Any] = {"file": _isolated(path.name if path.parent.name == "in" else path.name[CUT:])}
    try:
        with path.open("rb") as stream:
            table, columns = read(stream.read(MAX_BYTES + 1), kind, found)
        parsed = parse(table, columns, kind, found)
    except FileError as error:
        words = {key: _joined(value, current_language()) for key, value in error.params.items()}
        return CheckStep(
            name,
            False,
            N_("%(file)s cannot be read: %(reason)s"),
            N_("Change the settings above, or the export in your software."),
            params | {"reason": translate(current_language(), error.sentence, **words)},
        )
    except OSError as error:
        return CheckStep(name, False, N_("%(file)s cannot be read: %(reason)s"), params=params | {"reason": str(error)})
    labels = {column.name: column.label for column in COLUMNS[kind]}
    params |= {
        "rows": len(parsed.things),
        "columns": ", ".join(translate(current_language(), labels[column]) for column in columns),
    }
    if parsed.errors:
        row, sentence, values = parsed.errors[0]
        params |= {
            "n": len(parsed.errors),
            "row": row.number,
            "reason": translate(current_language(), sentence, **values),
        }
        return CheckStep(
            name,
            False,
            N_("%(file)s: %(rows)s rows are readable, %(n)s are not. Row %(row)s: %(reason)s"),
            N_("Change the settings above, or the export in your software."),
            params,
        )
    return CheckStep(name, True, N_("%(file)s: %(rows)s rows. Understood: %(columns)s."), params=params)


def _newest(found: Options, kind: Kind) -> Path | None:
    """The newest file of a kind, waiting or read."""
    files: list[tuple[float, Path]] = []
    for folder, cut in (("in", 0), ("done", CUT)):
        for path in (found.root / folder).iterdir():
            named = path.name[cut:]
            if path.suffix.lower() in SUFFIXES and kind_of(named, found.file_names) is kind and path.is_file():
                files.append((path.stat().st_mtime, path))
    return max(files)[1] if files else None


def _isolated(text: str) -> str:
    """A name of any direction inside a sentence of another."""
    return f"\u2068{text}\u2069"


def _joined(value: Any, language: str) -> Any:
    return ", ".join(translate(language, str(one)) for one in value) if isinstance(value, list) else value
