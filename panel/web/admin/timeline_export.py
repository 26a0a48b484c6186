"""A contact's timeline as a file: CSV, XLSX or PDF, exactly what the filters let through, written to the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask import abort, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from panel import calendars, clock
from panel.calendars import Reader
from panel.db import db, writing
from panel.i18n import gettext, lazy_gettext
from panel.staff.audit import record_audit
from panel.web import exports, pdf
from panel.web.access import requires
from panel.web.admin.on_card import name_of, the_session
from panel.web.admin.pages import PanelView
from panel.web.preferences import current_reader
from panel.web.timeline import asking, saving
from panel.web.timeline import card as cards

PDF_TYPE = "application/pdf"


def kinds() -> tuple[str, ...]:
    """The files that can be made here. A PDF needs the fonts that come with the built browser code."""
    return ("csv", "xlsx", "pdf") if pdf.is_possible() else ("csv", "xlsx")


class TimelineExportView(PanelView):
    """Not in the menu: the links stand on the contact's page, and nobody sees them without the right."""

    action = "contacts.export"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Timeline as a file"), endpoint="timeline_export", url="timeline-file")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        abort(404)

    @expose("/<public_id>.<any(csv, xlsx, pdf):kind>")
    @requires("contacts.export")
    def export(self, public_id: str, kind: str) -> ResponseReturnValue:
        person = cards.person(the_session(), public_id)
        if person is None or kind not in kinds():
            abort(404)
        reader, now = current_reader(), clock.now()
        asked = asking.read(request.args, reader, now.astimezone(reader.zone).date())
        with writing() as session:
            record_audit(
                session, user=current_user, action="exported", subject=f"contact_timeline.{kind}",
                detail={"contact": public_id, "asked": asked.args()},
            )  # fmt: skip
        found = saving.all_items(the_session(), person.ids, asked, reader)
        title = gettext("Timeline of %(name)s", name=name_of(person.contact))
        name = f"{title} {now.astimezone(reader.zone):%Y-%m-%d}.{kind}"
        if kind == "csv":
            # It goes on after this request has ended here: with a session of its own, and nothing of the request.
            return exports.download(_csv(db.engine, person.ids, asked, reader), name, exports.CSV_TYPE)
        if kind == "xlsx":
            body = exports.write_xlsx(saving.columns(reader), saving.rows(found, reader), reader, title)
            return exports.download(body, name, exports.XLSX_TYPE)
        remarks = [one.words for one in asking.chosen(asked, reader, {}, {})]
        remarks.append(gettext("Made on %(when)s by %(who)s. Times are of %(zone)s.",
                               when=calendars.show_moment(now, reader), who=current_user.name or current_user.email,
                               zone=reader.time_zone))  # fmt: skip
        return exports.download(saving.as_pdf(found, reader, title, remarks).body, name, PDF_TYPE)


def _csv(engine: Engine, ids: Sequence[int], asked: asking.Asked, reader: Reader) -> Iterator[bytes]:
    """Piece by piece: ten thousand lines begin to arrive at once and need the memory of a few hundred."""
    with Session(engine) as session:
        found = saving.all_items(session, ids, asked, reader)
        for piece in exports.write_csv(saving.columns(reader), saving.rows(found, reader), reader):
            yield piece.encode()
