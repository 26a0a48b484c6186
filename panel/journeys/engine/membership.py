"""Which variants of which tests a step stands in. Pure.

Contacts inside a test keep their variant: when a new version is live they go on in it only where their step stands in
the variants they were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Place = tuple[str, str]  # (what the split is known by in every version, name of the variant)
Program = Mapping[str, Any]


def inside(resolved: Program) -> dict[str, frozenset[Place]]:
    """The places of each step that stands inside a variant, by step identity (the resolved paths say it)."""
    splits = [step for step in resolved["steps"].values() if step["verb"] == "split"]
    found: dict[str, frozenset[Place]] = {}
    for identity, step in resolved["steps"].items():
        places = set()
        for split in splits:
            prefix = f"{split['path']}/split/variants/"
            if step["path"].startswith(prefix):
                number = int(step["path"][len(prefix) :].split("/", 1)[0])
                places.add((str(split.get("key") or split["id"]), split["variants"][number - 1]["name"]))
        if places:
            found[identity] = frozenset(places)
    return found
