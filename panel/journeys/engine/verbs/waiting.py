"""`wait` and `wait_for`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from panel.contacts.values import parse_day
from panel.errors import UserError
from panel.i18n import N_
from panel.journeys.engine.earlier import Before
from panel.journeys.engine.lengths import add
from panel.journeys.engine.runs import Run
from panel.journeys.engine.verbs.awaiting import facts_for_waiting, look_again_at, what_came
from panel.journeys.engine.waits import wait_end

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]


def wait(batch: Batch, step: Step, group: list[Run]) -> None:
    now = batch.now
    days = _days_of_field(batch, step, [run for run in group if not run.phase])
    before = Before(batch.session, group[0].program, step.get("next"), batch.business)
    for run in group:
        if run.phase == "waiting":
            until = datetime.fromisoformat(run.wait["until"])
            if now >= until:
                run.planned_at = until
                run.finish("time_came", now, until=run.wait["until"], **_by_person(run))
            else:
                run.wait_until(until, **run.wait)
            continue
        end = wait_end(step, run.step_began_at, run.zone, days.get(run.id))
        if end.at is None or end.is_past:
            _wait_for_the_past(batch, step, run, end.at)
            continue
        at = before.closing(end.at, run.step_began_at, run.zone)
        more = {"planned": end.at.isoformat()} if at != end.at else {}
        if at <= now:
            # Planned anew by a person, with an end that is past: what comes now was never meant for then.
            anew = run.wait.get("replanned")
            run.planned_at = max(at, datetime.fromisoformat(anew)) if anew else at
            run.finish("time_came", now, until=at.isoformat(), **more)
        else:
            run.wait_until(at, kind="wait", until=at.isoformat(), zone=str(run.zone), zone_from=run.zone_from, **more)


def _wait_for_the_past(batch: Batch, step: Step, run: Run, at: datetime | None) -> None:
    policy = step.get("if_past") or "go_on"
    seen = at.isoformat() if at else None
    if policy == "stop":
        run.note("done", batch.now, "date_has_passed", until=seen)
        run.end("stopped", "stop_step", batch.now, because="date_has_passed")
        return
    run.finish("done", batch.now, reason="date_has_passed", until=seen, if_past=policy)
    if policy == "skip_next" and run.step_id is not None and not run.settled:
        run.finish("passed_condition", batch.now, reason="date_has_passed")


def _days_of_field(batch: Batch, step: Step, runs: list[Run]) -> dict[int, date]:
    name = (step.get("until") or {}).get("field")
    if not name or not runs:
        return {}
    from_contact = not name.startswith(("event.", "run."))
    facts = batch.facts(runs, runs[0].program.step_needs(step)) if from_contact else []
    found: dict[int, date] = {}
    for index, run in enumerate(runs):
        if run.event.get("field") == name and run.event.get("day"):
            # The journey began because this date comes round: the day that comes round is meant, not the year of birth.
            found[run.id] = date.fromisoformat(run.event["day"])
            continue
        value: Any = facts[index].fields.get(name) if from_contact else run.event.get(name.partition(".")[2])
        if isinstance(value, str) and value.strip():
            value = _day_written(name, value)
        if isinstance(value, date):
            found[run.id] = value
    return found


def _day_written(name: str, text: str) -> date:
    """A day as an event or a text has it. What cannot be read has not passed: the run is held, with these words."""
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        day = parse_day(text)
    if day is None:
        raise UserError(
            "not_a_date",
            N_('"%(value)s" is not a date (field %(field)s). Write 2026-11-22, 22/11/2026 or 1405/09/01.'),
            value=text[:60],
            field=name,
        )
    return day


def wait_for(batch: Batch, step: Step, group: list[Run]) -> None:
    """History is read from the moment the step began, so an event that came just before the wait is not lost."""
    for run, facts in zip(group, facts_for_waiting(batch, step, group), strict=True):
        came = what_came(batch, run, step, facts)
        deadline = add(run.step_began_at, step["up_to"], run.zone)
        moved = run.wait.get("by_person")
        if moved:
            deadline = datetime.fromisoformat(run.wait["until"])
        if came is not None:
            run.finish("event_came", batch.now, "then", **came)
        elif batch.now >= deadline:
            run.finish("timeout", batch.now, "on_timeout", until=deadline.isoformat(), **_by_person(run))
        else:
            events = [trigger.name for trigger in run.program.awaited[step["id"]]]
            run.wait_until(
                look_again_at(batch, run, step, facts, deadline),
                kind="wait_for", until=deadline.isoformat(), events=events, **({"by_person": moved} if moved else {}),
            )  # fmt: skip


def _by_person(run: Run) -> dict[str, Any]:
    """For the trace, when a person chose the end of this wait (see `panel.journeys.planned`)."""
    moved = run.wait.get("by_person")
    return {"reason": "wait_by_person", "by": moved["by"]} if moved else {}
