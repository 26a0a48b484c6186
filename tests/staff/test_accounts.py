"""Colleagues: the first owner, roles, switching off."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from panel.errors import UserError
from panel.staff.models import User
from panel.staff.operations import create_user, ensure_owner, one_time_password, set_active, set_role
from panel.staff.queries import user_by_handle


def test_the_first_owner_is_made_once_with_a_password_that_must_change(session):
    password = ensure_owner(session, " Dana@Example.co.il ", name="דנה", language="fa")
    assert password
    assert len(password.replace("-", "")) == 16
    owner = session.scalars(select(User)).one()
    assert (owner.email, owner.must_change_password) == ("dana@example.co.il", True)
    assert (owner.calendar, owner.digits) == ("solar_hijri", "local")
    assert password not in (owner.password or "")
    assert ensure_owner(session, "dana@example.co.il") is None
    assert ensure_owner(session, "other@example.co.il") is None


def test_one_time_passwords_avoid_letters_that_look_alike():
    assert not set("0o1li") & set("".join(one_time_password() for _ in range(50)))


def test_an_address_is_taken_once(session):
    create_user(session, "a@example.com", name="A", role="support", by=None)
    with pytest.raises(UserError) as refusal:
        create_user(session, "A@example.com", name="B", role="viewer", by=None)
    assert refusal.value.code == "user_exists"
    assert len(session.scalars(select(User)).all()) == 1


def test_the_last_owner_can_neither_step_down_nor_be_switched_off(session):
    owner, _ = create_user(session, "o@example.com", name="O", role="owner", by=None)
    for change in (
        lambda: set_role(session, owner, "viewer", by=None),
        lambda: set_active(session, owner, False, by=None),
    ):
        with pytest.raises(UserError) as refusal:
            change()
        assert refusal.value.code == "last_owner"
    create_user(session, "p@example.com", name="P", role="owner", by=None)
    set_role(session, owner, "viewer", by=None)
    assert [role.name for role in owner.roles] == ["viewer"]


def test_nobody_switches_off_themselves(session):
    one, _ = create_user(session, "o@example.com", name="O", role="owner", by=None)
    create_user(session, "p@example.com", name="P", role="owner", by=None)
    with pytest.raises(UserError) as refusal:
        set_active(session, one, False, by=one)
    assert refusal.value.code == "cannot_disable_yourself"


@pytest.mark.parametrize("change", ["role", "off"])
def test_sessions_become_worthless_when_a_role_changes_or_an_account_is_switched_off(session, change):
    user, _ = create_user(session, "a@example.com", name="A", role="support", by=None)
    before = user.fs_uniquifier
    if change == "role":
        set_role(session, user, "viewer", by=None)
    else:
        set_active(session, user, False, by=None)
    assert user.fs_uniquifier != before


def test_a_colleague_is_found_by_the_name_journeys_use(session):
    user, _ = create_user(session, "dana@example.com", name="Dana", role="support", handle="dana", by=None)
    assert user_by_handle(session, "dana") is user
    assert user_by_handle(session, "nobody") is None
