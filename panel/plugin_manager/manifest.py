"""plugin.yaml: what a plugin is, read before any of its code."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from panel.errors import UserError
from panel.i18n import N_

NAME = "plugin.yaml"
MAX_BYTES = 64 * 1024
ID = re.compile(r"[a-z][a-z0-9_]{1,39}")
REQUIRED = ("id", "name", "version", "description", "author")
KEYS = (*REQUIRED, "needs_panel", "sync_every", "icon", "help", "enabled_by_default", "keeps_about_contacts")
YES, NO = frozenset({"yes", "true", "on"}), frozenset({"no", "false", "off"})


@dataclass(frozen=True)
class Manifest:
    """What a plugin says of itself. `name` and `description` are English msgids of the plugin's catalogues.

    `sync_every` is in seconds, 0 for a plugin without regular work. `keeps_about_contacts` False states that nothing
    about contacts is kept, so there is nothing to erase.
    """

    id: str
    name: str
    version: str
    description: str
    author: str
    needs_panel: str = ""
    sync_every: int = 0
    icon: str = "plug"
    help: str = ""
    enabled_by_default: bool = False
    keeps_about_contacts: bool = True


def read_manifest(folder: Path) -> Manifest:
    """Read `folder/plugin.yaml`. Raises UserError naming the first thing that is wrong with it."""
    path = folder / NAME
    try:
        raw = path.read_bytes()[: MAX_BYTES + 1]
        if len(raw) > MAX_BYTES:
            raise ValueError("too big")
        # BaseLoader: every scalar stays text, so a version 1.10 is not the number 1.1 and "no" is not False.
        values = yaml.load(raw.decode("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - builds text, lists and maps only
    except FileNotFoundError:
        raise UserError(
            "plugin_without_manifest",
            N_("The folder %(folder)s has no plugin.yaml, so it is not a plugin."),
            folder=folder.name,
        ) from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(
            "plugin_manifest_unreadable",
            N_("plugin.yaml of %(folder)s cannot be read: %(detail)s"),
            folder=folder.name,
            detail=_one_line(error),
        ) from None
    if not isinstance(values, dict):
        raise UserError(
            "plugin_manifest_unreadable",
            N_("plugin.yaml of %(folder)s cannot be read: %(detail)s"),
            folder=folder.name,
            detail="it is not a table of keys and values",
        )
    return _checked(folder, values)


def _checked(folder: Path, values: dict[object, object]) -> Manifest:
    where = folder.name
    for key, value in values.items():
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1)
            raise UserError(
                "plugin_manifest_key",
                N_('plugin.yaml of %(folder)s: "%(key)s" is not known. Did you mean "%(nearest)s"?')
                if near
                else N_('plugin.yaml of %(folder)s: "%(key)s" is not known.'),
                folder=where,
                key=str(key),
                **({"nearest": near[0]} if near else {}),
            )
        if not isinstance(value, str):
            raise _wrong(where, str(key), "text")
    text = {str(key): str(value).strip() for key, value in values.items()}
    for key in REQUIRED:
        if not text.get(key):
            raise UserError(
                "plugin_manifest_missing",
                N_('plugin.yaml of %(folder)s lacks "%(key)s".'),
                folder=where,
                key=key,
            )
    if not ID.fullmatch(text["id"]):
        raise UserError(
            "plugin_id",
            N_('"%(id)s" cannot be the id of a plugin: small letters, digits and _ only, beginning with a letter.'),
            id=text["id"],
        )
    every = text.get("sync_every", "0")
    if not every.isascii() or not every.isdigit():
        raise _wrong(where, "sync_every", "a number of seconds")
    return Manifest(
        id=text["id"],
        name=text["name"],
        version=text["version"],
        description=text["description"],
        author=text["author"],
        needs_panel=text.get("needs_panel", ""),
        sync_every=int(every),
        icon=text.get("icon", "plug"),
        help=text.get("help", ""),
        enabled_by_default=_yes_no(where, "enabled_by_default", text.get("enabled_by_default", "no")),
        keeps_about_contacts=_yes_no(where, "keeps_about_contacts", text.get("keeps_about_contacts", "yes")),
    )


def _yes_no(folder: str, key: str, value: str) -> bool:
    if value.lower() in YES:
        return True
    if value.lower() in NO:
        return False
    raise _wrong(folder, key, "yes / no")


def _wrong(folder: str, key: str, expected: str) -> UserError:
    return UserError(
        "plugin_manifest_value",
        N_('plugin.yaml of %(folder)s: "%(key)s" must be %(expected)s.'),
        folder=folder,
        key=key,
        expected=expected,
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def panel_version() -> str:
    try:
        return version("nava-panel")
    except PackageNotFoundError:
        return "0"


def fits(needs: str, have: str) -> bool:
    """Tell whether version `have` satisfies `needs`: "0.1" (or later), ">=0.1, <2". An empty need is always met.

    Raises ValueError for anything that is not such a list.
    """
    for part in filter(None, (p.strip() for p in needs.split(","))):
        match = re.fullmatch(r"(>=|<=|==|>|<)?\s*(\d+(?:\.\d+)*)", part)
        if match is None:
            raise ValueError(part)
        left, right = _numbers(have), _numbers(match[2])
        width = max(len(left), len(right))
        left += (0,) * (width - len(left))
        right += (0,) * (width - len(right))
        holds = {
            ">=": left >= right,
            "<=": left <= right,
            "==": left == right,
            ">": left > right,
            "<": left < right,
        }[match[1] or ">="]
        if not holds:
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else (0,)
