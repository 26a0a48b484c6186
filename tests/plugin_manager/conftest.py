"""Plugins written into a folder, and a manager over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from flask import Flask

from panel.plugin_manager import sources
from panel.plugin_manager.manager import PluginManager, install
from panel.plugin_manager.secrets import Secrets
from panel.staff import rules

HEAD = "from panel.hookspecs import hookimpl\n"
GOOD = """
from panel.sdk.events import EventType

@hookimpl
def register_event_types():
    return [EventType("{id}.seen", "Seen", "Seen")]
"""

WritePlugin = Callable[..., Path]


@pytest.fixture
def write_plugin(tmp_path: Path) -> WritePlugin:
    """Write a plugin into the product's folder of this test (or elsewhere by `parent`); good unless told otherwise."""

    def write(plugin_id: str, code: str = GOOD, *, parent: Path | None = None, **manifest: str | None) -> Path:
        folder = (parent or tmp_path / "product") / plugin_id
        folder.mkdir(parents=True)
        values: dict[str, str | None] = {
            "id": plugin_id,
            "name": plugin_id.title(),
            "version": "1.10",
            "description": "For a test.",
            "author": "Test",
            "enabled_by_default": "yes",
        }
        values |= manifest
        lines = [f"{key}: {value}" for key, value in values.items() if value is not None]
        (folder / "plugin.yaml").write_text("\n".join(lines), encoding="utf-8")
        (folder / "__init__.py").write_text(HEAD + dedent(code).replace("{id}", plugin_id), encoding="utf-8")
        return folder

    return write


class Context:
    """As much of a plugin's context as the manager itself needs."""

    def __init__(self, manager: PluginManager, plugin_id: str) -> None:
        self.plugin_id = plugin_id
        self.manager = manager

    def settings(self) -> Any:
        return self.manager.settings(self.plugin_id)


@pytest.fixture
def make_manager(app: Flask, tmp_path: Path) -> Callable[[], PluginManager]:
    """Open the plugins of this test's folders, as a process that has just started does."""

    def make() -> PluginManager:
        product = tmp_path / "product"
        product.mkdir(exist_ok=True)
        manager = PluginManager(
            lambda: sources.discover(tmp_path / "instance", product=product),
            Secrets("the instance's secret"),
            Context,  # type: ignore[arg-type]
            rights=rules.ACTIONS,
        )
        install(manager)
        return manager

    return make
