"""What is to be done: my tasks and the team's; doing, handing over, putting off, giving new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from panel import clock
from panel.calendars import show_moment
from panel.contacts.models import Contact
from panel.contacts.origin import By
from panel.contacts.queries import aliases, canonical
from panel.dates import read_moment
from panel.db import db
from panel.errors import UserError
from panel.i18n import LOCALES, N_, current_language, gettext, lazy_gettext, ngettext
from panel.journeys.models import Journey
from panel.staff.mentions import tell_mentioned
from panel.staff.people import Colleague, Directory, Meant
from panel.staff.rules import ROLE_LABELS, RoleName
from panel.tasks import operations, queries
from panel.tasks.models import Task
from panel.tasks.operations import NewTask
from panel.web.access import requires
from panel.web.addresses import back_url
from panel.web.admin import tasks_undo
from panel.web.admin.pages import PanelView
from panel.web.filters import isolate
from panel.web.mentioned import directory
from panel.web.preferences import current_reader
from panel.web.timeline import items
from panel.web.timeline import queries as timeline
from panel.web.timeline.words import reason_words

VIEWS = (
    ("mine", N_("Mine")),
    ("team", N_("Team")),
    ("overdue", N_("Overdue")),
    ("today", N_("Today")),
    ("week", N_("Next 7 days")),
    ("done", N_("Closed")),
)
EMPTY = {
    "mine": N_("When a colleague or a journey gives you a task, it stands here."),
    "team": N_("Nobody has an open task."),
    "overdue": N_("You are late with nothing."),
    "today": N_("Nothing more is waiting for you today."),
    "week": N_("Nothing is waiting for you in the next seven days."),
    "done": N_("Tasks that were done or taken back will stand here."),
}
SNOOZES = (
    ("hour", N_("In an hour")),
    ("tomorrow", N_("Tomorrow at 9:00")),
    ("workday", N_("Next working day at 9:00")),
    ("week", N_("In a week at 9:00")),
)
REMINDERS = (("0", N_("when it is due")), ("60", N_("an hour before")), ("1440", N_("a day before")))
MORNING = 9
LAST = 5  # things that a preview shows


@dataclass(frozen=True)
class Line:
    """One task as the page shows it. `who` are the words for its hands, `why` where it came from."""

    task: Task
    contact: str
    contact_url: str | None
    who: str
    is_mine: bool
    from_person: str
    from_journey: str
    closed_by: str
    wanted_at: datetime | None
    is_late: bool
    outcome_words: str


class TasksView(PanelView):
    action = "tasks.view"
    section = ""
    icon = "checkbox"
    menu_position = 10

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Tasks"), endpoint="tasks", url="tasks")

    def menu_query(self) -> Select[int]:
        return queries.waiting_query(_me(), clock.now())

    @expose("/")
    def index(self) -> ResponseReturnValue:
        view = request.args.get("view", "mine")
        if view not in queries.VIEWS:
            view = "mine"
        now = clock.now()
        people = directory()
        tasks = queries.tasks_of(_session(), _me(), view, now)
        return self.render(
            "tasks/list.html",
            view=view,
            views=VIEWS,
            counts=queries.counts(_session(), _me(), now),
            lines=lines(_session(), tasks, people, now),
            empty=EMPTY[view],
            snoozes=SNOOZES,
            hands=hands(people),
            undo=tasks_undo.taken(),
            now=now,
        )

    @expose("/<int:task_id>/<any(done, cancel, reopen, assign, snooze):what>", methods=["POST"])
    @requires("tasks.edit")
    def change(self, task_id: int, what: str) -> ResponseReturnValue:
        """One button of a task was pressed. Pressing twice changes once."""
        by, words = By(user_id=current_user.id), request.form.get("outcome", "")
        if what == "done":
            done = operations.complete(_session(), [task_id], outcome=words, by=by)
            tasks_undo.offer_reopen(done, gettext("Done."))
        elif what == "cancel":
            done = operations.cancel(_session(), [task_id], reason=words, by=by)
            tasks_undo.offer_reopen(done, gettext("The task was taken back."))
        elif what == "reopen":
            done = operations.reopen(_session(), [task_id], by=by)
        elif what == "assign":
            done = _hand_over([task_id], by)
        else:
            done = _put_off([task_id], by)
        db.session.commit()
        if not done and what != "assign":
            flash(gettext("Somebody was quicker: the task has changed already."), "warning")
        return redirect(back_url(url_for(".index")), 303)

    @expose("/many/<any(done, reopen, assign, snooze):what>", methods=["POST"])
    @requires("tasks.edit")
    def many(self, what: str) -> ResponseReturnValue:
        """The same for all that were ticked."""
        ids = [int(one) for one in request.form.getlist("task")[: queries.PAGE] if one.isdigit()]
        by = By(user_id=current_user.id)
        if not ids:
            flash(gettext("Tick the tasks first."), "warning")
        elif what == "done":
            done = operations.complete(_session(), ids, by=by)
            tasks_undo.offer_reopen(done, ngettext("One task is done.", "%(n)s tasks are done.", len(done)))
        elif what == "reopen":
            operations.reopen(_session(), ids, by=by)
        elif what == "assign":
            _hand_over(ids, by)
        else:
            _put_off(ids, by)
        db.session.commit()
        return redirect(back_url(url_for(".index")), 303)

    @expose("/undo", methods=["POST"])
    @requires("tasks.edit")
    def undo(self) -> ResponseReturnValue:
        """Take back what was just done with tasks."""
        return tasks_undo.undo()

    @expose("/<int:task_id>/preview")
    @requires("contacts.view")
    def preview(self, task_id: int) -> ResponseReturnValue:
        """The last things that happened with the contact, so that the call can start."""
        task = db.session.get(Task, task_id)
        if task is None:
            abort(404)
        ids = aliases(_session(), canonical(_session(), task.contact_id))
        reader = current_reader()
        page = timeline.load(_session(), ids, reader=reader, limit=LAST)
        return render_template("tasks/preview.html", items=items.build(page.lines, page.facts, reader)[:LAST])

    @expose("/new", methods=["POST"])
    @requires("tasks.edit")
    def new(self) -> ResponseReturnValue:
        """Give a task about a contact (the form is on the contact's page)."""
        contact = db.session.scalars(
            select(Contact).where(Contact.public_id == request.form.get("contact", ""))
        ).first()
        if contact is None:
            abort(404)
        if contact.erased_at is not None:
            raise UserError("contact_erased", N_("This contact was erased; nothing can be done with it any more."))
        due = _moment(request.form.get("due", ""))
        before = timedelta(minutes=request.form.get("remind", 0, int))
        text = request.form.get("text", "")
        id_ = operations.create_task(
            _session(),
            NewTask(
                canonical(_session(), contact.id),
                request.form.get("title", ""),
                text,
                _meant(request.form.get("who", "")),
                due,
                max(due - before, clock.now()) if due else None,
            ),
            by=By(user_id=current_user.id),
        )
        told = tell_mentioned(_session(), text, contact_id=contact.id, task_id=id_, by_id=current_user.id)
        db.session.commit()
        if due:  # what was understood, also for who saw no echo beneath the field
            when = isolate(show_moment(due, current_reader()))
            flash(gettext("The task is given, due %(when)s.", when=when), "success")
        for name in told.absent:
            flash(gettext("%(name)s was not told: nobody here is called that.", name=isolate(f"@{name}")), "warning")
        return redirect(back_url(url_for(".index")), 303)


def lines(session: Session, tasks: Sequence[Task], directory: Directory, now: datetime) -> list[Line]:
    people = queries.people_of(session, tasks)
    names = journey_names(session, tasks)
    found = []
    for one in tasks:
        person = people.get(one.contact_id)
        found.append(
            _line(
                one,
                directory,
                now,
                contact=(person.name or person.company) if person else "",
                contact_url=url_for("contact_card.index", public_id=person.public_id) if person else None,
                journey=names.get(one.journey_id or "", one.journey_id or ""),
            )
        )
    return found


def _line(
    one: Task,
    directory: Directory,
    now: datetime,
    *,
    contact: str = "",
    contact_url: str | None = None,
    journey: str = "",
) -> Line:
    wanted = one.snoozed_until or one.due_at
    return Line(
        one,
        contact,
        contact_url,
        hands_words(one, directory),
        one.assignee_id == current_user.id,
        _shown(directory.everybody.get(one.created_by or 0)),
        journey,
        _shown(directory.everybody.get(one.closed_by or 0)),
        wanted,
        one.state == "open" and wanted is not None and wanted < now,
        reason_words(one.outcome, current_language()),
    )


def of_contact(session: Session, contact_ids: Sequence[int], now: datetime) -> tuple[list[Line], list[tuple[str, str]]]:
    """The open tasks about one person, and whom new ones can be given to."""
    people = directory()
    open_ones = queries.open_of_contact(session, contact_ids)
    return [_line(one, people, now) for one in open_ones], hands(people)


def journey_names(session: Session, tasks: Sequence[Task]) -> Mapping[str, str]:
    ids = {one.journey_id for one in tasks if one.journey_id}
    if not ids:
        return {}
    rows: Any = session.execute(select(Journey.id, Journey.name).where(Journey.id.in_(ids)))
    return {id_: name for id_, name in rows}


def hands_words(task: Task, directory: Directory) -> str:
    """Whom a task is for: a colleague's name, or the role."""
    if task.assignee_id is not None:
        one = directory.everybody.get(task.assignee_id)
        if one is not None and one.active:
            return one.shown
        return gettext("%(name)s, who left", name=_shown(one))
    return gettext(ROLE_LABELS[RoleName(task.assignee_role or RoleName.OWNER)])


def hands(directory: Directory) -> list[tuple[str, str]]:
    """Whom a task can be given to: (value of the form, words), oneself first."""
    active = [one for one in directory.everybody.values() if one.active]
    active.sort(key=lambda one: (one.id != current_user.id, one.shown.casefold()))
    people = [(f"user:{one.id}", gettext("Me") if one.id == current_user.id else one.shown) for one in active]
    roles = [(f"role:{role.value}", gettext("Everybody: %(role)s", role=gettext(ROLE_LABELS[role])))
             for role in RoleName if role != RoleName.VIEWER]  # fmt: skip
    return people + roles


def _meant(value: str) -> Meant:
    kind, _, rest = value.partition(":")
    if kind == "user" and rest.isdigit():
        one = directory().everybody.get(int(rest))
        if one is not None and one.active:
            return Meant(user_id=one.id)
    if kind == "role" and rest in {role.value for role in RoleName}:
        return Meant(role=rest)
    if not value:
        return Meant(user_id=current_user.id)
    raise UserError("assignee_unknown", N_("There is no such colleague"))


def _snooze_until() -> datetime:
    """The moment that was chosen, on the clock of whoever chose it."""
    wanted, now = request.form.get("until", ""), clock.now()
    if wanted == "hour":
        return now + timedelta(hours=1)
    if wanted in ("tomorrow", "week"):
        there = now.astimezone(_zone()) + timedelta(days=1 if wanted == "tomorrow" else 7)
        return there.replace(hour=MORNING, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
    if wanted == "workday":
        return next_working_day(now, _zone(), current_language())
    return _moment(wanted) or now


def next_working_day(now: datetime, zone: ZoneInfo, language: str) -> datetime:
    """Nine o'clock on the next day that is no weekend where this language is read (he: Friday and Saturday, fa: Friday,
    en: Saturday and Sunday)."""
    locale = Locale.parse(LOCALES[language])
    first, last = locale.weekend_start, locale.weekend_end
    off = {(first + n) % 7 for n in range((last - first) % 7 + 1)}
    there = now.astimezone(zone) + timedelta(days=1)
    while there.weekday() in off:
        there += timedelta(days=1)
    return there.replace(hour=MORNING, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def _comes_back(until: datetime) -> str:
    return gettext("Put off until %(when)s. It comes back with a reminder.", when=show_moment(until, current_reader()))


def _moment(text: str) -> datetime | None:
    """What somebody wrote for a moment ("tomorrow 9:00", "1405/9/1"), meant on their own clock and calendar."""
    return read_moment(text, current_reader(), clock.now()) if text.strip() else None


def _put_off(ids: Sequence[int], by: By) -> list[int]:
    until, before = _snooze_until(), operations.before(_session(), ids, "snooze")
    done = operations.snooze(_session(), ids, until, by=by)
    tasks_undo.offer_put_back("snooze", before, done, _comes_back(until))
    return done


def _hand_over(ids: Sequence[int], by: By) -> list[int]:
    who, before = _meant(request.form.get("who", "")), operations.before(_session(), ids, "assign")
    done = operations.assign(_session(), ids, who, by=by)
    name = operations.shown(who, directory())
    words = gettext(ROLE_LABELS[RoleName(name)]) if who.user_id is None else name
    tasks_undo.offer_put_back("assign", before, done, gettext("Handed over to %(name)s.", name=isolate(words)))
    return done


def _zone() -> ZoneInfo:
    return ZoneInfo(current_user.time_zone)


def _shown(one: Colleague | None) -> str:
    return one.shown if one is not None else ""


def _session() -> Session:
    return db.session()


def _me() -> Any:
    return current_user._get_current_object()
