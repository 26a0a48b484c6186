from __future__ import annotations

from panel.sdk.web import PluginPage


def books_page(ctx):
    return PluginPage("books", "x", lambda r: "")
