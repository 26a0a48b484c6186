"""What each role may open and do: the table of rules, asked at the pages themselves."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Tag
from panel.staff.rules import ACTIONS, RoleName, may

pytestmark = pytest.mark.databases("sqlite")


def test_the_owner_may_do_everything_and_the_viewer_only_look():
    assert all(may("owner", action) for action in ACTIONS)
    allowed = {action for action in ACTIONS if may("viewer", action)}
    assert all(action.endswith(".view") for action in allowed)


def test_a_misspelt_right_is_an_error_and_not_a_no():
    with pytest.raises(KeyError):
        may("owner", "contacts.edti")


@pytest.mark.parametrize("role", [r.value for r in RoleName])
def test_the_menu_shows_exactly_what_the_role_may_open(app, logged_in, role):
    person = logged_in(role)
    page = person.text("/admin/")
    for view in app.extensions["panel_admin"]._views:
        if getattr(view, "section", None) is None or view._default_view is None:
            continue
        with app.test_request_context():
            url = view.get_url(f"{view.endpoint}.{view._default_view}")
        expected = may(role, view.action)
        assert (f'class="side-link" href="{url}"' in page) == expected, (role, url)
        assert (person.get(url).status_code == 200) == expected, (role, url)


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("/admin/tags/new/", {"name": "VIP"}),
        ("/admin/tags/delete/", {"id": "1", "confirmed": "1"}),
        ("/admin/tags/action/", {"action": "delete", "rowid": "1", "confirmed": "1"}),
        ("/admin/contacts/new/", {"first_name": "דנה"}),
        ("/admin/contacts/action/", {"action": "tag", "rowid": "1", "tag": "x"}),
        ("/admin/suppressions/new/", {"address": "a@example.com", "channel": "*", "reason": "manual"}),
        ("/admin/users/password/", {"id": "1", "confirmed": "1"}),
        ("/admin/issues/action/", {"action": "settle", "rowid": "1"}),
    ],
)
def test_hidden_buttons_are_refused_when_pressed_anyway(logged_in, session, url, data):
    session.add(Tag(id=1, name="old", created_at=clock.now()))
    session.commit()
    answer = logged_in("viewer").post(url, **data)
    assert answer.status_code == 403
    assert "may not" in answer.text
    session.rollback()
    assert session.scalars(select(Tag.name)).all() == ["old"]


def test_an_export_is_refused_to_those_who_may_not(logged_in):
    assert logged_in("support").get("/admin/contacts/export/csv/").status_code == 403
