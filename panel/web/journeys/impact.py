"""What publishing would mean for those inside, said before it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from panel.journeys.engine.following import begins_as, following
from panel.journeys.engine.programs import Program as Known
from panel.journeys.language import Program, carry_over
from panel.web.journeys.queries import Standing


@dataclass(frozen=True)
class Impact:
    """Of `total` inside: `follow` go on in the new version after their present step, `removed` stand on steps that it
    no longer has (they finish the old branch and join where both agree), `pinned` stay because the text says so.

    `joins` counts the removed by the step where they join again (None: they finish the old way to its end); `tests`
    counts those inside a test, who keep the variant they were given, by the test.
    """

    total: int = 0
    follow: int = 0
    removed: int = 0
    pinned: int = 0
    removed_steps: tuple[str, ...] = ()
    joins: Mapping[str | None, int] = field(default_factory=dict)
    tests: Mapping[str, int] = field(default_factory=dict)


def impact(
    live: Program | None,
    draft: Program | None,
    inside: Sequence[Standing],
    versions: Mapping[int, Program] | None = None,
) -> Impact:
    """Count what happens to whom when `draft` replaces `live`. `versions` are the programs of those who are not on the
    live version yet."""
    total = sum(one.count for one in inside)
    if not total or live is None or draft is None:
        return Impact(total)
    new = Known(-1, "", 0, carry_over(live, draft))
    if not new.moves_people:
        return Impact(total, pinned=total)
    known = {id_: Known(id_, "", 0, program) for id_, program in (versions or {}).items()}
    now_live = Known(0, "", 0, live)
    follow, steps = 0, set()
    joins: Counter[str | None] = Counter()
    tests: Counter[str] = Counter()
    for one in inside:
        own = known.get(one.version_id, now_live)
        step = own.steps.get(one.step_id or "")
        for test in {split for split, _ in own.places.get(one.step_id or "", ())}:
            tests[test] += one.count
        if one.step_id is None or (step is not None and begins_as(own, new, step) is not None):
            follow += one.count
        else:
            steps.add(one.step_id)
            joins[_joins(own, new, one.step_id)] += one.count
    return Impact(
        total, follow, sum(joins.values()), removed_steps=tuple(sorted(steps)), joins=dict(joins), tests=dict(tests)
    )


def _joins(own: Known, new: Known, step_id: str) -> str | None:
    """Where those at a step that is gone come into the new version, on the main way: what the engine does, foretold."""
    seen: set[str] = set()
    at: str | None = step_id
    while at is not None and at not in seen and at in own.steps:
        seen.add(at)
        at, moved = following(own, new, own.steps[at], "next")
        if moved:
            return at
    return None
