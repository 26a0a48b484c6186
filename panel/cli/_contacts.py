"""Finding the contact that somebody means on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.cli._application import fail
from panel.i18n import N_

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from panel.contacts.models import Contact


def contact_named(session: Session, text: str) -> Contact:
    """By our id, public id, customer number, address or name; one line of error when that is not exactly one."""
    from panel.contacts.models import Contact
    from panel.contacts.queries import by_public_id, by_reference, canonical
    from panel.contacts.search import search

    contact = by_public_id(session, text)
    if contact is None and (known := by_reference(session, text)) is not None:
        contact = session.get(Contact, known)
    if contact is None and text.isascii() and text.isdigit() and len(text) < 10:
        contact = session.get(Contact, int(text))
    if contact is not None:
        return session.get(Contact, canonical(session, contact.id)) or contact
    found = search(session, text, limit=4)
    if not found:
        raise fail(N_("No contact is like %(text)s"), text=text)
    if len(found) > 1:
        names = ", ".join(f"{one.name or one.company} ({one.id})" for one in found[:3]) + (" …" if found[3:] else "")
        raise fail(N_("Several contacts are like %(text)s: %(names)s"), text=text, names=names)
    return found[0]
