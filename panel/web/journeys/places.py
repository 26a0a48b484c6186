"""Where those inside stand, told by the steps of the live version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from panel.journeys.engine.following import begins_as
from panel.journeys.engine.programs import Program as Known
from panel.journeys.language import Program
from panel.journeys.language.clauses import Labels
from panel.web.journeys.impact import Called, called
from panel.web.journeys.queries import Standing

Counts = dict[str, tuple[int, int, int]]  # step: (people, held, on older versions)


def places(
    live: Program | None,
    live_id: int | None,
    inside: Sequence[Standing],
    versions: Mapping[int, Program],
    language: str,
    names: Labels,
) -> tuple[Counts, dict[Called, int]]:
    """(people by step of the live version, people by step that it does not have). A step that was given another name is
    the same."""
    counts: Counts = {}
    gone: Counter[Called] = Counter()
    new = Known(live_id or 0, "", 0, live) if live is not None else None
    for one in inside:
        program = versions.get(one.version_id)
        own = Known(one.version_id, "", 0, program) if program is not None else None
        step = own.steps.get(one.step_id or "") if own is not None else None
        here = begins_as(own, new, step) if own is not None and new is not None and step is not None else None
        if here is None:
            gone[called(program, one.step_id or "", language, names)] += one.count
            continue
        total, held, older = counts.get(here, (0, 0, 0))
        older += one.count if one.version_id != live_id else 0
        counts[here] = (total + one.count, held + one.held, older)
    return counts, dict(gone)
