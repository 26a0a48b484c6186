"""What every action on a contact's page needs: who is meant, by whom, the way back, and the offer to take it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import abort, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.models import Contact
from panel.contacts.operations import By
from panel.contacts.queries import canonical
from panel.db import db
from panel.errors import UserError
from panel.i18n import N_, gettext

_UNDO = "contact_undo"


@dataclass(frozen=True)
class Undo:
    """What the next page offers to take back: a form with one field."""

    words: str
    url: str
    field: str
    value: str


def the_session() -> Session:
    return db.session()


def me() -> By:
    return By(source="panel", user_id=current_user.id)


def shown(public_id: str) -> Contact:
    """The contact that is meant, an alias resolved; 404 when there is none, a refusal when it was erased."""
    found = db.session.scalars(select(Contact).where(Contact.public_id == public_id)).first()
    if found is None:
        abort(404)
    if found.merged_into_id is not None:
        found = db.session.get(Contact, canonical(the_session(), found.id)) or found
    if found.erased_at is not None and request.method == "POST":
        raise UserError("contact_erased", N_("This contact was erased; nothing can be done with it any more."))
    return found


def name_of(contact: Contact) -> str:
    return contact.name or contact.company or gettext("Without a name")


def back(public_id: str) -> ResponseReturnValue:
    return redirect(url_for("contact_card.index", public_id=public_id), 303)


def offer_undo(public_id: str, undo: Undo) -> None:
    session[_UNDO] = {"for": public_id, **undo.__dict__}


def take_undo(public_id: str) -> Undo | None:
    """The offer belongs to the very next look at this contact; after that it is gone."""
    kept: dict[str, Any] | None = session.get(_UNDO)
    if not kept or kept.pop("for", None) != public_id:
        return None
    session.pop(_UNDO, None)
    return Undo(**kept)
