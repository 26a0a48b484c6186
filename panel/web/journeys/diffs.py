"""Two texts side by side in one column: what was taken away, what was added, a little of what is around it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

CONTEXT = 3


@dataclass(frozen=True)
class DiffLine:
    """`kind`: same | gone | new | gap (lines left out). Numbers are those of the old and the new text."""

    kind: Literal["same", "gone", "new", "gap"]
    text: str = ""
    old: int | None = None
    new: int | None = None


def diff(before: str, after: str) -> list[DiffLine]:
    """The difference line by line; [] when there is none."""
    old, new = before.splitlines(), after.splitlines()
    if old == new:
        return []
    found: list[DiffLine] = []
    last_old = 0
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT):
        if group[0][1] > last_old:
            found.append(DiffLine("gap"))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                found += [DiffLine("same", old[i1 + k], i1 + k + 1, j1 + k + 1) for k in range(i2 - i1)]
                continue
            found += [DiffLine("gone", old[i], i + 1, None) for i in range(i1, i2)]
            found += [DiffLine("new", new[j], None, j + 1) for j in range(j1, j2)]
        last_old = group[-1][2]
    if last_old < len(old):
        found.append(DiffLine("gap"))
    return found
