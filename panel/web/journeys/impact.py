"""What publishing would mean for those inside, said before it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from panel.journeys.engine.following import key_of, pointer
from panel.journeys.engine.membership import inside as places_of
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
    after = carry_over(live, draft)
    if after["settings"].get("when_edited") == "finish_old":
        return Impact(total, pinned=total)
    shared = {key_of(step): identity for identity, step in after["steps"].items()}
    follow, steps = 0, set()
    joins: Counter[str | None] = Counter()
    tests: Counter[str] = Counter()
    for one in inside:
        own = (versions or {}).get(one.version_id, live)
        step = own["steps"].get(one.step_id or "")
        for test in {split for split, _ in places_of(own).get(one.step_id or "", ())}:
            tests[test] += one.count
        if one.step_id is None or (step is not None and key_of(step) in shared):
            follow += one.count
        else:
            steps.add(one.step_id)
            joins[_joins(own, one.step_id, shared)] += one.count
    return Impact(
        total, follow, sum(joins.values()), removed_steps=tuple(sorted(steps)), joins=dict(joins), tests=dict(tests)
    )


def _joins(own: Program, step_id: str, shared: Mapping[str, str]) -> str | None:
    """The first step on the old main way that the new version has too."""
    seen: set[str] = set()
    at: str | None = step_id
    while at is not None and at not in seen and at in own["steps"]:
        seen.add(at)
        step = own["steps"][at]
        if at != step_id and key_of(step) in shared:
            return shared[key_of(step)]
        at = pointer(step, "next")
    return None
