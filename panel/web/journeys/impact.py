"""What publishing would mean for those inside, said before it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from panel.journeys.engine.following import arrivals, begins_as
from panel.journeys.engine.programs import Program as Known
from panel.journeys.language import Program
from panel.journeys.language.clauses import Labels
from panel.journeys.language.sentences import step_words
from panel.web.journeys.queries import Standing


@dataclass(frozen=True)
class Called:
    """A step as the page says it: in words, with its identity beside them."""

    id: str
    words: str


@dataclass(frozen=True)
class Impact:
    """Of `total` inside: `follow` go on in the new version after their present step, `removed` stand on steps that it
    no longer has (they finish the old branch and join where both agree), `pinned` stay because the text says so.

    `removed_steps` counts the removed by the version and step they stand on; `joins` by the steps where they may join
    again, by what happens to them until then (None: they may finish the old way to its end). `tests` counts those
    inside a test, who keep the variant they were given, by the test.
    """

    total: int = 0
    follow: int = 0
    removed: int = 0
    pinned: int = 0
    removed_steps: Mapping[tuple[int, str], int] = field(default_factory=dict)
    joins: Mapping[tuple[str | None, ...], int] = field(default_factory=dict)
    tests: Mapping[str, int] = field(default_factory=dict)


def impact(
    live: Program | None,
    draft: Program | None,
    inside: Sequence[Standing],
    versions: Mapping[int, Program] | None = None,
    version_id: int | None = None,
) -> Impact:
    """Count what happens to whom when `draft` replaces `live`, by the engine's own rules.

    `draft` is the program as it would go live (`operations.to_go_live`), `version_id` its version when it ran before.
    `versions` are the programs of those who are not on the live version yet.
    """
    total = sum(one.count for one in inside)
    if not total or live is None or draft is None:
        return Impact(total)
    new = Known(-1 if version_id is None else version_id, "", 0, draft)
    if not new.moves_people:
        return Impact(total, pinned=total)
    known = {id_: Known(id_, "", 0, program) for id_, program in (versions or {}).items()}
    now_live = Known(0, "", 0, live)
    follow = 0
    steps: Counter[tuple[int, str]] = Counter()
    joins: Counter[tuple[str | None, ...]] = Counter()
    tests: Counter[str] = Counter()
    for one in inside:
        own = known.get(one.version_id, now_live)
        step = own.steps.get(one.step_id or "")
        for test in {split for split, _ in own.places.get(one.step_id or "", ())}:
            tests[test] += one.count
        if one.step_id is None or (step is not None and begins_as(own, new, step) is not None):
            follow += one.count
        else:
            steps[one.version_id, one.step_id] += one.count
            joins[_in_order(new, arrivals(own, new, one.step_id))] += one.count
    return Impact(total, follow, sum(joins.values()), removed_steps=dict(steps), joins=dict(joins), tests=dict(tests))


def _in_order(new: Known, steps: Collection[str | None]) -> tuple[str | None, ...]:
    """Steps as they stand in the text; the end of the old way last."""
    named = [one for one in steps if one is not None]
    order = {one: (new.steps[one]["line"], len(new.steps[one]["path"]), new.steps[one]["path"]) for one in named}
    named.sort(key=order.__getitem__)
    return (*named, None) if None in steps else (*named,)


def called(program: Program | None, step_id: str, language: str, names: Labels) -> Called:
    """A step in the words that the page of the journey has for it; "" when the program does not have it."""
    step = (program or {}).get("steps", {}).get(step_id)
    return Called(step_id, step_words(step, language, names, program).rstrip(":") if step else "")


def removed_in_words(
    found: Impact, live: Program, versions: Mapping[int, Program], language: str, names: Labels
) -> dict[Called, int]:
    """How many stand on each step that is gone, as their own version says it."""
    counted: Counter[Called] = Counter()
    for (version_id, step_id), count in found.removed_steps.items():
        counted[called(versions.get(version_id, live), step_id, language, names)] += count
    return dict(counted)


def joins_in_words(
    found: Impact, draft: Program, language: str, names: Labels
) -> list[tuple[int, list[Called | None]]]:
    """How many join at which of these steps; None for those that may finish the old way to its end."""
    return [
        (count, [called(draft, one, language, names) if one is not None else None for one in steps])
        for steps, count in found.joins.items()
    ]
