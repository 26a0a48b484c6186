"""Notes on a contact's page after they were written: corrected, taken back, brought back, pinned."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user

from panel.contacts import notes
from panel.contacts.queries import aliases
from panel.db import db
from panel.errors import UserError
from panel.i18n import current_language, gettext, lazy_gettext
from panel.staff.mentions import tell_mentioned
from panel.web.access import allowed
from panel.web.admin.on_card import Undo, back, me, name_of, offer_undo, shown, the_session
from panel.web.admin.pages import PanelView


class CardNotesView(PanelView):
    action = "notes.write"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Notes"), endpoint="card_notes", url="card-notes")

    @expose("/")
    def root(self) -> ResponseReturnValue:
        return redirect(url_for("contacts.index_view"))

    @expose("/<public_id>/<int:event_id>", methods=["GET", "POST"])
    def change(self, public_id: str, event_id: int) -> ResponseReturnValue:
        """Correct one's own note; what it said before stays in its details."""
        contact = shown(public_id)
        ids = aliases(the_session(), contact.id)
        note = notes.find_note(the_session(), ids, event_id)
        text, before, problem = str(note.data.get("text", "")), str(note.data.get("text", "")), ""
        if request.method == "POST":
            text = request.form.get("text", "")
            try:
                changed = notes.change_note(the_session(), ids, event_id, text, by=me(), may_all=_may_all())
            except UserError as error:
                db.session.rollback()
                problem = error.words(current_language())
            else:
                if changed:
                    again = url_for(".change", public_id=public_id, event_id=event_id)
                    offer_undo(public_id, Undo(gettext("The note was changed."), again, "text", before))
                    # Whoever is mentioned now and was not before; nobody is told twice of one note.
                    tell_mentioned(the_session(), text, contact_id=contact.id, event_id=event_id, by_id=current_user.id)
                db.session.commit()
                return back(public_id)
        page = self.render(
            "contact/edit/page.html", contact=contact, name=name_of(contact), part="contact/edit/note.html",
            heading=gettext("Change the note"), card=url_for("contact_card.index", public_id=public_id),
            event_id=event_id, text=text, problem=problem,
        )  # fmt: skip
        return page, 422 if problem else 200

    @expose("/<public_id>/<int:event_id>/<any(take_back, bring_back, pin, unpin):what>", methods=["POST"])
    def act(self, public_id: str, event_id: int, what: str) -> ResponseReturnValue:
        contact, session = shown(public_id), the_session()
        ids = aliases(session, contact.id)
        if what == "take_back":
            done = notes.take_back(session, ids, event_id, by=me(), may_all=_may_all())
            said, again = gettext("The note was taken back."), "bring_back"
        elif what == "bring_back":
            done, said, again = notes.bring_back(session, ids, event_id, by=me(), may_all=_may_all()), "", ""
        else:
            done = notes.pin_note(session, ids, event_id, what == "pin")
            said = gettext("The note is pinned.") if what == "pin" else gettext("The note is not pinned any more.")
            again = "unpin" if what == "pin" else "pin"
        if done and again:
            url = url_for(".act", public_id=public_id, event_id=event_id, what=again)
            offer_undo(public_id, Undo(said, url, "again", "1"))
        db.session.commit()
        return back(public_id)


def _may_all() -> bool:
    """An owner may correct what a colleague who left has written."""
    return allowed("contacts.erase")
