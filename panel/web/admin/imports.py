"""Bringing contacts in from a file: upload, how to read it, which column is what, rules, a check, and the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flask import Response, abort, current_app, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy import select

from panel import clock
from panel.contacts.fields import BUILT_IN, FieldInfo
from panel.contacts.models import ContactList
from panel.contacts.queries import custom_fields, region
from panel.db import db
from panel.errors import Problem, UserError
from panel.i18n import N_, current_language, gettext, lazy_gettext
from panel.imports import errorfile, operations, running, undoing
from panel.imports.models import Import
from panel.imports.reading import ENCODINGS, Preview, Reading, Row, preview
from panel.imports.rows import Plan, stored_words
from panel.imports.rules import CONSENT_CHANNELS, EXTRAS, MATCH, SKIP
from panel.jobs import wake
from panel.staff.audit import record_audit
from panel.web.access import requires
from panel.web.admin.pages import PanelView
from panel.web.filters import isolate
from panel.web.forms import ask_first
from panel.web.htmx import is_htmx

CHECKED_AT_ONCE = 20_000
RECENT = 30
ENCODING_WORDS = {
    "utf-8": N_("Unicode (UTF-8)"),
    "utf-16": N_("Unicode (UTF-16)"),
    "cp1255": N_("Hebrew Windows"),
    "cp1256": N_("Persian and Arabic Windows"),
    "cp1252": N_("Western Windows"),
    "iso-8859-8": N_("Hebrew (ISO)"),
    "mac_roman": N_("Old Mac"),
}
SEPARATOR_WORDS = {
    ",": N_("Comma ,"),
    ";": N_("Semicolon ;"),
    "\t": N_("Tab"),
    "|": N_("Bar |"),
}
STATE_WORDS = {
    "uploaded": N_("Not ready yet"),
    "ready": N_("Ready to run"),
    "running": N_("Running"),
    "done": N_("Done"),
    "failed": N_("Stopped by an error"),
    "undoing": N_("Being undone"),
    "undone": N_("Undone"),
}
EXTRA_WORDS = {"tags": N_("Tags"), "lists": N_("Lists"), "note": N_("A note on the timeline")}
NEW_WORDS = {
    "new:text": N_("A new text field"),
    "new:number": N_("A new number field"),
    "new:date": N_("A new date field"),
    "new:yes_no": N_("A new yes or no field"),
}
CHANNEL_WORDS = {"email": N_("Email"), "sms": N_("SMS"), "whatsapp": N_("WhatsApp"), "letter": N_("Letter")}
MATCH_WORDS = {"reference": N_("Your number for them"), "email": N_("Email"), "phone": N_("Phone")}
MODE_WORDS = {
    "both": N_("Add new contacts and update known ones"),
    "create": N_("Only add new contacts"),
    "update": N_("Only update known contacts"),
}


@dataclass(frozen=True)
class Column:
    """One column of the file on the mapping page."""

    number: int
    header: str
    target: str
    samples: list[str]
    stored: list[tuple[str, bool]]  # (words, is it fine)


class ImportsView(PanelView):
    action = "contacts.import"
    section = "people"
    icon = "file-import"
    menu_position = 40

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Import"), endpoint="imports", url="imports")

    # 1. Upload, and what was imported before.

    @expose("/", methods=("GET", "POST"))
    @requires("contacts.import")
    def index(self) -> ResponseReturnValue:
        if request.method == "POST":
            return self._upload()
        tasks = db.session.scalars(select(Import).order_by(Import.id.desc()).limit(RECENT)).all()
        return self.render("imports/index.html", tasks=tasks, state_words=STATE_WORDS)

    def _upload(self) -> ResponseReturnValue:
        sent = request.files.get("file")
        if sent is None or not sent.filename:
            flash(gettext("Choose a file first."), "warning")
            return redirect(url_for(".index"))
        session = db.session()
        try:
            task = operations.bring(
                session, sent.stream, sent.filename, _instance(), language=current_language(), user_id=current_user.id
            )
        except UserError as error:
            session.rollback()
            flash(error.words(current_language()), "danger")
            return redirect(url_for(".index"))
        session.commit()
        return redirect(url_for(".reading", import_id=task.id), 303)

    # 2. How the file is read.

    @expose("/<int:import_id>/reading", methods=("GET", "POST"))
    @requires("contacts.import")
    def reading(self, import_id: int) -> ResponseReturnValue:
        task = _open_task(import_id)
        if request.method == "POST":
            session = db.session()
            try:
                operations.read_as(session, task, _instance(), _reading_choices(task))
            except UserError as error:
                session.rollback()
                flash(error.words(current_language()), "danger")
                return redirect(url_for(".reading", import_id=import_id), 303)
            session.commit()
            return redirect(url_for(".columns", import_id=import_id), 303)
        shown, problem = self._preview(task)
        part = {"task": task, "preview": shown, "problem": problem}
        if is_htmx():
            return render_template("imports/preview.html", **part)
        return self.render(
            "imports/reading.html",
            **part,
            step=2,
            encodings=ENCODING_WORDS | ({} if _known(task) else {task.reading["encoding"]: task.reading["encoding"]}),
            separators=SEPARATOR_WORDS,
        )

    @staticmethod
    def _preview(task: Import) -> tuple[Preview | None, str]:
        try:
            wanted = Reading.of({**task.reading, **_reading_choices(task)})
            return preview(_instance() / task.path, wanted), ""
        except UserError as error:
            return None, error.words(current_language())

    # 3. Where each column goes.

    @expose("/<int:import_id>/columns", methods=("GET", "POST"))
    @requires("contacts.import")
    def columns(self, import_id: int) -> ResponseReturnValue:
        task = _open_task(import_id)
        session = db.session()
        if request.method == "POST":
            chosen = {name[1:]: value for name, value in request.form.items() if name[:1] == "c" and name[1:].isdigit()}
            try:
                operations.map_columns(session, task, _instance(), chosen)
            except UserError as error:
                session.rollback()
                flash(error.words(current_language()), "danger")
                return self._columns_page(task, chosen)
            session.commit()
            return redirect(url_for(".rules", import_id=import_id), 303)
        return self._columns_page(task, task.mapping)

    def _columns_page(self, task: Import, chosen: dict[str, str]) -> ResponseReturnValue:
        if task.reading.get("format") == "csv" and not task.reading.get("encoding"):
            flash(gettext("Choose the encoding first: the one in which the rows below read well."), "warning")
            return redirect(url_for(".reading", import_id=task.id))
        custom = custom_fields(db.session())
        shown = preview(_instance() / task.path, Reading.of(task.reading))
        columns = [
            Column(
                at,
                header,
                chosen.get(str(at), SKIP),
                [row.cells[at] for row in shown.rows if at < len(row.cells) and row.cells[at].strip()][:3],
                _stored(at, chosen.get(str(at), SKIP), shown.rows, custom),
            )
            for at, header in enumerate(shown.headers)
        ]
        return self.render("imports/columns.html", task=task, columns=columns, step=3, groups=_targets(custom))

    @expose("/<int:import_id>/sample")
    @requires("contacts.import")
    def sample(self, import_id: int) -> ResponseReturnValue:
        """The first values of a column as they would be stored; asked when another field is chosen."""
        task = _open_task(import_id)
        at = request.args.get("column", 0, int)
        target = request.args.get(f"c{at}", SKIP)
        shown = preview(_instance() / task.path, Reading.of(task.reading))
        stored = _stored(at, target, shown.rows, custom_fields(db.session()))
        return render_template("imports/stored.html", stored=stored)

    # 4. The rules.

    @expose("/<int:import_id>/rules", methods=("GET", "POST"))
    @requires("contacts.import")
    def rules(self, import_id: int) -> ResponseReturnValue:
        task = _open_task(import_id)
        if not task.mapping:
            return redirect(url_for(".columns", import_id=import_id))
        sent: dict[str, Any] = {}
        if request.method == "POST":
            session = db.session()
            sent = _sent_rules()
            try:
                operations.set_rules(session, task, _instance(), sent)
            except UserError as error:
                session.rollback()
                flash(error.words(current_language()), "danger")
            else:
                session.commit()
                return redirect(url_for(".check", import_id=import_id), 303)
        lists = db.session.scalars(select(ContactList.name).order_by(ContactList.name)).all()
        return self.render(
            "imports/rules.html",
            task=task,
            rules=sent or task.rules,
            step=4,
            lists=lists,
            matches=MATCH_WORDS,
            modes=MODE_WORDS,
            channels=CHANNEL_WORDS,
        )

    # 5. The check, then the run.

    @expose("/<int:import_id>/check")
    @requires("contacts.import")
    def check(self, import_id: int) -> ResponseReturnValue:
        task = _open_task(import_id)
        if task.state != "ready":
            return redirect(url_for(".rules", import_id=import_id))
        try:
            found = running.check(db.session(), task, _instance() / task.path, limit=CHECKED_AT_ONCE)
        except UserError as error:
            flash(error.words(current_language()), "danger")
            return redirect(url_for(".reading", import_id=import_id))
        examples = [(number, _reasons(problems)) for number, problems in found.examples]
        return self.render(
            "imports/check.html",
            task=task,
            found=found,
            examples=examples,
            step=5,
            is_partial=found.rows >= CHECKED_AT_ONCE,
        )

    @expose("/<int:import_id>/run", methods=("POST",))
    @requires("contacts.import")
    def run(self, import_id: int) -> ResponseReturnValue:
        task = _task(import_id)
        session = db.session()
        try:
            operations.start(session, task, rows=request.form.get("rows", 0, int))
        except UserError as error:
            session.rollback()
            flash(error.words(current_language()), "danger")
            return redirect(url_for(".index"), 303)
        record_audit(session, user=current_user, action="import_started", subject=task.file_name)
        session.commit()
        wake("imports", str(import_id))
        return redirect(url_for(".show", import_id=import_id), 303)

    # 6. How it goes, and what came of it.

    @expose("/<int:import_id>")
    @requires("contacts.import")
    def show(self, import_id: int) -> ResponseReturnValue:
        task = _task(import_id)
        if task.state == "uploaded":
            return redirect(url_for(".reading", import_id=import_id))
        if task.state == "ready":
            return redirect(url_for(".check", import_id=import_id))
        now = clock.now()
        context = {
            "task": task,
            "state_words": STATE_WORDS,
            "problem": _words(task.problem),
            "may_undo": undoing.may_undo(task, now),
            "kept": task.reading.get("kept", 0),
            "remaining": undoing.remaining(db.session(), task.id) if task.state == "undoing" else 0,
            "seconds_left": _seconds_left(task, now.timestamp()),
        }
        if is_htmx():
            return render_template("imports/progress.html", **context)
        return self.render("imports/show.html", step=6, **context)

    @expose("/<int:import_id>/errors.csv")
    @requires("contacts.import")
    def errors(self, import_id: int) -> ResponseReturnValue:
        """The refused rows in the file's own columns, with the reasons."""
        task = _task(import_id)
        if task.error_path is None or not (path := _instance() / task.error_path).exists():
            return abort(404)
        stem = Path(task.file_name).stem or "errors"
        response: Response = send_file(
            path, mimetype="text/csv", as_attachment=True, download_name=f"{stem}-{gettext('errors')}.csv"
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    @expose("/<int:import_id>/undo", methods=("POST",))
    @requires("contacts.import")
    def undo(self, import_id: int) -> ResponseReturnValue:
        task = _task(import_id)
        if page := ask_first(
            gettext("Undo this import?"),
            more=gettext("Contacts that it brought are removed, unless something happened with them since."),
            button=gettext("Undo"),
        ):
            return page
        session = db.session()
        try:
            undoing.begin(session, import_id)
        except UserError as error:
            session.rollback()
            flash(error.words(current_language()), "danger")
            return redirect(url_for(".show", import_id=import_id), 303)
        record_audit(session, user=current_user, action="import_undone", subject=task.file_name)
        session.commit()
        wake("imports", str(import_id))
        return redirect(url_for(".show", import_id=import_id), 303)

    @expose("/<int:import_id>/discard", methods=("POST",))
    @requires("contacts.import")
    def discard(self, import_id: int) -> ResponseReturnValue:
        task = _open_task(import_id)
        if page := ask_first(gettext("Drop this file?"), button=gettext("Drop")):
            return page
        operations.discard(db.session(), task, _instance())
        db.session.commit()
        return redirect(url_for(".index"), 303)


def _instance() -> Path:
    folder: Path = current_app.config["PANEL"].instance
    return folder


def _task(import_id: int) -> Import:
    task = db.session.get(Import, import_id)
    return task if task is not None else abort(404)


def _open_task(import_id: int) -> Import:
    """An import that has not run; anybody who comes back to one that has is told so."""
    task = _task(import_id)
    if task.state not in ("uploaded", "ready"):
        abort(redirect(url_for(".show", import_id=import_id)))
    return task


def _reading_choices(task: Import) -> dict[str, Any]:
    """What was chosen on the page, by form or by address; unknown encodings are refused later."""
    found: dict[str, Any] = {
        name: request.values[name] for name in ("encoding", "separator", "sheet") if request.values.get(name)
    }
    if found.get("separator") == "tab":
        found["separator"] = "\t"
    if "encoding" in found and found["encoding"] not in {*ENCODINGS, task.reading.get("encoding")}:
        del found["encoding"]
    header_row = request.values.get("header_row", "", str)
    if header_row.isdigit():
        found["header_row"] = min(int(header_row), 50)
    return found


def _known(task: Import) -> bool:
    return not task.reading.get("encoding") or task.reading["encoding"] in ENCODING_WORDS


def _targets(custom: list[FieldInfo]) -> list[tuple[str, list[tuple[str, str]]]]:
    language = current_language()
    built_in = [(one.name, one.label(language)) for one in BUILT_IN.values() if one.writable]
    groups = [(gettext("Contact"), built_in)]
    if custom:
        groups.append((gettext("Your own fields"), [(one.name, one.label(language)) for one in custom]))
    groups.append((gettext("Also"), [(name, gettext(EXTRA_WORDS[name])) for name in EXTRAS]))
    groups.append(
        (gettext("New field, named like the column"), [(n, gettext(words)) for n, words in NEW_WORDS.items()])
    )
    return groups


def _stored(at: int, target: str, rows: list[Row], custom: list[FieldInfo]) -> list[tuple[str, bool]]:
    """The first three values of a column as they would be stored, or why they would not."""
    if target == SKIP or target.startswith("new:"):
        return []
    plan = Plan({str(at): target}, custom, width=10_000, region=region(db.session()), owners={}, day_order={})
    found: list[tuple[str, bool]] = []
    for row in rows:
        if at < len(row.cells) and row.cells[at].strip():
            person = plan.read(row)
            problems = [one for one in person.problems if one.code != "row_without_person"]
            if problems:
                found.append((_reasons(problems), False))
            else:
                found.append((stored_words(person), True))
        if len(found) == 3:
            break
    return found


def _reasons(problems: list[Problem]) -> str:
    """Reasons for a page: each value isolated, so that an address in a Hebrew sentence does not turn it around."""
    shown = [replace(one, params={n: isolate(v) for n, v in one.params.items()}) for one in problems]
    return errorfile.reasons(shown, current_language())


def _sent_rules() -> dict[str, Any]:
    form = request.form
    lists = [*form.getlist("lists"), *[name.strip() for name in form.get("new_list", "").split(",")]]
    return {
        "match": [name for name in MATCH if name in form.getlist("match")] or list(MATCH),
        "mode": form.get("mode", "both"),
        "lists": [name for name in lists if name],
        "tags": form.get("tags", ""),
        "starts_journeys": form.get("starts_journeys") == "yes",
        "consent": {
            "channels": [name for name in form.getlist("channels") if name in CONSENT_CHANNELS],
            "source": form.get("consent_source", ""),
            "day": form.get("consent_day", ""),
            "wording": form.get("consent_wording", ""),
        }
        if form.getlist("channels")
        else None,
    }


def _words(problem: dict[str, Any] | None) -> str:
    if not problem:
        return ""
    return _reasons([Problem(problem["code"], problem["sentence"], problem.get("params") or {})])


def _seconds_left(task: Import, now: float) -> int | None:
    if task.state != "running" or not task.rows_done or not task.started_at or task.rows_total <= task.rows_done:
        return None
    spent = now - task.started_at.timestamp()
    return round(spent / task.rows_done * (task.rows_total - task.rows_done))
