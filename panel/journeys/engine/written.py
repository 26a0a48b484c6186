"""Writing the messages of a batch. What cannot be written is held or skipped with its reason, and stops no other."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import current_app
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from panel import clock
from panel.db import connection_of
from panel.i18n import N_
from panel.issues.operations import raise_issue
from panel.journeys.engine.claiming import Claimed
from panel.journeys.engine.marking import skipped
from panel.journeys.engine.programs import programs
from panel.journeys.models import Enrolment
from panel.messages import skeletons
from panel.messages.models import Message, Template, TemplateVersion
from panel.messages.rendering import NotRendered, Rendered, Renderer
from panel.messages.skeletons import Compiled
from panel.sdk.channels import Channel

log = logging.getLogger(__name__)


@dataclass
class Written:
    """A batch, written: what may go on, what cannot be written, and the compiled texts that nobody has stored yet."""

    ready: list[tuple[Claimed, Rendered]] = field(default_factory=list)
    refused: list[tuple[Claimed, NotRendered]] = field(default_factory=list)
    new: dict[str, Compiled] = field(default_factory=dict)


def write_out(session: Session, claimed: Sequence[Claimed], channel: Channel) -> Written:
    """Write the messages; one bad row stops no other. Only reads: on SQLite another worker may write meanwhile."""
    by_id = {one.row["id"]: one for one in claimed}
    written = Written()
    for outcome in _rendered(session, [one.row for one in claimed], channel, written.new):
        one = by_id[outcome.message_id]
        if isinstance(outcome, Rendered):
            written.ready.append((one, outcome))
        else:
            written.refused.append((one, outcome))
    return written


def keep(session: Session, written: Written) -> None:
    """What writing left to be stored: compiled texts that are new; what cannot be written is held or skipped."""
    skeletons.store(session, written.new, clock.now())
    for one, outcome in written.refused:
        not_rendered(session, one, outcome)


def _rendered(
    session: Session, rows: Sequence[Mapping[str, Any]], channel: Channel, new: dict[str, Compiled]
) -> Iterable[Rendered | NotRendered]:
    config = current_app.config
    try:
        with session.begin_nested():
            renderer = Renderer(
                session, {channel.name: channel}, config["PANEL"].public_url, config["SECRET_KEY"], now=clock.now()
            )
            results = renderer.render(rows, keep=False)
            new |= renderer.new_skeletons()
            return results
    except OperationalError:
        raise
    except (Exception, SystemExit) as error:
        if len(rows) == 1:
            log.exception("message %s cannot be written", rows[0]["id"])
            return [NotRendered(rows[0]["id"], "held_missing_template", f"{type(error).__name__}: {error}"[:300])]
        middle = len(rows) // 2
        return [*_rendered(session, rows[:middle], channel, new), *_rendered(session, rows[middle:], channel, new)]


SENTENCES = {
    "held_missing_field": N_(
        "%(journey)s, step %(step)s: a contact has no value for %(detail)s. Fill it in, then retry."
    ),
    "held_missing_template": N_(
        "%(journey)s, step %(step)s: the text cannot be written (%(detail)s). Mend it, then retry."
    ),
}
NO_FORM = N_(
    "%(journey)s, step %(step)s: the template %(template)s has no text for %(channel)s. Write one, or let the step use"
    " another channel, then retry."
)


def not_rendered(session: Session, one: Claimed, outcome: NotRendered) -> None:
    now = clock.now()
    row = one.row
    connection = connection_of(session)
    held = outcome.code.startswith("held")
    code = {"skipped_missing_field": "failed_missing_field"}.get(outcome.code, outcome.code)
    changed = connection.execute(
        update(Message)
        .where(Message.id == row["id"], Message.status == "claimed", Message.attempt_token == one.token)
        .values(
            status="held" if held else "skipped",
            reason=code,
            lease_until=None,
            detail={**(row["detail"] or {}), "missing": outcome.detail},
            rules={**(row["rules"] or {}), "missing": outcome.detail},
        )
    ).rowcount
    if not changed:
        return
    if held and _goes_by_on_error(session, row):
        connection.execute(
            update(Enrolment)
            .where(Enrolment.id == row["enrolment_id"], Enrolment.status == "active")
            .values(due_at=now)  # it looks at its message, and does as its step says
        )
    elif held:
        template = _without_form(session, row, outcome)
        without = {"template": template, "channel": row["channel"]} if template is not None else {}
        issue = raise_issue(
            session,
            f"{outcome.code}:{row['journey_id']}:{row['step_id']}:{outcome.detail}"[:200],
            code=outcome.code,
            sentence=SENTENCES[outcome.code] if template is None else NO_FORM,
            params={"journey": row["journey_id"], "step": row["step_id"], "detail": outcome.detail, **without},
            journey_id=row["journey_id"],
            step_id=row["step_id"],
            now=now,
        )
        connection.execute(
            update(Enrolment)
            .where(Enrolment.id == row["enrolment_id"], Enrolment.status == "active")
            .values(status="held", reason=outcome.code, held_issue=issue.id, due_at=None)
        )
    else:
        skipped(session, [(row, code, {})], now)


def _goes_by_on_error(session: Session, row: Mapping[str, Any]) -> bool:
    """Whether the step of a message wants no one held by a mistake (see `holding.go_by_on_error`)."""
    version_id = session.scalar(select(Enrolment.version_id).where(Enrolment.id == row["enrolment_id"]))
    program = programs(session, {version_id}).get(version_id) if version_id is not None else None
    step = program.steps.get(row["step_id"] or "") if program is not None else None
    return step is not None and (step.get("on_error") or "hold") != "hold"


def _without_form(session: Session, row: Mapping[str, Any], outcome: NotRendered) -> str | None:
    """The name of the template that has no text for the message's channel, if that is the trouble."""
    if outcome.code != "held_missing_template" or outcome.detail != row["channel"]:
        return None
    version = select(TemplateVersion.template_id).where(TemplateVersion.id == row["template_version_id"])
    return session.scalar(select(Template.name).where(Template.id.in_(version)))
