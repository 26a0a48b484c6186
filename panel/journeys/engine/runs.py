"""A run in the hands of a worker: what the verbs change, and what is written at the end of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from panel.copying import from_json
from panel.journeys.engine.facts import Person
from panel.journeys.engine.following import following
from panel.journeys.engine.programs import Program

MAX_STEPS_AT_ONCE = 100  # without a wait in between: a circle that `go_to` limits did not stop


class Run:
    """One active enrolment. Verbs call `finish`, `wait_until`, `hold` or `end`; nothing here touches the database.

    `wait` and `data` come as the JSON that is stored, and are read only when somebody asks for them: most steps of most
    runs never look at what the run carries along.
    """

    __slots__ = (
        *("id", "journey_id", "contact_id", "program", "step_id", "phase", "seq", "entered_at", "step_began_at"),
        *("depth", "priority", "person", "zone", "zone_from", "live", "settled", "due_at", "status", "reason"),
        *(
            "planned_at",
            "end_detail",
            "hold_code",
            "hold_params",
            "steps_taken",
            "trace",
            "_wait",
            "_wait_text",
            "_data",
            "data_text",
        ),
    )

    def __init__(
        self,
        id: int,  # noqa: A002
        journey_id: str,
        contact_id: int,
        program: Program,
        step_id: str | None,
        phase: str,
        seq: int,
        entered_at: datetime,
        step_began_at: datetime,
        wait_text: str | None,
        data_text: str | None,
        depth: int,
        priority: int,
        person: Person | None,
        zone: ZoneInfo,
        zone_from: str,
        live: Program | None,
    ) -> None:
        self.id, self.journey_id, self.contact_id = id, journey_id, contact_id
        self.program, self.step_id, self.phase, self.seq = program, step_id, phase, seq
        self.entered_at, self.step_began_at = entered_at, step_began_at
        self._wait: dict[str, Any] | None = None
        self._data: dict[str, Any] | None = None
        self._wait_text, self.data_text = wait_text or "{}", data_text or "{}"
        self.depth, self.priority = depth, priority
        self.person, self.zone, self.zone_from = person, zone, zone_from
        self.live = live  # the version to move to, when another one is live and people follow
        self.settled, self.status = False, "active"
        self.planned_at: datetime | None = None  # the moment for which what comes now was meant, when a wait is over
        self.due_at: datetime | None = None
        self.reason: str | None = None
        self.end_detail: dict[str, Any] = {}
        self.hold_code: str | None = None
        self.hold_params: dict[str, Any] = {}
        self.steps_taken = 0
        self.trace: list[dict[str, Any]] = []

    @property
    def wait(self) -> dict[str, Any]:
        if self._wait is None:
            self._wait = from_json(self._wait_text)
        return self._wait

    @wait.setter
    def wait(self, wait: dict[str, Any]) -> None:
        self._wait = wait

    @property
    def data(self) -> dict[str, Any]:
        if self._data is None:
            self._data = from_json(self.data_text)
        return self._data

    @property
    def has_data(self) -> bool:
        """Whether somebody looked into `data`, and may have changed it."""
        return self._data is not None

    @property
    def step(self) -> Mapping[str, Any]:
        assert self.step_id is not None
        return self.program.steps[self.step_id]

    @property
    def event(self) -> Mapping[str, Any]:
        return self.carried.get("event") or {}

    @property
    def values(self) -> Mapping[str, Any]:
        return self.carried.get("run") or {}

    @property
    def carried(self) -> Mapping[str, Any]:
        """`data`, only for looking: costs nothing when many runs carry the same."""
        return self._data if self._data is not None else _read(self.data_text)

    def note(self, outcome: str, now: datetime, reason: str | None = None, **detail: Any) -> None:
        """Write this visit of the step into the trace."""
        step, program = self.step, self.program
        self.trace.append(
            {
                "enrolment_id": self.id,
                "seq": self.seq,
                "step_id": self.step_id,
                "path": step.get("path", ""),
                "version_id": program.version_id,
                "kind": step["verb"],
                "outcome": outcome,
                "reason": reason,
                "detail": detail,
                "began_at": self.step_began_at,
                "ended_at": now,
            }
        )

    def finish(self, outcome: str, now: datetime, how: str = "next", reason: str | None = None, **detail: Any) -> None:
        """The step is over; go to what follows it by `how` (next, then, else, on_timeout, otherwise, option:<n>,
        variant:<name>)."""
        finished = self.step
        to, moved = following(self.program, self.live, finished, how)
        if moved:
            detail["moved_to_version"] = self.program.number if self.live is None else self.live.number
        self.note(outcome, now, reason, **detail)
        if moved and self.live is not None:
            self.follow_live()
        self.move(to, now)

    def follow_live(self) -> None:
        """From here on the run goes by the live version. What it has behind it is looked at from now on, see
        `Batch._without_repeats`: an edit may have put it in front again."""
        assert self.live is not None
        self.program = self.live
        self.data["moved"] = True

    def move(self, step_id: str | None, now: datetime) -> None:
        """Stand before `step_id`; None is the end of the journey."""
        self.seq += 1
        self.steps_taken += 1
        self.step_id, self.phase, self.wait, self.step_began_at = step_id, "", {}, now
        if step_id is None:
            self.end("finished", "finished", now)

    def wait_until(self, due_at: datetime | None, **wait: Any) -> None:
        self.settled = True
        if self.carried.get("restored"):
            self.data.pop("restored")  # what comes after this wait is of the time that we know
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


@lru_cache(maxsize=2000)
def _read(text: str) -> Mapping[str, Any]:
    """Shared by all runs that carry the same along; only for looking."""
    found: Mapping[str, Any] = from_json(text)
    return found
