"""Taking back what was just done with tasks: done, not needed, put off, handed over.

What is needed for it travels, sealed, in the form that offers it. A task to which anything has happened since stays as
it is, and so does one whose journey has gone on; the page says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import abort, current_app, flash, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import select

from panel import clock
from panel.contacts.origin import By
from panel.db import db
from panel.errors import UserError
from panel.i18n import gettext
from panel.journeys.taking_back import hold_at_task, rest_after_task
from panel.tasks import operations
from panel.tasks.models import Task
from panel.tasks.operations import Before
from panel.web.addresses import back_url
from panel.web.admin.on_card import Undo, offer_undo

_UNDO = "tasks_undo"
LONGEST = 1_800  # of the seal, in characters: the session's cookie carries it to the next page


def offer_reopen(done: Sequence[int], words: str) -> None:
    """Tasks were closed just now. The runs that stood at them go on when it can no longer be taken back."""
    if not done:
        return
    rows = list(db.session.scalars(select(Task).where(Task.id.in_(done))))
    rest_after_task(
        db.session(), [one.enrolment_id for one in rows if one.is_awaited and one.enrolment_id], clock.now()
    )
    at = max((one.closed_at for one in rows if one.closed_at), default=None)
    _offer({"what": "reopen", "tasks": [one.id for one in rows], "at": at.isoformat() if at else ""}, words)


def offer_put_back(what: str, before: Mapping[int, Mapping[str, Any]], done: Sequence[int], words: str) -> None:
    """Tasks were put off ("snooze") or handed over ("assign"); `before` is how they stood."""
    if not done:
        return
    left = operations.before(db.session(), done, what)[done[0]]
    names = list(left)
    was = [[id_, *(before[id_][name] for name in names)] for id_ in done]
    _offer({"what": what, "tasks": was, "left": [left[name] for name in names], "names": names}, words)


def taken() -> dict[str, str] | None:
    """The offer for the page of tasks; it belongs to the very next look at it."""
    return session.pop(_UNDO, None)


def undo() -> ResponseReturnValue:
    """Take it back, once."""
    try:
        kept: dict[str, Any] = _seal().loads(request.form.get("seal", ""))
    except BadSignature:
        abort(400)
    if kept["user"] != current_user.id:
        abort(403)
    by = By(user_id=current_user.id)
    if kept["what"] == "reopen":
        wanted = kept["tasks"]
        done = operations.reopen(db.session(), _still_closed(wanted, kept["at"]), by=by)
    else:
        wanted = [one[0] for one in kept["tasks"]]
        left = dict(zip(kept["names"], kept["left"], strict=True))
        rows = [Before(id_, dict(zip(kept["names"], was, strict=True)), left) for id_, *was in kept["tasks"]]
        done = operations.put_back(db.session(), rows, kept["what"], by=by)
    db.session.commit()
    if len(done) == len(wanted):
        flash(gettext("Taken back: everything is as it was."), "success")
    elif done:
        flash(gettext("Taken back, except where something has happened in the meantime."), "warning")
    else:
        flash(gettext("Too late: something has happened in the meantime. Nothing was changed."), "warning")
    card = kept.get("card")
    there = url_for("contact_card.index", public_id=card) if card else back_url(url_for("tasks.index"))
    return redirect(there, 303)


def _still_closed(ids: Sequence[int], at: str) -> list[int]:
    """Those that stand as they were closed, and whose runs, if they waited for them, still stand there."""
    query = select(Task).where(Task.id.in_(ids), Task.closed_at == datetime.fromisoformat(at)).order_by(Task.id)
    found = []
    for one in db.session.scalars(query.with_for_update()):
        try:
            if one.is_awaited and one.enrolment_id is not None:
                hold_at_task(db.session(), one.enrolment_id, one.step_id)
        except UserError:
            continue
        found.append(one.id)
    return found


def _offer(kept: dict[str, Any], words: str) -> None:
    """The next page offers it: the page of tasks, or the contact's when the button stood there."""
    card = request.form.get("contact")
    sealed = str(_seal().dumps({**kept, "user": current_user.id, **({"card": card} if card else {})}))
    if len(sealed) > LONGEST:
        flash(words, "success")  # too many for the way back; each can still be changed by hand
    elif card:
        offer_undo(card, Undo(words, url_for("tasks.undo"), "seal", sealed))
    else:
        session[_UNDO] = {"words": words, "seal": sealed}


def _seal() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="tasks-undo")
