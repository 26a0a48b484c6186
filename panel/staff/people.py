"""Who is meant by a name: a colleague or a role, as journeys write it (`for: sales`, `owner: dana`, `who: יוסי`)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.staff.models import Role, User, user_roles
from panel.staff.rules import RoleName

# Words for a role that people write; a colleague whose name or handle is such a word goes before them.
ROLE_WORDS: dict[RoleName, tuple[str, ...]] = {
    RoleName.OWNER: ("owner", "owners", "admin", "admins", "manager", "management", "הבעלים", "בעלים", "מנהל", "מנהלת",
                     "מנהלים", "הנהלה", "مالک", "مدیر", "مدیران", "مدیریت"),
    RoleName.MARKETING: ("marketing", "marketers", "שיווק", "بازاریابی"),
    RoleName.SUPPORT: ("support", "sales", "service", "תמיכה", "מכירות", "שירות", "שירות לקוחות", "پشتیبانی", "فروش",
                       "خدمات"),
    RoleName.VIEWER: ("viewer", "viewers", "צופה", "צופים", "بیننده"),
}  # fmt: skip
_ROLE_OF = {word: role for role, words in ROLE_WORDS.items() for word in words}


@dataclass(frozen=True)
class Meant:
    """A colleague, or everybody in a role. `asked_for` is a name that nobody here has; then the owners are meant."""

    user_id: int | None = None
    role: str | None = None
    asked_for: str = ""


OWNERS = Meant(role=RoleName.OWNER.value)


@dataclass(frozen=True)
class Colleague:
    id: int
    name: str
    email: str
    handle: str | None
    active: bool
    roles: frozenset[str]

    @property
    def shown(self) -> str:
        return self.name or self.email


class Directory:
    """Everybody who works here, read once."""

    def __init__(self, session: Session) -> None:
        query = (
            select(User.id, User.name, User.email, User.handle, User.active, Role.name.label("role"))
            .outerjoin(user_roles, user_roles.c.user_id == User.id)
            .outerjoin(Role, Role.id == user_roles.c.role_id)
            .order_by(User.id)
        )
        self.everybody: dict[int, Colleague] = {}
        for row in connection_of(session).execute(query):
            before = self.everybody.get(row.id)
            roles = (before.roles if before else frozenset()) | ({row.role} if row.role else set())
            self.everybody[row.id] = Colleague(row.id, row.name or "", row.email, row.handle, row.active, roles)

    def meant(self, name: str | None) -> Meant:
        """Whom `name` means. Nobody at all, a name of two people, or one who left: the owners, with the name kept."""
        wanted = _folded(name)
        if not wanted:
            return OWNERS
        for called in self._called:
            found = called.get(wanted, ())
            if len(found) == 1:
                return Meant(user_id=found[0])
        role = _ROLE_OF.get(wanted)
        return Meant(role=role.value) if role else Meant(role=RoleName.OWNER.value, asked_for=str(name).strip()[:200])

    def members(self, meant: Meant) -> list[int]:
        """The active colleagues who are meant; the owners when there are none."""
        if meant.user_id is not None:
            one = self.everybody.get(meant.user_id)
            return [one.id] if one is not None and one.active else self._in_role(RoleName.OWNER.value)
        return self._in_role(meant.role or "") or self._in_role(RoleName.OWNER.value)

    @cached_property
    def _called(self) -> list[dict[str, list[int]]]:
        """For each way of spelling, the active colleagues who are called so."""
        known: list[dict[str, list[int]]] = []
        for spelling in _SPELLINGS:
            names: dict[str, list[int]] = defaultdict(list)
            for one in self.everybody.values():
                if one.active:
                    names[_folded(spelling(one))].append(one.id)
            known.append(dict(names))
        return known

    def _in_role(self, role: str) -> list[int]:
        return [one.id for one in self.everybody.values() if one.active and role in one.roles]


_SPELLINGS = (
    lambda one: one.handle,
    lambda one: one.email,
    lambda one: one.name,
    lambda one: one.email.split("@")[0],
    lambda one: one.name.split(" ")[0],
)


def _folded(name: str | None) -> str:
    return " ".join((name or "").casefold().replace("\u200c", " ").split())
