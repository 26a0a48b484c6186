"""Looking at tests when it is time, and deciding them: by their rules, or by a person.

Counting and judging take their time (seconds, with many contacts), so they happen outside of any writing transaction;
what was found is stored only if nobody decided meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.db import reading, writing
from panel.errors import UserError
from panel.experiments import rules
from panel.experiments.looks import last_level, planned_level
from panel.experiments.models import Experiment
from panel.experiments.results import Goal, Observed, entered_until, observe
from panel.experiments.rules import HOLD_OUT, Decision, Look, decide, look_due
from panel.i18n import N_
from panel.issues.operations import raise_issue, resolve_issue
from panel.staff.audit import record_audit
from panel.staff.models import User
from panel.staff.notices import NewNotice, notify_many
from panel.staff.people import OWNERS, Directory

COUNT_EVERY = timedelta(hours=1)
QUICK_SHUFFLES = 1_999  # for the numbers in between; a decision takes all of them

RESULT = N_(
    "The test “%(split)s” in %(journey)s has a result: “%(winner)s” does better than the rest. Look at its numbers and"
    " choose what everybody gets from now on."
)
RESULT_BELOW = N_(
    "The test “%(split)s” in %(journey)s has a result: “%(winner)s” does better than the rest, but those who got"
    " nothing did better still. Look at its numbers and choose what everybody gets from now on."
)
MIXED = N_(
    "The test “%(split)s” in %(journey)s is over, but its goals brought money in several currencies, and their sum says"
    " nothing. Look at its numbers and choose what everybody gets from now on."
)
UNCOUNTED = N_(
    "The numbers of the test “%(split)s” in %(journey)s cannot be counted (%(error)s). It is tried again and again;"
    " until then the test is not decided."
)
NOTHING_BETTER = N_(
    "The test “%(split)s” in %(journey)s has a result: to do nothing is better than “%(rest)s”. Look at its numbers and"
    " choose what everybody gets from now on."
)
NO_RESULT = N_(
    "The test “%(split)s” in %(journey)s is over and shows no sure difference. Look at its numbers and choose what"
    " everybody gets from now on."
)


@dataclass(frozen=True)
class Asked:
    """What a journey asks of one of its tests. Lengths are worked out by who knows the business's clock."""

    journey: str
    split: str
    owner: str | None
    variants: tuple[str, ...]
    has_hold_out: bool
    goal: Goal
    measure: Any
    window_days: float
    level: float
    at_least: int
    planned_at: Callable[[datetime], datetime]
    last_at: Callable[[datetime], datetime]
    came_before: Callable[[datetime], datetime]  # who came until then has had the time for the goal
    winner: str
    if_no_winner: str
    is_over: bool = False  # the journey has ended: nobody comes any more, so nobody is asked to choose

    @property
    def judged(self) -> tuple[str, ...]:
        """The variants that need enough contacts: with a single one the hold-out is the other side."""
        return self.variants if len(self.variants) > 1 else (*self.variants, HOLD_OUT)


@dataclass(frozen=True)
class _Counted:
    experiment: Experiment
    asked: Asked
    look: Look | None
    numbers: dict[str, Any]
    decision: Decision | None
    winner: str | None


def look(ask: Callable[[Session, Experiment], Asked | None], now: datetime | None = None) -> int:
    """Count the running tests (each once an hour) and take the looks that are due; returns how many were looked at.

    `ask` says what the journey asks of a test; None leaves it alone. Needs an application context; harmless to repeat.
    """
    now = now or clock.now()
    with reading() as session:
        ids = session.scalars(
            select(Experiment.id).where(Experiment.state == "running", Experiment.started_at.is_not(None))
        ).all()
    done, failed = 0, []
    for id_ in ids:
        try:
            with reading() as session:
                counted = _count(session, id_, ask, now)
            if counted is not None:
                with writing() as session:
                    done += _store(session, counted, now)
        except Exception as error:  # one that cannot be counted keeps no other from its decision
            failed.append(error)
            _tell_uncounted(id_, error, now)
    if failed:
        raise failed[0]
    return done


def _tell_uncounted(experiment_id: int, error: Exception, now: datetime) -> None:
    with writing() as session:
        one = session.get(Experiment, experiment_id)
        if one is None or one.state != "running":
            return
        params = {"journey": one.journey_id, "split": one.split_id, "error": type(error).__name__}
        raise_issue(
            session, _uncounted_key(one), code="experiment_uncounted", sentence=UNCOUNTED, params=params,
            severity="error", journey_id=one.journey_id, step_id=one.split_id, now=now,
        )  # fmt: skip


def _uncounted_key(experiment: Experiment) -> str:
    return rules.uncounted_key(experiment.journey_id, experiment.split_id, experiment.round)


def _count(
    session: Session, experiment_id: int, ask: Callable[[Session, Experiment], Asked | None], now: datetime
) -> _Counted | None:
    experiment = session.get_one(Experiment, experiment_id)
    asked = ask(session, experiment)
    if asked is None or experiment.started_at is None:
        return None
    planned_at, last_at = asked.planned_at(experiment.started_at), asked.last_at(experiment.started_at)
    matured = entered_until(session, experiment, asked.came_before(now)) if now >= planned_at else {}
    enough = all(matured.get(key, 0) >= asked.at_least for key in asked.judged)
    looked = experiment.looked_at is not None
    due = look_due(now, planned_at, last_at, has_looked=looked, enough=enough)
    fresh = experiment.counted_at is not None and now - experiment.counted_at < COUNT_EVERY
    if due is None and fresh:
        return None
    observed = observe(session, experiment, asked.goal, now)
    if due == "planned" and any(observed.get(key, Observed()).matured < asked.at_least for key in asked.judged):
        due = None  # merged or erased contacts took some away again
    return _judge(experiment, asked, observed, due, now)


def _judge(
    experiment: Experiment, asked: Asked, observed: dict[str, Observed], due: Look | None, now: datetime
) -> _Counted:
    # Here, so that only a process that counts a test carries scipy (some 85 MB).
    from panel.experiments import judging, statistics

    def judged(level: float, shuffles: int) -> judging.Verdict:
        return judging.judge(
            observed,
            asked.variants,
            has_hold_out=asked.has_hold_out,
            measure=asked.measure,
            window=asked.window_days,
            level=level,
            seed=experiment.id,
            shuffles=shuffles,
        )

    looks: list[dict[str, Any]] = list(experiment.numbers.get("looks", ()))
    level = planned_level(asked.level)
    if due == "last":
        first = next((one for one in looks if one["look"] == "planned"), None)
        information = sum(
            len(one.reached) if asked.measure == "days_to_goal" else one.matured
            for key, one in observed.items()
            if key in asked.judged
        )
        level = last_level(asked.level, first["information"] / max(1.0, information) if first else None)
    currencies: set[str] = set().union(*(one.currencies for one in observed.values()))
    verdict = judged(level, statistics.SHUFFLES if due else QUICK_SHUFFLES)
    decision = None
    if due is not None:
        looks.append({"look": due, "at": now.isoformat(), "level": level, "information": verdict.information,
                      "winner": verdict.winner})  # fmt: skip
        decision = decide(
            due,
            verdict.winner,
            below_hold_out=verdict.below_hold_out,
            policy=asked.winner,
            if_no_winner=asked.if_no_winner,
            first=asked.variants[0],
        )
        if asked.measure == "sum_per_contact" and len(currencies) > 1 and decision and decision.winner is not None:
            # 900 rials and 900 shekels were added up as if they were the same: that is for a person to judge.
            decision = Decision("asked")
    assert experiment.started_at is not None
    numbers = {
        **verdict.as_numbers(),
        "looks": looks,
        "at": now.isoformat(),
        "measure": asked.measure,
        "window_days": asked.window_days,
        "asked_level": asked.level,
        "at_least": asked.at_least,
        "planned_at": asked.planned_at(experiment.started_at).isoformat(),
        "last_at": asked.last_at(experiment.started_at).isoformat(),
        "currencies": sorted(currencies),
        "deviation": judging.deviation(observed, asked.judged),
    }
    return _Counted(experiment, asked, due, numbers, decision, verdict.winner)


def _store(session: Session, counted: _Counted, now: datetime) -> bool:
    experiment = session.get(Experiment, counted.experiment.id, with_for_update=True)
    if experiment is None or experiment.state != "running":
        return False
    if counted.look == "planned" and experiment.looked_at is not None:
        return False  # another worker took the one look there is
    experiment.counted_at, experiment.numbers = now, counted.numbers
    resolve_issue(session, _uncounted_key(experiment))
    if counted.look == "planned":
        experiment.looked_at = now
    decision = counted.decision
    if decision is None:
        return True
    if decision.state == "asked" and counted.asked.is_over:
        experiment.state = "ended"  # its numbers stay
        return True
    experiment.state, experiment.winner = decision.state, decision.winner
    if decision.state == "asked":
        _ask_owner(session, experiment, counted, now)
    else:
        experiment.decided_at = now
        detail = {"round": experiment.round, "winner": decision.winner, "by": "rules"}
        record_audit(session, action="experiment_decided", subject=_name(experiment), detail=detail, at=now)
    return True


def _ask_owner(session: Session, experiment: Experiment, counted: _Counted, now: datetime) -> None:
    asked, params = counted.asked, {"journey": counted.asked.journey, "split": counted.asked.split}
    if asked.measure == "sum_per_contact" and len(counted.numbers["currencies"]) > 1:
        sentence = MIXED
    elif counted.winner == HOLD_OUT:
        sentence, params = NOTHING_BETTER, params | {"rest": ", ".join(asked.variants)}
    elif counted.winner is not None:
        sentence = RESULT_BELOW if counted.numbers["below_hold_out"] else RESULT
        params = params | {"winner": counted.winner}
    else:
        sentence = NO_RESULT
    key = issue_key(experiment)
    raise_issue(
        session, key, code="experiment_asks", sentence=sentence, params=params, severity="warning",
        journey_id=experiment.journey_id, step_id=experiment.split_id, now=now,
    )  # fmt: skip
    directory = Directory(session)
    who = directory.meant(asked.owner) if asked.owner else OWNERS
    notify_many(session, [NewNotice(who, sentence, params, dedupe_key=key)], directory=directory, now=now)


def issue_key(experiment: Experiment) -> str:
    return rules.issue_key(experiment.journey_id, experiment.split_id, experiment.round)


def _name(experiment: Experiment) -> str:
    return f"{experiment.journey_id}/{experiment.split_id}"


def choose(
    session: Session,
    experiment: Experiment,
    winner: str | None,
    *,
    variants: Sequence[str],
    by: User | None = None,
    now: datetime | None = None,
) -> None:
    """A person decides a test that asks: `winner` ("" sends nobody anything, None goes on dividing without judging).
    The same choice of the same person again changes nothing.

    `variants` are those that there are. Raises UserError when the test does not ask, or there is no such variant.
    """
    now = now or clock.now()
    session.refresh(experiment, with_for_update=True)
    state = "no_winner" if winner is None else "winner"
    if by is not None and (experiment.state, experiment.winner, experiment.decided_by) == (state, winner, by.id):
        return  # pressed twice
    if experiment.state != "asked":
        raise UserError(
            "experiment_not_asking", N_("This test does not ask for a decision: it runs, or it was decided already.")
        )
    if winner is not None and winner not in (*variants, HOLD_OUT):
        raise UserError("unknown_variant", N_("There is no variant “%(name)s” in this test."), name=winner)
    experiment.state = state
    experiment.winner, experiment.decided_at, experiment.decided_by = winner, now, by.id if by else None
    resolve_issue(session, issue_key(experiment))
    detail = {"round": experiment.round, "winner": winner}
    record_audit(session, action="experiment_decided", user=by, subject=_name(experiment), detail=detail, at=now)
    session.flush()
