"""A run in the hands of a worker: what the verbs change, and what is written at the end of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from panel.copying import from_json
from panel.journeys.engine.facts import Person
from panel.journeys.engine.following import following
from panel.journeys.engine.programs import Program

NOTHING: Mapping[str, Any] = {}  # shared: never written into
MAX_STEPS_AT_ONCE = 100  # without a wait in between: a circle that `go_to` limits did not stop


class Visit(NamedTuple):
    """A line of the trace, in the order in which it is written: one visit of one step."""

    enrolment_id: int
    seq: int
    step_id: str | None
    path: str
    version_id: int
    kind: str
    outcome: str
    reason: str | None
    detail: Mapping[str, Any]
    began_at: datetime
    ended_at: datetime


class Run:
    """One active enrolment. Verbs call `finish`, `wait_until`, `hold` or `end`; nothing here touches the database.

    What a run carries along comes as the JSON that is stored and as what that says, which it shares with all who carry
    the same: a copy of its own is made only for who writes into `data`.
    """

    __slots__ = (
        *("id", "journey_id", "contact_id", "program", "live", "live_zone", "person", "zone", "zone_from"),
        *("judged_by", "step_id", "phase"),
        *("seq", "entered_at", "step_began_at", "depth", "priority", "data_text", "settled", "status", "reason"),
        *("due_at", "planned_at", "steps_taken", "trace", "end_detail", "hold_code", "hold_params"),
        *("_wait", "_wait_text", "_data", "_carried"),
    )

    def __init__(
        self,
        row: Sequence[Any],
        moment: Callable[[Any], datetime],
        carried: Mapping[str, Any],
        program: Program,
        live: Program | None,
        person: Person | None,
        zone: tuple[ZoneInfo, str],
        live_zone: tuple[ZoneInfo, str] | None = None,
    ) -> None:
        """`row` and `moment` as `claims` gives them; `zone` is the clock to go by and whose it is; `live` the version
        to move to, when another one is live and people follow, and `live_zone` the clock to go by there."""
        (self.id, self.journey_id, self.contact_id, _, self.step_id, self.phase, self.seq, entered_at, step_began_at,
         wait, data, self.depth, self.priority) = row  # fmt: skip
        self.entered_at, self.step_began_at = moment(entered_at), moment(step_began_at)
        self._wait_text, self.data_text, self._carried = wait or "{}", data or "{}", carried
        self.program, self.live, self.person = program, live, person
        self.zone, self.zone_from = zone
        self.live_zone = live_zone or zone
        self.judged_by: int | None = None  # the version whose stop_when and goal have been looked at
        self._wait: dict[str, Any] | None = None
        self._data: dict[str, Any] | None = None
        self.settled, self.status, self.steps_taken = False, "active", 0
        self.reason: str | None = None
        self.due_at: datetime | None = None
        self.planned_at: datetime | None = None  # the moment for which what comes now was meant, when a wait is over
        self.trace: tuple[Visit, ...] = ()
        self.end_detail: Mapping[str, Any] = NOTHING
        self.hold_code: str | None = None
        self.hold_params: Mapping[str, Any] = NOTHING

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
    def carried(self) -> Mapping[str, Any]:
        """`data`, only for looking."""
        return self._carried if self._data is None else self._data

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

    def note(self, outcome: str, now: datetime, reason: str | None = None, **detail: Any) -> None:
        """Write this visit of the step into the trace."""
        self._visited(outcome, now, reason, detail)

    def _visited(self, outcome: str, now: datetime, reason: str | None, detail: Mapping[str, Any]) -> None:
        step, program = self.step, self.program
        self.trace += (
            Visit(
                self.id, self.seq, self.step_id, step.get("path", ""), program.version_id, step["verb"], outcome,
                reason, detail, self.step_began_at, now,
            ),
        )  # fmt: skip

    def finish(self, outcome: str, now: datetime, how: str = "next", reason: str | None = None, **detail: Any) -> None:
        """The step is over; go to what follows it by `how` (next, then, else, on_timeout, otherwise, option:<n>,
        variant:<name>)."""
        finished = self.step
        to, moved = following(self.program, self.live, finished, how)
        if moved:
            detail["moved_to_version"] = self.program.number if self.live is None else self.live.number
        self._visited(outcome, now, reason, detail)
        if moved and self.live is not None:
            self.follow_live()
        self.move(to, now)

    def follow_live(self) -> None:
        """From here on the run goes by the live version. What it has behind it is looked at from now on, see
        `Batch._without_repeats`: an edit may have put it in front again."""
        assert self.live is not None
        self.program = self.live
        self.zone, self.zone_from = self.live_zone
        self.data["moved"] = True

    def move(self, step_id: str | None, now: datetime) -> None:
        """Stand before `step_id`; None is the end of the journey."""
        self.seq += 1
        self.steps_taken += 1
        self.step_id, self.phase, self._wait, self.step_began_at = step_id, "", {}, now
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
