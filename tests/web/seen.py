"""What a person would see on a page: waiting for it, measuring it, and what axe says about it."""

from __future__ import annotations

import json
import time

import pytest

from tests.web.axe import put_in

# Reads the horizontal order of the letters of one element, as a person sees them.
LETTERS = """(element) => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), letters = [];
  for (let node; (node = walker.nextNode());) for (let i = 0; i < node.length; i++) {
    if (/\\s/.test(node.data[i])) continue;
    const range = document.createRange();
    range.setStart(node, i); range.setEnd(node, i + 1);
    letters.push([range.getBoundingClientRect().left, node.data[i]]);
  }
  return letters.sort((a, b) => a[0] - b[0]).map((pair) => pair[1]).join("");
}"""


def until(page, script: str, seconds: float = 15) -> None:
    """Wait until an expression is true. Not `wait_for_function`: that one needs eval, which our policy forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script):
        if time.monotonic() > deadline:
            pytest.fail(f"never true: {script}", pytrace=False)
        page.wait_for_timeout(30)


def serious(page) -> list[str]:
    """What axe finds serious or critical, as lines."""
    put_in(page)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['impact']} {one['id']}: {json.dumps([node['target'] for node in one['nodes']][:3])}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def fits(page) -> bool:
    """Nothing sticks out sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth + 1"))
