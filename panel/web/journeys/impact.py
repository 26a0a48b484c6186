"""What publishing would mean for those inside, said before it happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from panel.journeys.language import Program, carry_over
from panel.web.journeys.queries import Standing


@dataclass(frozen=True)
class Impact:
    """Of `total` inside: `follow` go on in the new version after their present step, `removed` stand on steps that it
    no longer has (they finish the old branch and join where both agree), `pinned` stay because the text says so."""

    total: int = 0
    follow: int = 0
    removed: int = 0
    pinned: int = 0
    removed_steps: tuple[str, ...] = ()


def impact(live: Program | None, draft: Program | None, inside: Sequence[Standing]) -> Impact:
    """Count what happens to whom when `draft` replaces `live`."""
    total = sum(one.count for one in inside)
    if not total or live is None or draft is None:
        return Impact(total)
    after = carry_over(live, draft)
    if after["settings"].get("when_edited") == "finish_old":
        return Impact(total, pinned=total)
    gone = [one for one in inside if one.step_id is not None and one.step_id not in after["steps"]]
    removed = sum(one.count for one in gone)
    steps = tuple(sorted({one.step_id for one in gone if one.step_id}))
    return Impact(total, follow=total - removed, removed=removed, removed_steps=steps)
