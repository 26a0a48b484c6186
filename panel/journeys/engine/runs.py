"""A run in the hands of a worker: what the verbs change, and what is written at the end of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from panel.journeys.engine.facts import Person
from panel.journeys.engine.programs import Program

MAX_STEPS_AT_ONCE = 100  # without a wait in between: a circle that `go_to` limits did not stop


@dataclass
class Run:
    """One active enrolment. Verbs call `finish`, `wait_until`, `hold` or `end`; nothing here touches the database."""

    id: int
    journey_id: str
    contact_id: int
    program: Program
    step_id: str | None
    phase: str
    seq: int
    entered_at: datetime
    step_began_at: datetime
    wait: dict[str, Any]
    data: dict[str, Any]
    depth: int
    priority: int
    person: Person | None
    zone: ZoneInfo
    zone_from: str
    live: Program | None = None  # the version to move to, when another one is live and people follow
    settled: bool = False
    due_at: datetime | None = None
    status: str = "active"
    reason: str | None = None
    end_detail: dict[str, Any] = field(default_factory=dict)
    hold_code: str | None = None
    hold_params: dict[str, Any] = field(default_factory=dict)
    steps_taken: int = 0
    done_steps: set[str] | None = None
    trace: list[dict[str, Any]] = field(default_factory=list)

    @property
    def step(self) -> Mapping[str, Any]:
        assert self.step_id is not None
        return self.program.steps[self.step_id]

    @property
    def event(self) -> Mapping[str, Any]:
        return self.data.get("event") or {}

    @property
    def values(self) -> Mapping[str, Any]:
        return self.data.get("run") or {}

    def note(self, outcome: str, now: datetime, reason: str | None = None, **detail: Any) -> None:
        """Write this visit of the step into the trace."""
        self.trace.append(
            {
                "enrolment_id": self.id,
                "seq": self.seq,
                "step_id": self.step_id,
                "path": self.step.get("path", ""),
                "version_id": self.program.version_id,
                "kind": self.step["verb"],
                "outcome": outcome,
                "reason": reason,
                "detail": detail,
                "began_at": self.step_began_at,
                "ended_at": now,
            }
        )

    def finish(self, outcome: str, now: datetime, how: str = "next", reason: str | None = None, **detail: Any) -> None:
        """The step is over; go to what follows it by `how` (next, then, else, on_timeout, otherwise, option:<n>)."""
        finished = self.step
        following, moved = self._following(finished, how)
        if moved:
            detail["moved_to_version"] = self.program.number if self.live is None else self.live.number
        self.note(outcome, now, reason, **detail)
        if moved and self.live is not None:
            self.program = self.live
        self.move(following, now)

    def move(self, step_id: str | None, now: datetime) -> None:
        """Stand before `step_id`; None is the end of the journey."""
        self.seq += 1
        self.steps_taken += 1
        self.step_id, self.phase, self.wait, self.step_began_at = step_id, "", {}, now
        if step_id is None:
            self.end("finished", "finished", now)

    def _following(self, finished: Mapping[str, Any], how: str) -> tuple[str | None, bool]:
        """What follows, and whether the run moves to the live version there.

        The run moves when the finished step (and the branch taken) exists in the live version; else it stays on its own
        version until it comes to a step that both share.
        """
        own = pointer(finished, how)
        live = self.live
        if live is None or live.version_id == self.program.version_id:
            return own, False
        same = live.steps.get(finished["id"])
        if same is not None and same["verb"] == finished["verb"] and has_branch(same, how):
            return pointer(same, how), True
        if own is not None and own in live.steps:
            return own, True
        return own, False

    def wait_until(self, due_at: datetime | None, **wait: Any) -> None:
        self.settled = True
        self.phase = "waiting"
        self.due_at = due_at
        self.wait = wait

    def stand(self, due_at: datetime | None) -> None:
        """Stay exactly as we are and look again at `due_at` (None: when something happens)."""
        self.settled = True
        self.due_at = due_at

    def hold(self, code: str, **params: Any) -> None:
        """Stop here until a person helps; an issue says where and why."""
        self.settled = True
        self.status, self.reason = "held", code
        self.hold_code, self.hold_params = code, params
        self.due_at = None

    def end(self, status: str, reason: str, now: datetime, **detail: Any) -> None:
        self.settled = True
        self.status, self.reason, self.due_at = status, reason, None
        self.end_detail = detail


def pointer(step: Mapping[str, Any], how: str) -> str | None:
    """The step that follows `step` by `how`; a missing branch is what comes after the whole step."""
    following: str | None = step.get("next")
    if how in ("then", "else", "on_timeout", "otherwise"):
        following = step[how] if step.get(how) else following
    elif how.startswith("option:"):
        options = step["options"]
        index = int(how[7:])
        following = options[index]["do"] or following if index < len(options) else following
    return following


def has_branch(step: Mapping[str, Any], how: str) -> bool:
    return not how.startswith("option:") or int(how[7:]) < len(step.get("options", ()))
