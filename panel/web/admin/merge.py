"""Merging two cards of one person: find the other, see what the kept one will have, merge, take it back."""

from __future__ import annotations

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy import select

from panel import clock
from panel.contacts.merging import active_merge, merge, unmerge
from panel.contacts.models import Contact, ContactMerge
from panel.contacts.queries import canonical, custom_fields
from panel.db import db
from panel.errors import UserError
from panel.i18n import N_, gettext, lazy_gettext
from panel.staff.audit import record_audit
from panel.web.admin.merge_preview import found_by, likely_doubles, preview
from panel.web.admin.on_card import Undo, back, me, name_of, offer_undo, shown, the_session
from panel.web.admin.pages import PanelView
from panel.web.again import again
from panel.web.filters import isolate
from panel.web.forms import ask_first
from panel.web.preferences import current_reader

WHY = {"email": N_("the same e-mail"), "phone": N_("the same telephone"), "name": N_("the same name")}


class MergeView(PanelView):
    action = "contacts.merge"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Merge"), endpoint="merge", url="merge")

    @expose("/")
    def root(self) -> ResponseReturnValue:
        return redirect(url_for("contacts.index_view"))

    @expose("/<public_id>")
    def find(self, public_id: str) -> ResponseReturnValue:
        """Which card is the same person?"""
        contact, text = shown(public_id), request.args.get("q", "").strip()
        return self.render(
            "contact/merge/find.html",
            contact=contact,
            name=name_of(contact),
            text=text,
            found=found_by(the_session(), contact, text) if text else [],
            likely=likely_doubles(the_session(), contact),
            why=WHY,
        )

    @expose("/<public_id>/with/<other_id>", methods=["GET", "POST"])
    def together(self, public_id: str, other_id: str) -> ResponseReturnValue:
        """Both side by side, with the choice of every value; sent, they become one."""
        kept, merged = _card(public_id), _card(other_id)
        ids = {canonical(the_session(), kept.id), canonical(the_session(), merged.id)}
        if len(ids) == 1:
            flash(gettext("These two are one already."), "info")
            return redirect(url_for("contact_card.card", contact_id=ids.pop()), 303)
        kept, merged = shown(public_id), shown(other_id)
        if request.method == "POST":
            return self._merge(kept, merged)
        return self.render(
            "contact/merge/preview.html",
            kept=kept,
            merged=merged,
            kept_name=name_of(kept),
            merged_name=name_of(merged),
            preview=preview(the_session(), kept, merged, current_reader()),
        )

    def _merge(self, kept: Contact, merged: Contact) -> ResponseReturnValue:
        name, public_id, ids = name_of(merged), kept.public_id, (kept.id, merged.id)
        chosen = {one.removeprefix("take-") for one, value in request.form.items() if value == "other"}
        take = sorted(chosen - _hidden())
        detail = {"merged": merged.public_id}

        def once() -> bool:
            done = merge(the_session(), *ids, take=take, by=me())
            return done and _audited("contacts_merged", public_id, detail)

        if again(once):
            found = active_merge(the_session(), ids[1])
            if found is not None:
                said = gettext("%(name)s was merged in. It can be undone for 30 days.", name=isolate(name))
                offer_undo(public_id, Undo(said, url_for(".undo", merge_id=found.id), "confirmed", "1"))
        return back(public_id)

    @expose("/undo/<int:merge_id>", methods=["POST"])
    def undo(self, merge_id: int) -> ResponseReturnValue:
        """Two cards again, each with what was its own; what came since stays with whom it belongs."""
        found = db.session.get(ContactMerge, merge_id)
        if found is None:
            abort(404)
        kept = db.session.get(Contact, found.kept_id)
        merged = db.session.get(Contact, found.merged_id)
        if kept is None or merged is None:
            abort(404)
        question = gettext("Make two cards of these again?")
        more = gettext("Each gets back what it had before the merge. What came since stays on the card that was kept.")
        if page := ask_first(question, button=gettext("Undo the merge"), more=more):
            return page
        public_id, merged_id, detail = kept.public_id, merged.id, {"merged": merged.public_id}

        def once() -> bool:
            done = unmerge(the_session(), merged_id, by=me(), now=clock.now())
            return done and _audited("contacts_parted", public_id, detail)

        if again(once):
            flash(gettext("They are two cards again, each with what was its own."), "success")
        return back(public_id)


def _audited(action: str, subject: str, detail: dict[str, str]) -> bool:
    record_audit(the_session(), user=current_user._get_current_object(), action=action, subject=subject, detail=detail)
    return True


def _hidden() -> set[str]:
    """Fields between which this colleague cannot choose, because the values are not for their eyes."""
    if current_reader().sees_amounts:
        return set()
    return {one.name for one in custom_fields(the_session()) if one.type == "money"}


def _card(public_id: str) -> Contact:
    """The very card, alias or not."""
    found = db.session.scalars(select(Contact).where(Contact.public_id == public_id)).first()
    if found is None:
        abort(404)
    if found.erased_at is not None:
        raise UserError("contact_erased", N_("This contact was erased; nothing can be done with it any more."))
    return found
