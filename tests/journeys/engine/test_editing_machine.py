"""Journeys are edited at random while contacts are inside: nobody is stranded, no step is repeated, no message comes
twice, and the trace has no gaps. EDITING_EXAMPLES=1000 looks longer."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from panel.contacts.memberships import add_tag
from panel.db import Base, connection_of
from panel.errors import UserError
from panel.journeys import operations
from panel.journeys.by_hand import retry, settle, start_by_hand
from panel.journeys.engine.programs import forget
from panel.journeys.models import Journey, StepRun
from panel.sdk.channels import Sent, Unknown
from tests.journeys.engine.conftest import SUNDAY
from tests.journeys.engine.world import World

TEMPLATES = 80
IN_THE_AIR = ("queued", "claimed", "on_wire", "unknown")
LEFT = ("sent", "delivered", "unknown")
KEPT = ("alembic_version", "contacts", "templates", "template_versions", "template_forms", "settings", "tags", "fields")
PASSED = ("already_done", "passed_condition", "passed_disabled")

HEAD = """series:
  name: Series
  purpose: service
  start_when: [{manual: yes}]
  re_enter: always
  stop_when: [{event: order_cancelled}]
  review_after: 1 year
  leave_after: 60 days
  too_late_after: 30 days
  when_edited: %s
  steps:
"""

EDITS = (
    *("insert", "delete", "swap", "swap", "move", "move", "give_it_another_name", "wait_another_length"),
    *("delete_a_branch", "begin_all_anew", "go_back"),
)

LIFE = (
    *("time_passes", "time_passes", "time_passes", "somebody_enters", "something_happens", "somebody_is_tagged"),
    *("the_state_changes", "the_line_is_cut", "the_line_is_mended"),
)

Step = dict[str, Any]


class Draft:
    """The journey as its author sees it: a tree of steps, each with a `uid` that survives moving and renaming."""

    def __init__(self) -> None:
        self.uids = itertools.count(1)
        self.texts = itertools.count(1)
        self.when_edited = "follow"
        self.steps: list[Step] = [self.new("send"), self.new("wait"), self.new("send")]

    def new(self, kind: str) -> Step:
        step: Step = {"uid": next(self.uids), "kind": kind, "id": None, "hours": 20, "branches": []}
        if kind == "send":
            step["text"] = next(self.texts)
        if kind in ("wait_for", "if"):
            step["branches"] = [[self.new("note")], [self.new("send")] if kind == "if" else []]
        if kind == "choose":
            step["branches"] = [[self.new("send")], [self.new("note")], []]
        return step

    def blocks(self, steps: list[Step] | None = None) -> list[list[Step]]:
        steps = self.steps if steps is None else steps
        return [steps, *(b for step in steps for branch in step["branches"] for b in self.blocks(branch))]

    def all(self) -> list[Step]:
        return [step for block in self.blocks() for step in block]

    def text(self) -> str:
        return HEAD % self.when_edited + "\n".join(self._lines(self.steps, 4)) + "\n"

    def _lines(self, steps: list[Step], indent: int) -> list[str]:
        lines = []
        for step in steps:
            mine = self._step(step)
            lines += [" " * indent + ("- " if not n else "  ") + line for n, line in enumerate(mine)]
        return lines

    def _step(self, step: Step) -> list[str]:
        kind, branches = step["kind"], step["branches"]
        lines: list[str] = []
        if kind == "send":
            lines = [f"send: t{step['text']}"]
        elif kind == "wait":
            lines = [f"wait: {step['hours']} hours"]
        elif kind == "note":
            lines = [f"note: number {step['uid']}"]
        elif kind == "go_to":
            lines = [f"go_to: {step['target']}", "max_times: 2"]
        elif kind == "wait_for":
            lines = ["wait_for: {event: order_paid}", f"up_to: {step['hours']} hours"]
            lines += self._branch("then", branches[0]) + self._branch("on_timeout", branches[1])
        elif kind == "if":
            lines = ["if: {has_tag: vip}"]
            lines += self._branch("then", branches[0]) + self._branch("else", branches[1])
        elif kind == "choose":
            lines = ["choose:"]
            for name, branch in (("vip", branches[0]), ("late", branches[1])):
                if branch:
                    lines += [f"  - when: {{has_tag: {name}}}", *("    " + one for one in self._branch("do", branch))]
            lines += self._branch("otherwise", branches[2])
        if step["id"]:
            lines.append(f"id: {step['id']}")
        return lines

    def _branch(self, key: str, steps: list[Step]) -> list[str]:
        return [f"{key}:", *self._lines(steps, 2)] if steps else []


class Editing(RuleBasedStateMachine):
    world: World  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.sent_at_start = 0
        self.jumps = False

    @initialize()
    def begin(self) -> None:
        world = self.world
        world.now = SUNDAY
        world.channels["email"].sent.clear()
        world.channels["email"].answer = lambda outgoing: Sent(None)
        world.do(empty)
        forget()
        self.draft = Draft()
        self.names = itertools.count(1)
        self.contacts = [row for row in range(1, 4)]
        self.publish()
        for which in range(3):
            self.enter(which)
        self.world.work()

    # Editing

    def publish(self) -> None:
        try:
            self.world.do(operations.publish, "series", text=self.draft.text(), now=self.world.now)
        except UserError as error:
            raise AssertionError(f"{error} {getattr(error, 'problems', '')}\n{self.draft.text()}") from error

    def insert(self, data: Any) -> None:
        kind = data.draw(st.sampled_from(["send", "wait", "note", "wait_for", "if", "choose"]))
        block = data.draw(st.sampled_from(self.draft.blocks()))
        block.insert(data.draw(st.integers(0, len(block))), self.draft.new(kind))

    def delete(self, data: Any) -> None:
        block = data.draw(st.sampled_from(self.draft.blocks()))
        if len(block) > 1 or (block and block is not self.draft.steps and not self._only_branch(block)):
            del block[data.draw(st.integers(0, len(block) - 1))]
            self._mend_targets()

    def move(self, data: Any) -> None:
        blocks = [block for block in self.draft.blocks() if len(block) > 1]
        if blocks:
            block = data.draw(st.sampled_from(blocks))
            step = block.pop(data.draw(st.integers(0, len(block) - 1)))
            other = data.draw(st.sampled_from(self.draft.blocks()))
            other.insert(data.draw(st.integers(0, len(other))), step)

    def swap(self, data: Any) -> None:
        blocks = [block for block in self.draft.blocks() if len(block) > 1]
        if blocks:
            block = data.draw(st.sampled_from(blocks))
            first = data.draw(st.integers(0, len(block) - 2))
            block[first], block[first + 1] = block[first + 1], block[first]

    def give_it_another_name(self, data: Any) -> None:
        step = data.draw(st.sampled_from(self.draft.all()))
        if step["kind"] != "go_to":
            before, step["id"] = step["id"], f"step_{next(self.names)}"
            for other in self.draft.all():
                if before and other.get("target") == before:
                    other["target"] = step["id"]

    def wait_another_length(self, data: Any) -> None:
        waits = [step for step in self.draft.all() if step["kind"] in ("wait", "wait_for")]
        if waits:
            data.draw(st.sampled_from(waits))["hours"] = data.draw(st.integers(1, 60))

    def delete_a_branch(self, data: Any) -> None:
        steps = [step for step in self.draft.all() if sum(map(bool, step["branches"])) > 1]
        if steps:
            step = data.draw(st.sampled_from(steps))
            full = [n for n, branch in enumerate(step["branches"]) if branch]
            if step["kind"] == "choose" and full[0] < 2 and len([n for n in full if n < 2]) == 1:
                full = [n for n in full if n == 2]
            if full:
                step["branches"][data.draw(st.sampled_from(full))].clear()
                self._mend_targets()

    def begin_all_anew(self, data: Any) -> None:
        self.draft.steps = [self.draft.new("note"), self.draft.new("wait"), self.draft.new("note")]

    def go_back(self, data: Any) -> None:
        """One `go_to` per life, at the end, to some step of the main line."""
        if self.jumps:
            return
        target = data.draw(st.sampled_from(self.draft.steps))
        target["id"] = target["id"] or f"step_{next(self.names)}"
        step = self.draft.new("go_to") | {"target": target["id"]}
        self.draft.steps += [self.draft.new("wait"), step]
        self.jumps = True

    def _only_branch(self, block: list[Step]) -> bool:
        for step in self.draft.all():
            if any(branch is block for branch in step["branches"]):
                others = [
                    b for b in step["branches"][: 2 if step["kind"] == "choose" else None] if b and b is not block
                ]
                return not others
        return True

    def _mend_targets(self) -> None:
        ids = {step["id"] for step in self.draft.all()}
        for block in self.draft.blocks():
            block[:] = [step for step in block if step["kind"] != "go_to" or step["target"] in ids]
        if not self.draft.steps:
            self.draft.steps.append(self.draft.new("note"))

    @rule(
        edits=st.lists(st.sampled_from(EDITS), min_size=1, max_size=3),
        when_edited=st.sampled_from(["follow", "follow", "follow", "finish_old"]),
        hours=st.sampled_from([0, 3, 21, 21]),
        data=st.data(),
    )
    def edit(self, edits: list[str], when_edited: str, hours: int, data: Any) -> None:
        for name in edits:
            getattr(self, name)(data)
        self.draft.when_edited = when_edited
        self.publish()
        self.world.play(timedelta(hours=hours))

    # What people and time do

    @rule(what=st.lists(st.sampled_from(LIFE), min_size=1, max_size=4), data=st.data())
    def life_goes_on(self, what: list[str], data: Any) -> None:
        for name in what:
            getattr(self, name)(data)

    def somebody_enters(self, data: Any) -> None:
        self.enter(data.draw(st.integers(0, 2)))

    def enter(self, which: int) -> None:
        if self.state() == "live":
            self.world.do(start_by_hand, self.contacts[which], "series", now=self.world.now)

    def time_passes(self, data: Any) -> None:
        self.world.play(timedelta(hours=data.draw(st.integers(0, 50))))

    def something_happens(self, data: Any) -> None:
        kind = data.draw(st.sampled_from(["order_paid", "order_paid", "order_cancelled"]))
        self.world.event(data.draw(st.integers(1, 3)), kind)
        self.world.work()

    def somebody_is_tagged(self, data: Any) -> None:
        tag = data.draw(st.sampled_from(["vip", "late"]))
        self.world.do(add_tag, data.draw(st.integers(1, 3)), tag, now=self.world.now)

    def the_state_changes(self, data: Any) -> None:
        what = data.draw(st.sampled_from(["pause", "resume", "resume", "close"]))
        allowed = {"pause": ("live", "closing"), "resume": ("paused",), "close": ("live", "paused")}
        if self.state() in allowed[what]:
            self.world.do(getattr(operations, what), "series", now=self.world.now)

    def the_line_is_cut(self, data: Any) -> None:
        self.world.channels["email"].answer = lambda outgoing: Unknown("cut off")

    def the_line_is_mended(self, data: Any) -> None:
        """And a person decides about what was in doubt, and lets the held ones try again."""
        self.world.channels["email"].answer = lambda outgoing: Sent(None)
        doubtful = [one.id for one in self.world.messages(status="unknown")]
        self.world.do(settle, doubtful, data.draw(st.sampled_from(["arrived", "skip"])), now=self.world.now)
        self.world.do(retry, [one.id for one in self.world.runs(status="held")], now=self.world.now)

    def state(self) -> str:
        [journey] = self.world.rows(Journey)
        return str(journey.state)

    # What must be true at every moment

    @invariant()
    def nobody_is_stranded(self) -> None:
        in_the_air = {one.enrolment_id for one in self.world.messages() if one.status in IN_THE_AIR}
        for run in self.world.runs():
            if run.status == "active":
                assert run.due_at is not None or run.id in in_the_air, (run.step_id, run.phase)
            if run.status == "held":
                assert run.held_issue is not None, run.step_id

    @invariant()
    def the_trace_has_no_gaps(self) -> None:
        traces: dict[int, list[StepRun]] = {}
        for row in self.world.rows(StepRun):
            traces.setdefault(row.enrolment_id, []).append(row)
        for run in self.world.runs():
            trace = sorted(traces.get(run.id, []), key=lambda row: row.seq)
            assert [row.seq for row in trace] == list(range(len(trace)))
            assert run.seq in (len(trace), len(trace) - 1)
            jumped = any(row.kind == "go_to" and row.reason != "max_times" for row in trace)
            visits = Counter(row.step_id for row in trace if row.outcome not in PASSED)
            assert jumped or not visits or max(visits.values()) == 1, visits

    @invariant()
    def no_message_comes_twice(self) -> None:
        keys = Counter(one.key for one in self.world.channels["email"].sent)
        assert not keys or max(keys.values()) == 1
        turns = Counter(row.enrolment_id for row in self.world.rows(StepRun, kind="go_to") if row.reason != "max_times")
        told = Counter((one.enrolment_id, one.template_version_id) for one in self.world.messages())
        for (run, text), count in told.items():
            assert count <= 1 + turns[run], (run, text)

    def teardown(self) -> None:
        if not hasattr(self, "draft"):
            return
        world = self.world
        world.channels["email"].answer = lambda outgoing: Sent(None)
        world.do(settle, [one.id for one in world.messages(status="unknown")], "arrived", now=world.now)
        if self.state() == "paused":
            world.do(operations.resume, "series", now=world.now)
        world.do(retry, [one.id for one in world.runs(status="held")], now=world.now)
        world.play(timedelta(days=61))
        assert {one.status for one in world.runs()} <= {"finished", "stopped"}, [one.status for one in world.runs()]
        assert not [one for one in world.messages() if one.status in (*IN_THE_AIR, "held")]
        self.no_message_comes_twice()
        self.the_trace_has_no_gaps()


def empty(session: Any) -> None:
    for table in reversed(Base.metadata.sorted_tables):
        if table.name not in KEPT and not table.name.startswith("contact"):
            connection_of(session).execute(table.delete())
    for table in Base.metadata.sorted_tables:
        if table.name in ("contact_tags", "contacts_tags"):
            connection_of(session).execute(table.delete())


def test_r27_editing_while_people_are_inside(world: World, request: pytest.FixtureRequest) -> None:
    short = "postgresql" in request.node.name
    for name in ("Dana Levi", "سارا احمدی", "Roni Bar"):
        world.contact(name)
    for number in range(1, TEMPLATES + 1):
        world.template(f"t{number}")
    Editing.world = world
    run_state_machine_as_test(
        Editing,
        settings=settings(
            max_examples=3 if short else int(os.environ.get("EDITING_EXAMPLES", "20")),
            stateful_step_count=8,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
