"""The steps of one version as a tree, each with what one run did there: taken, passed over, stands here, may come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from panel.i18n import N_, translate
from panel.journeys.language import clauses, phrases
from panel.journeys.language.clauses import Labels, plain_names
from panel.journeys.language.program import Program, branch_targets
from panel.journeys.language.sentences import step_words

Step = Mapping[str, Any]
# done: taken. passed: come to, and passed over. here: the run stands here. ahead: may come. away: will not come.
State = Literal["done", "passed", "here", "ahead", "away"]

_PASSED_OVER = ("passed_condition", "passed_disabled", "already_done", "skipped_by_person")
_BRANCHES: dict[str, tuple[tuple[str, str], ...]] = {
    "if": (("then", N_("If so")), ("else", N_("Otherwise"))),
    "wait_for": (("then", N_("It happened")), ("on_timeout", N_("Not in time"))),
    "reach": (("reached", N_("Reached")), ("otherwise", N_("Not reached"))),
}


@dataclass(frozen=True)
class Visit:
    """One visit of one step, known by the step's key: what came of it and when it ended (UTC)."""

    key: str
    outcome: str
    ended_at: datetime
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Branch:
    """One way out of a step. `taken` is None while the run has not decided here; `goes_on` whether what follows the
    step comes after this branch too (a stop or a jump back does not go on)."""

    words: str
    nodes: tuple[Node, ...]
    taken: bool | None = None
    goes_on: bool = True


@dataclass(frozen=True)
class Node:
    id: str
    number: int
    verb: str
    words: str
    state: State
    visits: tuple[Visit, ...] = ()
    branches: tuple[Branch, ...] = ()


def tree(
    program: Program,
    language: str,
    *,
    visits: Sequence[Visit] = (),
    here: str | None = None,
    names: Labels = plain_names,
) -> tuple[Node, ...]:
    """The steps of a version in the order of its text. `here` is the step the run stands at; None: the run is over."""
    return _Planter(program, language, visits, here, names).grow()


def walk(nodes: Sequence[Node]) -> Iterator[Node]:
    """Every step of the tree, in the order of the text."""
    for node in nodes:
        yield node
        for branch in node.branches:
            yield from walk(branch.nodes)


def between(program: Program, last: str | None, here: str | None) -> tuple[str | None, str | None, bool]:
    """Before, after: the steps around the one a run stands at, for a short picture. The last value says whether what
    comes after is open, because the step has several ways out."""
    step = program.get("steps", {}).get(here or "")
    if step is None:
        return last, None, False
    ways = {one or step.get("next") for one in branch_targets(step)}
    if step["verb"] in _BRANCHES or step["verb"] in ("choose", "split"):
        return last, None, len(ways) > 1
    return last, step.get("next"), False


def way_words(program: Program, visit: Visit, step_id: str, language: str, names: Labels = plain_names) -> str:
    """The way out that a visit took, as the picture calls it; "" for a step without ways out."""
    step = program["steps"].get(step_id)
    way = _way(step, visit) if step is not None else None
    if step is None or way is None:
        return ""
    planter = _Planter(program, language, (), None, names)
    return dict(planter.ways(step)).get(way, "")


class _Planter:
    def __init__(
        self, program: Program, language: str, visits: Sequence[Visit], here: str | None, names: Labels
    ) -> None:
        self.program, self.language, self.names, self.here = program, language, names, here
        self.steps: dict[str, Step] = program["steps"]
        self.visits: dict[str, list[Visit]] = defaultdict(list)
        for visit in visits:
            self.visits[visit.key].append(visit)
        order = sorted(self.steps.values(), key=lambda one: (one["line"], len(one["path"]), one["path"]))
        self.numbers = {one["id"]: number for number, one in enumerate(order, 1)}
        self.inside: dict[str, list[Step]] = defaultdict(list)
        for one in order:
            self.inside[one["path"].rpartition("/")[0]].append(one)
        self.ahead = self._reachable() if here else frozenset()

    def grow(self) -> tuple[Node, ...]:
        return tuple(self._node(one) for one in self.inside["steps"])

    def _reachable(self) -> frozenset[str]:
        """What may still come: everything the pointers lead to from where the run stands."""
        found: set[str] = set()
        todo = [self.here]
        while todo:
            step = self.steps.get(todo.pop() or "")
            if step is None:
                continue
            following = [step.get("next"), *branch_targets(dict(step))]
            todo += [one for one in following if one and one not in found]
            found |= {one for one in following if one}
        return frozenset(found)

    def _node(self, step: Step) -> Node:
        mine = self.visits.get(str(step.get("key") or step["id"]), [])
        return Node(
            id=step["id"],
            number=self.numbers[step["id"]],
            verb=step["verb"],
            words=step_words(dict(step), self.language, self.names, self.program).rstrip(":"),
            state=self._state(step, mine),
            visits=tuple(mine),
            branches=tuple(self._branches(step, mine[-1] if mine else None)),
        )

    def _state(self, step: Step, visits: Sequence[Visit]) -> State:
        if step["id"] == self.here:
            return "here"
        if visits:
            return "passed" if visits[-1].outcome in _PASSED_OVER else "done"
        return "ahead" if step["id"] in self.ahead else "away"

    def _branches(self, step: Step, last: Visit | None) -> Iterator[Branch]:
        decided = last is not None and step["id"] != self.here and last.outcome not in _PASSED_OVER
        way = _way(step, last) if decided and last is not None else None
        for key, words in self.ways(step):
            nodes = tuple(self._node(one) for one in self._steps_of(step, key))
            taken = way == key if way is not None else (False if decided else None)
            yield Branch(words, nodes, taken, not nodes or nodes[-1].verb not in ("stop", "go_to"))

    def _steps_of(self, step: Step, key: str) -> list[Step]:
        kind, _, number = key.partition(":")
        path = step["path"]
        places = {
            "option": (f"{path}/choose/{number}/do",),
            "variant": (f"{path}/split/variants/{number}/steps",),
        }.get(kind, (f"{path}/{key}", f"{path}/{step['verb']}/{key}"))
        return next((self.inside[one] for one in places if one in self.inside), [])

    def ways(self, step: Step) -> list[tuple[str, str]]:
        """(key, words) of the ways out of a step, in the order of the text; none for a step without branches."""

        def say(sentence: str, **params: Any) -> str:
            return translate(self.language, sentence, **params)

        if step["verb"] == "choose":
            found = []
            for number, option in enumerate(step["options"], 1):
                words = option.get("name") or clauses.condition(option["when"], self.language, self.names)
                found.append((f"option:{number}", words))
            return [*found, ("otherwise", say(N_("Otherwise")))]
        if step["verb"] == "split":
            found = []
            for number, variant in enumerate(step["variants"], 1):
                share = phrases.percent(variant["share"], self.language)
                words = say(N_("%(name)s, %(share)s"), name=phrases.quoted(variant["name"], self.language), share=share)
                found.append((f"variant:{number}", words))
            if step["hold_out"]:
                share = phrases.percent(step["hold_out"], self.language)
                found.append(("held_out", say(N_("Gets nothing, %(share)s"), share=share)))
            return found
        ways = _BRANCHES.get(step["verb"], ())
        if not any(self._steps_of(step, key) for key, _ in ways):
            return []
        return [(key, say(words)) for key, words in ways]


def _way(step: Step, visit: Visit) -> str | None:
    """Which way out a visit took, as the keys of `ways` call it."""
    verb, detail = step["verb"], visit.detail or {}
    if verb == "if":
        return "then" if (detail.get("condition") or {}).get("result") else "else"
    if verb == "wait_for":
        return "then" if visit.outcome == "event_came" else "on_timeout"
    if verb == "reach":
        return "reached" if visit.outcome == "event_came" else "otherwise"
    if verb == "choose":
        taken = detail.get("branch")
        names = [option.get("name") for option in step["options"]]
        if taken is None:
            return "otherwise"
        return f"option:{(names.index(taken) if taken in names else int(taken)) + 1}"
    if verb == "split":
        names = [variant["name"] for variant in step["variants"]]
        if visit.outcome == "held_out" or detail.get("variant") not in names:
            return "held_out"
        return f"variant:{names.index(detail['variant']) + 1}"
    return None
