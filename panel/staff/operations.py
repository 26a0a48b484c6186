"""Writes about colleagues: accounts, roles and preferences. Nobody commits here."""

from __future__ import annotations

import secrets
from zoneinfo import available_timezones

from flask_security.utils import hash_password
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from panel import clock
from panel.errors import UserError
from panel.i18n import LANGUAGES, N_
from panel.staff.audit import record_audit
from panel.staff.models import Role, User
from panel.staff.rules import RoleName

# Without 0/O, 1/l/I: the password is read from a terminal and typed by hand.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def one_time_password() -> str:
    """Return a password such as `k7mf-2wqx-9hdn-p4rt`: 79 bits, four groups, easy to type."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def ensure_roles(session: Session) -> dict[str, Role]:
    """Create the four roles when they are missing and return them by name."""
    known = {role.name: role for role in session.scalars(select(Role))}
    for name in RoleName:
        if name not in known:
            known[name] = Role(name=name.value)
            session.add(known[name])
    session.flush()
    return known


def ensure_owner(session: Session, email: str, *, name: str = "", language: str = "en") -> str | None:
    """Make the first owner and return the one-time password; None when an active owner exists already.

    The password must be changed at the first login. Needs an application context (password hashing).
    """
    roles = ensure_roles(session)
    owner = session.scalars(select(User).where(User.active, User.roles.any(Role.name == RoleName.OWNER))).first()
    if owner is not None:
        return None
    password = one_time_password()
    existing = session.scalars(select(User).where(User.email == email.strip().lower())).first()
    if existing is not None:
        existing.active = True
        existing.roles = [roles[RoleName.OWNER]]
        _set_one_time_password(existing, password)
    else:
        _add_user(session, email, name=name, role=roles[RoleName.OWNER], language=language, password=password)
    session.flush()
    record_audit(session, actor="system", action="owner_created", subject=email)
    return password


def create_user(
    session: Session,
    email: str,
    *,
    name: str,
    role: str,
    language: str = "en",
    handle: str | None = None,
    by: User | None,
) -> tuple[User, str]:
    """Add a colleague; returns the user and the one-time password. UserError when the address is taken."""
    roles = ensure_roles(session)
    password = one_time_password()
    try:
        with session.begin_nested():
            user = _add_user(session, email, name=name, role=roles[role], language=language, password=password)
            user.handle = handle or None
    except IntegrityError:
        if handle and session.scalars(select(User.id).where(User.handle == handle)).first() is not None:
            raise UserError(
                "handle_taken", N_("Another user is called %(handle)s already."), where="handle", handle=handle
            ) from None
        raise UserError(
            "user_exists", N_("There is already a user with the address %(email)s."), where="email", email=email
        ) from None
    record_audit(session, user=by, action="user_created", subject=user.email, detail={"role": role})
    return user, password


def set_role(session: Session, user: User, role: str, *, by: User | None) -> None:
    """Give a user exactly this role. Their sessions end: the next page asks them to log in."""
    before = [r.name for r in user.roles]
    if before == [role]:
        return
    if RoleName.OWNER in before:
        _refuse_losing_the_last_owner(session, user)
    user.roles = [ensure_roles(session)[role]]
    end_sessions(user)
    record_audit(session, user=by, action="role_changed", subject=user.email, detail={"from": before, "to": role})


def set_active(session: Session, user: User, active: bool, *, by: User | None) -> None:
    """Switch an account on or off; off ends its sessions at once."""
    if user.active == active:
        return
    if not active:
        if by is not None and by.id == user.id:
            raise UserError("cannot_disable_yourself", N_("You cannot switch off your own account."))
        _refuse_losing_the_last_owner(session, user)
    user.active = active
    end_sessions(user)
    record_audit(session, user=by, action="user_enabled" if active else "user_disabled", subject=user.email)


def reset_password(session: Session, user: User, *, by: User | None) -> str:
    """Give a user a new one-time password and end their sessions; returns the password, which is shown once."""
    password = one_time_password()
    _set_one_time_password(user, password)
    session.flush()
    record_audit(session, user=by, action="password_reset", subject=user.email)
    return password


def end_sessions(user: User) -> None:
    """Make every session and every remembered login of this user worthless."""
    user.fs_uniquifier = secrets.token_hex(32)


def set_preferences(user: User, wishes: dict[str, str]) -> None:
    """Apply what a user chose for themselves; unknown names and values are ignored.

    Whoever reads in the way that is customary for their language takes the customary way of the new one along;
    whoever chose differently keeps what they chose.
    """
    is_customary = (user.calendar, user.digits) == CUSTOMARY.get(user.language)
    for name, allowed in PREFERENCES.items():
        if wishes.get(name) in allowed:
            setattr(user, name, wishes[name])
    if wishes.get("language") in CUSTOMARY and is_customary:
        user.calendar, user.digits = CUSTOMARY[user.language]
    if wishes.get("time_zone") in available_timezones():
        user.time_zone = wishes["time_zone"]
    if "mailed" in wishes:
        user.mailed = wishes["mailed"][:200]
    if wishes.get("name", "").strip():
        user.name = wishes["name"].strip()[:200]


# Calendar and digits that readers of a language expect when they have not said otherwise.
CUSTOMARY = {"en": ("gregorian", "latin"), "he": ("gregorian", "latin"), "fa": ("solar_hijri", "local")}
PREFERENCES: dict[str, tuple[str, ...]] = {
    "language": tuple(LANGUAGES),
    "calendar": ("gregorian", "hebrew", "solar_hijri"),
    "digits": ("latin", "local"),
    "theme": ("auto", "light", "dark"),
}


def _add_user(session: Session, email: str, *, name: str, role: Role, language: str, password: str) -> User:
    user = User(
        email=email.strip().lower(),
        name=name,
        active=True,
        fs_uniquifier=secrets.token_hex(32),
        language=language if language in LANGUAGES else "en",
        calendar=CUSTOMARY.get(language, CUSTOMARY["en"])[0],
        digits=CUSTOMARY.get(language, CUSTOMARY["en"])[1],
        time_zone="Asia/Tehran" if language == "fa" else "Asia/Jerusalem",
        created_at=clock.now(),
    )
    user.roles = [role]
    user.password = hash_password(password)
    user.must_change_password = True
    session.add(user)
    return user


def _set_one_time_password(user: User, password: str) -> None:
    user.password = hash_password(password)
    user.must_change_password = True
    end_sessions(user)


def _refuse_losing_the_last_owner(session: Session, user: User) -> None:
    others = session.scalar(
        select(func.count())
        .select_from(User)
        .where(User.active, User.id != user.id, User.roles.any(Role.name == "owner"))
    )
    if not others and any(role.name == RoleName.OWNER for role in user.roles):
        raise UserError("last_owner", N_("This is the only active owner; make somebody else an owner first."))
