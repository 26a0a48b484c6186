"""Settings are written in one statement and seen at once."""

from __future__ import annotations

from panel.installation.models import Setting
from panel.installation.operations import set_setting
from panel.installation.queries import get_setting


def test_a_setting_is_written_over_and_seen_at_once(session):
    assert get_setting(session, "company") == {}
    set_setting(session, "company", {"name": "נאווה"})
    row = session.get(Setting, "company")
    set_setting(session, "company", {"name": "نوا"})
    assert get_setting(session, "company") == {"name": "نوا"}
    assert row.value == {"name": "نوا"}
