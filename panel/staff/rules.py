"""Who may do what. Pure: a role and the name of an action in, yes or no out.

A button that a role may not use is absent from the page; hiding is not protection, so every view asks here again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from panel.i18n import N_


class RoleName(StrEnum):
    OWNER = "owner"
    MARKETING = "marketing"
    SUPPORT = "support"
    VIEWER = "viewer"


ROLE_LABELS = {
    RoleName.OWNER: N_("Owner"),
    RoleName.MARKETING: N_("Marketing"),
    RoleName.SUPPORT: N_("Support"),
    RoleName.VIEWER: N_("Viewer"),
}
ROLE_SENTENCES = {
    RoleName.OWNER: N_("Everything, including users, plugins and erasing a contact."),
    RoleName.MARKETING: N_("Contacts, journeys, templates and imports; no users, no plugins."),
    RoleName.SUPPORT: N_("Contacts, notes and single messages; no publishing, no exports."),
    RoleName.VIEWER: N_("Looks at everything about contacts and journeys, changes nothing."),
}

_O, _M, _S, _V = RoleName.OWNER, RoleName.MARKETING, RoleName.SUPPORT, RoleName.VIEWER
_EVERYBODY = frozenset({_O, _M, _S, _V})
_EDITORS = frozenset({_O, _M, _S})
_MARKETERS = frozenset({_O, _M})
_OWNERS = frozenset({_O})

ACTIONS: dict[str, frozenset[RoleName]] = {
    "home.view": _EVERYBODY,
    "contacts.view": _EVERYBODY,
    "contacts.edit": _EDITORS,
    "contacts.delete": _MARKETERS,
    "contacts.erase": _OWNERS,
    "contacts.merge": _EDITORS,  # support meets duplicates first; it can be undone for 30 days and is audited
    "contacts.import": _MARKETERS,
    "contacts.export": _MARKETERS,
    "money.view": _MARKETERS,  # what contacts paid, owe and bring in
    "notes.write": _EDITORS,
    "tasks.view": _EVERYBODY,
    "tasks.edit": _EDITORS,
    "consent.edit": _EDITORS,
    "lists.view": _EVERYBODY,
    "lists.edit": _MARKETERS,
    "tags.view": _EVERYBODY,
    "tags.edit": _MARKETERS,
    "fields.view": _EVERYBODY,
    "fields.edit": _MARKETERS,
    "suppressions.view": _EVERYBODY,
    "suppressions.edit": _MARKETERS,
    "messages.view": _EVERYBODY,
    "messages.send": _EDITORS,
    "templates.view": _EVERYBODY,
    "templates.edit": _MARKETERS,
    "journeys.view": _EVERYBODY,
    "journeys.edit": _MARKETERS,
    "journeys.publish": _MARKETERS,
    "journeys.start": _EDITORS,
    "issues.view": _EVERYBODY,
    "issues.settle": _MARKETERS,
    "plugins.view": _MARKETERS,
    "plugins.use": _EDITORS,
    "plugins.manage": _OWNERS,
    "users.view": _OWNERS,
    "users.manage": _OWNERS,
    "audit.view": _OWNERS,
    "settings.edit": _OWNERS,
}


def may(roles: str | Iterable[str], action: str) -> bool:
    """Say whether somebody with this role (or these roles) may do `action`.

    An action that is not in ACTIONS raises KeyError: a misspelt right must not silently mean "no" or "yes".
    """
    allowed = ACTIONS[action]
    names = [roles] if isinstance(roles, str) else roles
    return any(name in allowed for name in names)


def strongest(roles: Iterable[str]) -> RoleName | None:
    """Return the role to show for a person with several, or None when there is none."""
    names = set(roles)
    return next((role for role in RoleName if role in names), None)


def audit_hash(
    previous: str, at: datetime, user_id: int | None, actor: str, action: str, subject: str, detail: dict[str, Any]
) -> str:
    """SHA-256 over the hash of the audit line before and everything this line says."""
    said = [previous, at.isoformat(), user_id, actor, action, subject, detail]
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
