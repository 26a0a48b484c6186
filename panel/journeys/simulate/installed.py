"""The settings of the installation in whose name a simulation runs."""

from __future__ import annotations

from flask import current_app

from panel.config import Config


def settings() -> Config:
    """Needs an application context."""
    config: Config = current_app.config["PANEL"]
    return config
