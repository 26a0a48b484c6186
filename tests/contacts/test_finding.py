"""The search box: whatever people type, the one they mean comes first."""

from __future__ import annotations

import pytest

from panel.contacts import operations
from panel.contacts.finding import find


@pytest.fixture
def people(session, make_contact, now):
    noa = make_contact(name="Noa Bar", emails=["noa.bar@nour.org"], phones=["+972521234567"], reference="K-1001")
    make_contact(name="Noam Barak", emails=["noam@shop.co.il"], phones=["+972529994321"], reference="K-1002")
    karimi = make_contact(name="علی کریمی", emails=["ali@example.com"], phones=["+989123456789"])
    dana = make_contact(name="דָּנָה כהן", emails=["dana.noa@example.com"], phones=["+972523334444"])
    operations.add_tag(session, dana, "VIP customers", now=now)
    return {"noa": noa, "karimi": karimi, "dana": dana}


MEANT = {
    "noa": (
        *("noa", "bar", "Noa B", "nour", "K-1001", "k 1001", "052-123-4567", "+972 52 1234567", "00972-52-123-4567"),
        *("۰۵۲۱۲۳۴۵۶۷", "4567", "234567", "noa.bar@nour.org", "@nour", "nour.org", "052 123"),
    ),
    "karimi": ("علي كريمي", "كريم", "0912 345", "۶۷۸۹", "9891234"),
    "dana": ("דנה", "דָּנ", "vip", "customers", "dana.noa"),
}
SIGNS = ("", "  ", "%", "'", '"', "*", "zzz", "' OR 1=1 --", "noa) OR (bar", "\\", "a" * 300, ":*", "NEAR(", "-", "+")


def test_the_one_who_is_meant_comes_first(session, people):
    for who, texts in MEANT.items():
        for typed in texts:
            found = find(session, typed)
            assert found, typed
            assert found[0].id == people[who], typed


def test_signs_that_mean_something_to_a_database_mean_nothing_here(session, people):
    for typed in SIGNS:
        assert all(one.id in people.values() for one in find(session, typed)), typed


def test_what_changed_is_found_and_what_is_gone_is_not(session, people, now):
    operations.update_contact(session, people["noa"], {"last_name": "Golan"}, now=now)
    assert [one.id for one in find(session, "golan")] == [people["noa"]]
    kept = people["dana"]
    assert operations.merge(session, kept, people["noa"], now=now)
    assert people["noa"] not in [one.id for one in find(session, "golan")]
    assert [one.id for one in find(session, "noa.bar@nour.org")] == [kept]


def test_a_number_tells_by_what_it_was_found(session, people):
    assert find(session, "4567")[0].matched == "+972521234567"
    assert find(session, "noa bar")[0].matched == ""
