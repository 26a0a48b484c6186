"""Runs that cannot go on until a person helps: held, with an issue that says where and why."""

from __future__ import annotations

import logging
import traceback
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.db import connection_of
from panel.i18n import N_
from panel.issues.operations import raise_issue
from panel.journeys.engine.runs import MAX_STEPS_AT_ONCE, Run
from panel.journeys.models import Enrolment
from panel.messages.models import Message
from panel.timeline.operations import NewEvent, record_many

log = logging.getLogger(__name__)

HOLD_SENTENCES = {
    "held_missing_template": N_(
        "%(journey)s, step %(step)s: there is no template called %(template)s. Create it, then retry."
    ),
    "held_missing_field": N_(
        "%(journey)s, step %(step)s: %(contact)s has no value for %(field)s. Fill it in, then retry."
    ),
    "held_plugin": N_(
        "%(journey)s, step %(step)s: the channel %(channel)s is not available. Switch its plugin on, then retry."
    ),
    "held_missing_journey": N_(
        "%(journey)s, step %(step)s: the journey %(other)s is not there. Publish it or mend the step, then retry."
    ),
    "held_undecided": N_("%(journey)s, step %(step)s: a condition cannot be judged now: %(error)s"),
    "held_error": N_("%(journey)s, step %(step)s could not be carried out: %(error)s"),
    "held_unknown": N_(
        "%(journey)s, step %(step)s: we do not know whether the message went out. Decide, then it goes on."
    ),
}


def is_the_databases(error: Exception) -> bool:
    """Whether an error is the database's own trouble (locks, a lost connection) and not that of what was written."""
    return isinstance(error, DBAPIError) and not isinstance(error, DataError | IntegrityError)


def whose_turn(error: BaseException, group: Collection[Run]) -> Run | None:
    """The run that was in hand when the error came: the innermost `run` of the functions that were running."""
    found: Run | None = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        one = frame.f_locals.get("run")
        if isinstance(one, Run):
            found = one
    return found if found is not None and any(found is one for one in group) else None


def hold_alone(run: Run, error: Exception) -> None:
    """Hold one run of a batch; what it did before in this batch stays."""
    log.error("run %s of %s held", run.id, run.journey_id, exc_info=error)
    run.hold("held_error", error=_words(error))


FAILED_SENTENCES = {
    "continue": N_(
        "%(journey)s, step %(step)s could not be carried out and was left out, as on_error says: %(error)s. Mend it for"
        " those who come after."
    ),
    "stop": N_(
        "%(journey)s, step %(step)s could not be carried out, and contacts left the journey there, as on_error says:"
        " %(error)s. Mend it for those who come after."
    ),
}


def go_by_on_error(session: Session, runs: Sequence[Run], now: datetime) -> None:
    """Whose step says `on_error: continue` or `stop` is not held by what goes wrong there: it goes on, or leaves. The
    trace, the ledger and an issue tell."""
    for run in runs:
        if run.status != "held" or run.hold_code is None or run.steps_taken >= MAX_STEPS_AT_ONCE:
            continue
        policy = run.step.get("on_error") or "hold"
        if policy == "hold":
            continue
        code, params = run.hold_code, run.hold_params
        what = next((str(value) for value in params.values() if value), code)
        raise_issue(
            session,
            f"step_failed:{run.journey_id}:{run.step_id}:{code}"[:200],
            code="step_failed",
            sentence=FAILED_SENTENCES[policy],
            params={"journey": run.journey_id, "step": run.step_id, "error": what},
            severity="warning",
            journey_id=run.journey_id,
            step_id=run.step_id,
            now=now,
        )
        _give_up_its_messages(session, run, now)
        run.status, run.reason, run.hold_code, run.settled = "active", None, None, False
        if policy == "stop":
            run.note("failed", now, code=code, error=what)
            run.end("error", "step_failed", now, because=code)
        else:
            run.finish("failed", now, code=code, error=what)
            if not run.settled:
                run.stand(now)


def _give_up_its_messages(session: Session, run: Run, now: datetime) -> None:
    """What this visit of the step had planned and could not write is left out, and the timeline says so."""
    visit = f"enrolment:{run.id}:{run.seq}"
    rows = connection_of(session).execute(
        update(Message)
        .where(
            Message.enrolment_id == run.id,
            Message.status == "held",
            or_(Message.dedupe_key == visit, Message.dedupe_key.startswith(f"{visit}:", autoescape=True)),
        )
        .values(status="skipped")
        .returning(Message.id, Message.channel, Message.reason)
    )
    record_many(
        session,
        [
            NewEvent(
                run.contact_id, "message_skipped", now, {"channel": channel, "reason": reason}, source="journeys",
                message_id=id_, enrolment_id=run.id, starts_journeys=False,
            )
            for id_, channel, reason in rows.all()
        ],
    )  # fmt: skip


def hold_broken(session: Session, row: Any, error: Exception, now: datetime) -> None:
    """Hold a run as it was claimed (a row of `claims.claim`)."""
    log.error("run %s of %s held", row.id, row.journey_id, exc_info=error)
    issue = _issue(session, row.journey_id, row.step_id, "held_error", {"error": _words(error)}, now)
    _hold(session, [row.id], "held_error", issue)


def hold_with_issues(session: Session, runs: Sequence[Run], now: datetime) -> None:
    """Write down which of these runs are held: one issue for all that stand for the same reason at the same step."""
    alike: dict[tuple[str, str | None, str], list[Run]] = defaultdict(list)
    for run in runs:
        if run.status == "held" and run.hold_code:
            alike[(run.journey_id, run.step_id, run.hold_code)].append(run)
    for (journey_id, step_id, code), many in alike.items():
        last = many[-1]
        name = session.scalar(select(Contact.name).where(Contact.id == last.contact_id)) or ""
        params = {"contact": name, "template": "", "field": "", "channel": "", "error": "", **last.hold_params}
        issue = _issue(session, journey_id, step_id, code, params, now, len(many))
        _hold(session, [run.id for run in many], code, issue)


def _hold(session: Session, ids: Collection[int], code: str, issue: int) -> None:
    connection_of(session).execute(
        update(Enrolment).where(Enrolment.id.in_(ids)).values(status="held", reason=code, due_at=None, held_issue=issue)
    )


def _issue(
    session: Session,
    journey_id: str,
    step_id: str | None,
    code: str,
    params: Mapping[str, Any],
    now: datetime,
    runs: int = 1,
) -> int:
    issue = raise_issue(
        session,
        f"{code}:{journey_id}:{step_id}",
        code=code,
        sentence=HOLD_SENTENCES[code],
        params={"journey": journey_id, "step": step_id, **params},
        journey_id=journey_id,
        step_id=step_id,
        now=now,
    )
    issue.count += runs - 1
    return issue.id


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
