"""The accessibility checker, run inside a page. It comes with the browser code's packages, as a tool for tests only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "panel" / "web" / "assets" / "node_modules" / "axe-core" / "axe.min.js"
_RUN = """async () => (await axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    resultTypes: ['violations'], selectors: false,
})).violations"""
_REST = """() => Promise.all(document.getAnimations()
    .filter(a => a.effect.getTiming().iterations !== Infinity).map(a => a.finished.catch(() => 0)))"""


def put_in(page: Page) -> None:
    """Have the checker in this page; it is half a megabyte, and stays until the page is left."""
    if page.evaluate("typeof axe !== 'undefined'"):
        return
    if not AXE.exists():
        pytest.fail("axe-core is not installed: run `make assets` (or: python hatch_build.py --force)", pytrace=False)
    page.evaluate(AXE.read_text(encoding="utf-8"))


def serious(page: Page) -> list[str]:
    """What axe calls serious or critical on this page, one line per rule with its first elements."""
    put_in(page)
    # Colours are judged at rest: a page that still fades in would be measured half transparent.
    page.evaluate(_REST)
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    return [
        f"{v['id']} ({v['impact']}, {len(v['nodes'])}): " + " | ".join(n["html"][:160] for n in v["nodes"][:3])
        for v in found
        if v["impact"] in {"serious", "critical"}
    ]
