"""Imports every table, so that the metadata is complete. The tables themselves live with their features."""

from __future__ import annotations

from importlib import import_module

FEATURES = (
    "installation",
    "issues",
    "plugin_manager",
    "staff",
    "timeline",
    "contacts",
    "consent",
    "tasks",
    "messages",
    "tracking",
    "engagement",
    "imports",
    "experiments",
    "journeys",
    "journeys.simulate",
    "segments",
)


def load_models() -> None:
    for feature in FEATURES:
        import_module(f"panel.{feature}.models")
