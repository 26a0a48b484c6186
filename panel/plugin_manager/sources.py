"""Where plugins come from: the product's own folder, the instance's folder, installed packages. Nothing is imported."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Literal

from panel.plugin_manager.manifest import NAME

GROUP = "panel.plugins"
Source = Literal["product", "instance", "package"]


@dataclass(frozen=True)
class Found:
    """A plugin that was found and not yet opened. `module` is the name under which it will be imported.

    `folder` None means that an installed package names a plugin whose files cannot be located.
    """

    id: str
    source: Source
    folder: Path | None
    module: str


def product_folder() -> Path:
    spec = importlib.util.find_spec("plugins")
    if spec is None:
        raise RuntimeError("the package 'plugins' is not installed beside 'panel'")
    if not spec.submodule_search_locations:
        raise RuntimeError(f"{spec.origin} hides the package 'plugins'; give that file another name")
    return Path(next(iter(spec.submodule_search_locations)))


def discover(instance: Path, *, product: Path | None = None) -> Iterator[Found]:
    """Yield every plugin in reach, the product's own first: on equal ids the first one counts."""
    yield from _in_folder(product or product_folder(), "product")
    yield from _in_folder(instance / "plugins", "instance")
    for entry in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        yield Found(entry.name, "package", _entry_folder(entry), entry.module)


def _in_folder(parent: Path, source: Source) -> Iterator[Found]:
    if not parent.is_dir():
        return
    for folder in sorted(parent.iterdir()):
        if folder.is_dir() and not folder.name.startswith(("_", ".")):
            yield Found(folder.name, source, folder, f"plugins.{folder.name}")


def _entry_folder(entry: EntryPoint) -> Path | None:
    """The folder of an installed plugin's package, found without running it."""
    parts = entry.module.split(".")
    if entry.dist is not None:
        located = Path(str(entry.dist.locate_file("/".join(parts))))
        if (located / NAME).exists():
            return located
    # An editable install keeps its files elsewhere; a top-level name can be located without importing anything.
    if (spec := importlib.util.find_spec(parts[0])) and spec.submodule_search_locations:
        for place in spec.submodule_search_locations:
            folder = Path(place).joinpath(*parts[1:])
            if (folder / NAME).exists():
                return folder
    return None
