"""What a colleague should know: their notices, newest first, with the way to what each is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from markupsafe import Markup
from sqlalchemy import select

from panel.contacts.models import Contact
from panel.db import db
from panel.i18n import current_language, lazy_gettext
from panel.staff.models import Notice
from panel.staff.notices import mark_read, notices_of
from panel.web.admin.pages import PanelView
from panel.web.timeline.words import fill, isolated

PAGE = 50
ICONS = {
    "mention": "at",
    "issue": "alert-triangle",
    "task": "checkbox",
    "reminder": "clock",
    "task_cancelled": "circle-x",
    "journey": "route",
}


@dataclass(frozen=True)
class Line:
    id: int
    icon: str
    words: Markup
    at: datetime
    is_new: bool
    contact: str
    contact_url: str | None
    url: str | None


class NoticesView(PanelView):
    """`/admin/notices`, behind the bell in the header. Everybody sees their own, nobody another's."""

    action = "home.view"
    section = None
    icon = "bell"
    lead = lazy_gettext("What colleagues and journeys want you to know.")

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Your notices"), endpoint="notices", url="notices")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        rows = notices_of(db.session(), current_user.id, before=request.args.get("before", type=int), limit=PAGE + 1)
        shown = rows[:PAGE]
        return self.render(
            "notices/list.html",
            lines=_lines(shown),
            older=shown[-1].id if len(rows) > PAGE else None,
            has_new=any(one.read_at is None for one in shown),
        )

    @expose("/read", methods=["POST"])
    def read(self) -> ResponseReturnValue:
        """Mark one of them read, or all of them."""
        one = request.form.get("notice", type=int)
        mark_read(db.session(), current_user.id, None if one is None else [one])
        db.session.commit()
        return redirect(url_for(".index"), 303)


def _lines(notices: list[Notice]) -> list[Line]:
    ids = {one.contact_id for one in notices if one.contact_id is not None}
    rows = db.session.execute(select(Contact.id, Contact.public_id, Contact.name, Contact.company).where(
        Contact.id.in_(ids))) if ids else ()  # fmt: skip
    people = {row.id: row for row in rows}
    language = current_language()
    found = []
    for one in notices:
        person = people.get(one.contact_id or 0)
        values = {name: isolated(value) for name, value in one.params.items()}
        found.append(
            Line(
                one.id,
                ICONS.get(one.kind, "bell"),
                fill(language, one.sentence, values),
                one.at,
                one.read_at is None,
                (person.name or person.company) if person else "",
                url_for("contact_card.index", public_id=person.public_id) if person else None,
                url_for("tasks.index", _anchor=f"task-{one.task_id}") if one.task_id else None,
            )
        )
    return found
