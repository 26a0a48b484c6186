"""One contact on one page: who they are, everything that happened, what comes next, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import SimpleNamespace
from typing import Any

from flask import Response, abort, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from markupsafe import Markup
from sqlalchemy import select

from panel import clock
from panel.contacts import operations
from panel.contacts.models import Contact, ContactList, ListMember, Tag
from panel.contacts.queries import aliases, canonical
from panel.db import db
from panel.i18n import LANGUAGES, current_language, gettext, lazy_gettext
from panel.journeys import reasons
from panel.journeys.by_hand import journeys_to_start, retry, take_out
from panel.journeys.models import Enrolment
from panel.journeys.taking_back import start_for_now
from panel.staff.mentions import tell_mentioned
from panel.timeline.queries import Cursor
from panel.web.access import requires
from panel.web.admin import tasks
from panel.web.admin.on_card import Undo, back, me, name_of, offer_undo, shown, take_undo, the_session
from panel.web.admin.pages import PanelView
from panel.web.admin.timeline_export import kinds as export_kinds
from panel.web.filters import isolate
from panel.web.forms import ask_first
from panel.web.preferences import current_reader
from panel.web.timeline import asking, items, queries, upcoming, words
from panel.web.timeline import card as cards
from panel.web.timeline.bar import bar
from panel.web.timeline.beside import beside
from panel.web.timeline.reach import reachable
from panel.web.timeline.saving import PDF_ITEMS
from panel.web.timeline.steps import short_path, step_sentence
from panel.web.timeline.why import answers, journeys_to_ask


class ContactCardView(PanelView):
    """`/admin/contact/<public id>`. Never in the menu: one comes here from a list, a search, a link."""

    action = "contacts.view"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Contact"), endpoint="contact_card", url="contact")

    # Looking.

    @expose("/")
    def root(self) -> ResponseReturnValue:
        return redirect(url_for("contacts.index_view"))

    @expose("/<public_id>")
    def index(self, public_id: str) -> ResponseReturnValue:
        person = cards.person(the_session(), public_id)
        if person is None:
            abort(404)
        if person.contact.merged_into_id is not None:
            return redirect(_url_of_shown(person.contact))
        before, reader, now = _cursor("before"), current_reader(), clock.now()
        today = now.astimezone(reader.zone).date()
        asked = asking.read(request.args, reader, today)
        go, go_problem = asking.read_go(request.args.get("go", ""), reader, today)
        if go is not None:
            return redirect(url_for(".index", public_id=public_id, before=str(go), **asked.args()))
        page = queries.load(
            the_session(), person.ids, asked=asked, reader=reader, before=before, with_pending=before is None
        )
        card = cards.card(the_session(), person, now)
        todo, hands = tasks.of_contact(the_session(), person.ids, now)
        return self.render(
            "contact/card.html",
            contact=person.contact,
            owner=person.owner,
            came=_came(card.came, reader.language),
            merged_names=person.merged_names,
            addresses=card.addresses,
            tags=card.tags,
            lists=card.lists,
            by_hand=beside(card.rows, person.contact, reader),
            channels=reachable(card.addresses, card.decisions, reader),
            runs=[_run(run, reader.language) for run in card.inside],
            tasks=todo,
            hands=hands,
            snoozes=tasks.SNOOZES,
            reminders=tasks.REMINDERS,
            coming=upcoming.coming_up(page.pending, card.inside, reader, todo) if before is None else [],
            days=items.by_day(
                items.build(page.lines, page.facts, reader, without_machines=asked.no_machines), reader, now
            ),
            older=page.older,
            newest=page.newest,
            under=_day("under"),
            before=before,
            go_problem=go_problem,
            export_kinds=export_kinds(),
            pdf_items=PDF_ITEMS,
            **bar(asked, reader, card.journeys, hands),
            languages=LANGUAGES,
            now=now,
            reader=reader,
            undo=take_undo(public_id),
            edit_url=_edit_url(person.contact),
            as_sent_url=as_sent_url,
        )

    @expose("/id/<int:contact_id>")
    def card(self, contact_id: int) -> ResponseReturnValue:
        """The same page by our own number, for links made where only that is known."""
        contact = db.session.get(Contact, contact_id)
        if contact is None:
            abort(404)
        return redirect(url_for(".index", public_id=contact.public_id))

    @expose("/<public_id>/news")
    def news(self, public_id: str) -> ResponseReturnValue:
        """What came after the place the page knows: nothing (204), or a pill that says how many."""
        after = _cursor("after")
        if after is None:
            abort(400)
        person = cards.person(the_session(), public_id)
        if person is None:
            abort(404)
        reader = current_reader()
        asked = asking.read(request.args, reader, clock.now().astimezone(reader.zone).date())
        count = queries.count_newer(the_session(), person.ids, after, asked=asked, reader=reader)
        if not count:
            return Response(status=204)
        url = url_for(".index", public_id=public_id, **asked.args())
        return render_template("timeline/news.html", count=count, url=url)

    @expose("/<public_id>/why")
    @requires("journeys.view")
    def why(self, public_id: str) -> ResponseReturnValue:
        """Why something did or did not happen: every journey with its answer, from what was recorded at the time."""
        contact = shown(public_id)
        chosen = request.args.get("journey")
        return self.render(
            "contact/why.html",
            contact=contact,
            name=name_of(contact),
            answers=answers(the_session(), aliases(the_session(), contact.id), chosen, current_reader()),
            chosen=chosen,
            journeys=journeys_to_ask(the_session()),
            back=url_for(".index", public_id=public_id),
        )

    @expose("/tag-names")
    def tag_names(self) -> ResponseReturnValue:
        return jsonify(options=list(db.session.scalars(select(Tag.name).order_by(Tag.name).limit(500))))

    # Doing. Each answers with the card again; the browser code swaps it in without a jump.

    @expose("/<public_id>/notes", methods=["POST"])
    @requires("notes.write")
    def add_note(self, public_id: str) -> ResponseReturnValue:
        contact = shown(public_id)
        id_ = operations.add_note(the_session(), contact.id, request.form.get("text", ""), by=me())
        if id_ is not None:
            url = url_for("card_notes.act", public_id=public_id, event_id=id_, what="take_back")
            offer_undo(public_id, Undo(gettext("The note was saved."), url, "again", "1"))
        text = request.form.get("text", "")
        told = tell_mentioned(the_session(), text, contact_id=contact.id, event_id=id_, by_id=current_user.id)
        db.session.commit()
        for name in told.absent:
            flash(gettext("%(name)s was not told: nobody here is called that.", name=isolate(f"@{name}")), "warning")
        return back(public_id)

    @expose("/<public_id>/tags/add", methods=["POST"])
    @requires("contacts.edit")
    def add_tag(self, public_id: str) -> ResponseReturnValue:
        contact = shown(public_id)
        tag = request.form.get("tag", "")
        if operations.add_tag(the_session(), contact.id, tag, by=me()):
            said = gettext("The tag %(tag)s was added.", tag=isolate(tag.strip()))
            offer_undo(public_id, Undo(said, url_for(".remove_tag", public_id=public_id), "tag", tag))
        db.session.commit()
        return back(public_id)

    @expose("/<public_id>/tags/remove", methods=["POST"])
    @requires("contacts.edit")
    def remove_tag(self, public_id: str) -> ResponseReturnValue:
        contact = shown(public_id)
        tag = request.form.get("tag", "")
        if operations.remove_tag(the_session(), contact.id, tag, by=me()):
            said = gettext("The tag %(tag)s was taken away.", tag=isolate(tag))
            offer_undo(public_id, Undo(said, url_for(".add_tag", public_id=public_id), "tag", tag))
        db.session.commit()
        return back(public_id)

    @expose("/<public_id>/lists/join", methods=["GET", "POST"])
    @requires("contacts.edit")
    def join(self, public_id: str) -> ResponseReturnValue:
        contact = shown(public_id)
        if request.method == "POST":
            name = request.form.get("list", "")
            if operations.join_list(the_session(), contact.id, name, by=me()):
                said = gettext("Put on the list %(list)s.", list=isolate(name))
                offer_undo(public_id, Undo(said, url_for(".leave_list", public_id=public_id), "list", name))
            db.session.commit()
            return back(public_id)
        mine = set(db.session.scalars(select(ListMember.list_id).where(ListMember.contact_id == contact.id)))
        rows = db.session.execute(select(ContactList.id, ContactList.name, ContactList.description))
        known = sorted((row for row in rows if row.id not in mine), key=lambda row: row.name.casefold())
        return self.render(
            "contact/choose.html",
            heading=gettext("Put on a list"),
            name=name_of(contact),
            back=url_for(".index", public_id=public_id),
            question=gettext("Which list?"),
            field="list",
            choices=[(row.name, row.name, row.description) for row in known],
            button=gettext("Put on this list"),
            empty=gettext("There is no other list"),
            empty_more=gettext("Lists are made on the page of lists."),
            empty_icon="list",
        )

    @expose("/<public_id>/lists/leave", methods=["POST"])
    @requires("contacts.edit")
    def leave_list(self, public_id: str) -> ResponseReturnValue:
        contact = shown(public_id)
        name = request.form.get("list", "")
        if operations.leave_list(the_session(), contact.id, name, by=me()):
            said = gettext("Taken off the list %(list)s. This is not an opt-out.", list=isolate(name))
            offer_undo(public_id, Undo(said, url_for(".join", public_id=public_id), "list", name))
        db.session.commit()
        return back(public_id)

    @expose("/<public_id>/start", methods=["GET", "POST"])
    @requires("journeys.start")
    def start(self, public_id: str) -> ResponseReturnValue:
        """Start a journey for this contact by hand: which one, then the same gates as any other start."""
        contact = shown(public_id)
        if request.method == "POST":
            outcome = start_for_now(the_session(), contact.id, request.form.get("journey", ""), user_id=current_user.id)
            db.session.commit()  # a refused start is recorded too
            if outcome.code == "entered":
                said = gettext("The journey has started for this contact.")
                if "restarted" in outcome.detail:  # the run before it was ended; that is not taken back
                    flash(said, "success")
                    return back(public_id)
                run = outcome.enrolment_id
                undo = url_for("contact_run.act", public_id=public_id, enrolment_id=run, what="undo_start")
                offer_undo(public_id, Undo(said, undo, "confirmed", "1"))
                return back(public_id)
            why = reasons.entry_words(outcome.code, current_language())
            flash(gettext("The journey did not start: %(reason)s", reason=why), "warning")
            return redirect(url_for(".start", public_id=public_id), 303)
        return self.render(
            "contact/choose.html",
            heading=gettext("Start a journey"),
            name=name_of(contact),
            back=url_for(".index", public_id=public_id),
            question=gettext("Which journey?"),
            field="journey",
            choices=[(id_, name, "") for id_, name in journeys_to_start(the_session())],
            button=gettext("Start the journey"),
            empty=gettext("No journey can be started by hand"),
            empty_more=gettext("A live journey with “manual: yes” under start_when appears here."),
            empty_icon="route",
        )

    @expose("/<public_id>/runs/<int:enrolment_id>/<any(retry, take_out):what>", methods=["POST"])
    @requires("journeys.start")
    def run(self, public_id: str, enrolment_id: int, what: str) -> ResponseReturnValue:
        """Let a run that stands still try again, or take the contact out of the journey."""
        contact = shown(public_id)
        run = db.session.get(Enrolment, enrolment_id)
        if run is None or run.contact_id not in aliases(the_session(), contact.id):
            abort(404)
        if what == "retry":
            retry(the_session(), [enrolment_id])
        else:
            question = gettext("Take this contact out of the journey?")
            more = gettext("What was still planned in it will not be sent. The timeline keeps what happened.")
            if page := ask_first(question, button=gettext("Take out"), more=more):
                return page
            take_out(the_session(), enrolment_id, user_id=current_user.id)
        db.session.commit()
        return back(public_id)


def as_sent_url(message_id: int) -> str:
    """The page that shows a message exactly as it went out, in a frame that reports nothing."""
    return url_for("as_sent.index", message_id=message_id)


def _cursor(name: str) -> Cursor | None:
    text = request.args.get(name)
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except ValueError:
        abort(400)


def _day(name: str) -> date | None:
    try:
        return date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None


def _url_of_shown(contact: Contact) -> str:
    shown = db.session.get(Contact, canonical(the_session(), contact.id))
    return url_for(".index", public_id=shown.public_id if shown else contact.public_id)


def _came(data: Mapping[str, Any], language: str) -> Markup | None:
    """How the contact came to us, in words; with the file it stood in."""
    if not data.get("how"):
        return None
    detail = data.get("detail")
    file = detail.get("file") or detail.get("page") if isinstance(detail, Mapping) else None
    how = words.isolated(words.how_words(str(data["how"]), language))
    return how + Markup(" (") + words.isolated(file) + Markup(")") if file else how


def _edit_url(contact: Contact) -> str | None:
    if "contacts.edit_view" not in current_app.view_functions:
        return None
    return url_for("contacts.edit_view", id=contact.id, url=url_for("contact_card.index", public_id=contact.public_id))


def _run(run: cards.Inside, language: str) -> SimpleNamespace:
    return SimpleNamespace(
        journey_id=run.journey_id,
        name=run.name,
        status=run.status,
        step=step_sentence(run.resolved, run.step_id, language),
        enrolment_id=run.enrolment_id,
        at=None if run.wait.get("kind") == "task" else run.due_at,  # it looks once a day; that is no news
        path=short_path(run, language),
    )
