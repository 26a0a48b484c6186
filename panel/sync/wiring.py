"""Joins the plugins to everything they may touch; called once by whoever makes an application."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from panel.plugin_manager import manager, sources
from panel.plugin_manager.manager import PluginManager
from panel.plugin_manager.secrets import Secrets
from panel.staff import rules
from panel.sync.context import PanelContext
from panel.timeline.registry import types


def install_plugins(
    *, instance: Path, secret: str, public_url: Callable[[], str], product: Path | None = None
) -> PluginManager:
    """Find and open the plugins of the application we are in (its context must be pushed).

    `secret` is the instance's own; `product` replaces the folder of the plugins that came with the product.
    """
    plugins = PluginManager(
        partial(sources.discover, instance, product=product),
        Secrets(secret),
        lambda one, plugin_id: PanelContext(one, plugin_id, instance, public_url),
        learn=types.learn,
        rights=rules.ACTIONS,
    )
    manager.install(plugins)
    return plugins
