"""Conditions in SQL against the pure function: the same answer for everybody, always."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.orm import Session

from panel.consent.models import Consent, Suppression
from panel.contacts.models import Contact, ContactAddress, ContactList, ContactTag, Field, FieldValue, ListMember, Tag
from panel.db import db, write_intent
from panel.journeys.engine import sets
from panel.journeys.engine.conditions import judge, needs
from panel.journeys.engine.facts import Asking, load
from panel.journeys.engine.sets import Answers, NotForSetsError, answers, contacts_where
from panel.journeys.models import Audience, AudienceState, Enrolment
from panel.timeline.models import Event

# The day after the clocks went forward in Jerusalem, and the last day of a month: windows are at their worst.
NOW = datetime(2026, 3, 31, 2, 30, tzinfo=UTC)
ZONES = [None, "", "Asia/Jerusalem", "Asia/Tehran", "America/New_York", "Pacific/Auckland", "No/Where"]
WORDS = ["", "Dana", "dana ", "DANA", "straße", "STRASSE", "İzmir", "i̇zmir", "ש", "۱۲", "12", "12.0", "1e1", "x%_\\"]
WORDS += ["2026-03-01", "۲۰۲۶-۰۳-۰۱", "NaN", "'\"", "ﬁ", "FI", "ς", "Σ"]
NUMBERS = ["0", "-1.5", "12", "12.000001", "0.1", "123456789012.345678", "99999999999"]
DATES = [date(2026, 3, 1), date(2026, 2, 28), date(1400, 1, 1), date(9999, 12, 31)]
KINDS = ["order_paid", "link_clicked"]
LENGTHS = [
    {"months": 1, "days": 0, "seconds": 0},
    {"months": 0, "days": 3, "seconds": 0},
    {"months": 0, "days": 1, "seconds": 3600},
    {"months": 0, "days": 0, "seconds": 72 * 3600},
    {"months": 13, "days": 0, "seconds": 0},
]
AGO = [timedelta(0), timedelta(hours=1), timedelta(days=3), timedelta(days=3, hours=-1), timedelta(hours=72)]
AGO += [timedelta(days=28), timedelta(days=31), timedelta(days=31, hours=5), timedelta(days=400), timedelta(minutes=-5)]
VALUES = [1, 1.0, "1", True, None, "", "Dana", "straße", 12.5, "12,5", "2026-03-01T10:00", ["x"], {"a": 1}, 10**17]

words = st.sampled_from(WORDS)
person = st.fixed_dictionaries(
    {
        "name": words,
        "first_name": words,
        "company": words,
        "language": st.sampled_from([None, "he", "fa"]),
        "time_zone": st.sampled_from(ZONES),
        "merged": st.integers(0, 9).map(lambda n: n == 0),
        "erased": st.integers(0, 9).map(lambda n: n == 0),
        "tags": st.sets(st.sampled_from(["vip", "VIP", "קר"])),
        "segment": st.sampled_from([None, False, True]),
        "lists": st.sets(st.sampled_from(["News", "news"])),
        "journeys": st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["active", "held", "finished"])),
                             max_size=2),
        "emails": st.lists(st.tuples(st.sampled_from(["a@b.c", "A@b.c", "d+x@gmail.com"]), st.booleans()), max_size=2,
                           unique_by=lambda pair: pair[0]),
        "consent": st.sampled_from([None, "opted_in", "opted_out"]),
        "text": st.none() | words,
        "number": st.none() | st.sampled_from(NUMBERS),
        "day": st.none() | st.sampled_from(DATES),
        "vip": st.sampled_from([None, "yes", "no"]),
        "mixed": st.none() | st.sampled_from(["text", "number"]),
        "events": st.lists(
            st.tuples(
                st.sampled_from(KINDS),
                st.sampled_from(AGO),
                st.dictionaries(st.sampled_from(["amount", "city"]), st.sampled_from(VALUES), max_size=2),
            ),
            max_size=5,
        ),
    }
)  # fmt: skip

wanted_words = st.sampled_from([*WORDS, *NUMBERS, *(day.isoformat() for day in DATES), "a@B.c", "true", "yes", "he"])
operators = st.one_of(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(
                ["is", "is_not", "contains", "starts_with", "more_than", "less_than", "at_least", "at_most", "before",
                 "after"]
            ),
            "value": wanted_words,
        }
    ),
    st.fixed_dictionaries({"op": st.just("in"), "value": st.lists(wanted_words, max_size=3)}),
    st.fixed_dictionaries({"op": st.just("is_set"), "value": st.booleans()}),
)  # fmt: skip
FIELDS = ["name", "full_name", "first_name", "company", "language", "time_zone", "reference", "email", "phone"]
FIELDS += ["city", "amount", "joined", "mixed", "vip", "nowhere"]
fields = st.builds(lambda name, test: {"test": "field", "field": name, **test}, st.sampled_from(FIELDS), operators)
lines = st.builds(
    lambda name, test: {"field": name, **test},
    st.sampled_from(["event.amount", "event.city", "event.none", "first_name", "city"]),
    operators,
)
history = st.builds(
    lambda test, kind, where, within, times: {
        "test": test, "event": kind, "where": where, "within": within, "since": None, "times": times,
    },
    st.sampled_from(["happened", "not_happened"]),
    st.sampled_from([*KINDS, "never"]),
    st.lists(lines, max_size=2),
    st.none() | st.sampled_from(LENGTHS),
    st.none() | st.builds(lambda op, n: {"op": op, "n": n},
                          st.sampled_from(["at_least", "at_most", "more_than", "less_than", "is"]), st.integers(0, 3)),
)  # fmt: skip
tests = st.one_of(
    fields,
    history,
    st.sampled_from(
        [
            {"test": "has_tag", "tag": "vip"},
            {"test": "has_tag", "tag": "קר"},
            {"test": "in_list", "list": "News"},
            {"test": "in_journey", "journey": "a"},
            {"test": "in_segment", "segment": "Quiet"},
            {"test": "in_segment", "segment": "No such"},
            {"test": "can_reach", "channel": "email"},
        ]
    ),
)
conditions = st.recursive(
    tests,
    lambda below: st.one_of(
        st.builds(
            lambda test, of: {"test": test, "of": of}, st.sampled_from(["all", "any"]), st.lists(below, max_size=3)
        ),
        st.builds(lambda of: {"test": "not", "of": of}, below),
    ),
    max_leaves=5,
)
clocks = st.sampled_from(
    [{"time_zone": "contact", "fallback_time_zone": "Asia/Tehran"}, {"time_zone": "contact"},
     {"time_zone": "company"}, {"time_zone": "America/New_York"}]
)  # fmt: skip


class People:
    """Writes contacts in the fewest statements: this runs some hundred times."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.tags = {name: n for n, name in enumerate(["vip", "VIP", "קר"], 1)}
        self.lists = {name: n for n, name in enumerate(["News", "news"], 1)}
        self.fields = {"city": 1, "amount": 2, "joined": 3, "mixed": 4, "vip": 5}
        types = {"city": "text", "amount": "number", "joined": "date", "mixed": "text", "vip": "yes_no"}
        self.put(Tag, [{"id": n, "name": name, "created_at": NOW} for name, n in self.tags.items()])
        self.put(ContactList, [{"id": n, "name": name, "created_at": NOW} for name, n in self.lists.items()])
        self.put(
            Field, [{"id": n, "name": name, "type": types[name], "created_at": NOW} for name, n in self.fields.items()]
        )
        audience = {"id": "segment:1", "name": "Quiet", "condition": {}, "settings": {}}
        self.put(Audience, [{**audience, "taken_at": NOW, "changed_at": NOW}])
        self.put(
            Suppression,
            [{"channel": "email", "address": "d@gmail.com", "reason": "complained", "at": NOW, "source": "test"}],
        )

    def put(self, model: Any, rows: list[dict[str, Any]]) -> None:
        if rows:
            self.session.execute(insert(model), rows)

    def write(self, people: list[Mapping[str, Any]]) -> None:
        numbered = list(enumerate(people, 1))
        self.put(
            Contact,
            [
                {
                    "id": n,
                    "public_id": f"p{n}",
                    **{key: one[key] for key in ("name", "first_name", "company", "language", "time_zone")},
                    "merged_into_id": 1 if one["merged"] and n > 1 else None,
                    "erased_at": NOW if one["erased"] else None,
                    "created_at": NOW,
                    "updated_at": NOW,
                }
                for n, one in numbered
            ],
        )
        self.put(ContactTag, [{"contact_id": n, "tag_id": self.tags[name], "added_at": NOW}
                              for n, one in numbered for name in one["tags"]])  # fmt: skip
        self.put(ListMember, [{"contact_id": n, "list_id": self.lists[name], "joined_at": NOW}
                              for n, one in numbered for name in one["lists"]])  # fmt: skip
        self.put(
            ContactAddress,
            [
                {"contact_id": n, "kind": "email", "value": value, "shown": value, "position": at, "created_at": NOW,
                 "unusable_reason": None if usable else "hard_bounce"}
                for n, one in numbered for at, (value, usable) in enumerate(one["emails"])
            ],
        )  # fmt: skip
        self.put(
            Consent,
            [
                {"contact_id": n, "channel": "email", "state": one["consent"], "how": "form", "wording": "yes",
                 "source": "test", "at": NOW, "is_current": True}
                for n, one in numbered if one["consent"]
            ],
        )  # fmt: skip
        run = {"version_id": 1, "entered_at": NOW, "step_began_at": NOW}
        self.put(
            Enrolment,
            [
                {"journey_id": journey, "contact_id": n, "status": status, "entry_key": str(at), **run}
                for n, one in numbered for at, (journey, status) in enumerate(one["journeys"])
            ],
        )  # fmt: skip
        self.put(AudienceState, [{"audience": "segment:1", "contact_id": n, "is_true": one["segment"], "since": NOW}
                                 for n, one in numbered if one["segment"] is not None])  # fmt: skip
        self.put(FieldValue, [row for n, one in numbered for row in self._values(n, one)])
        self.put(
            Event,
            [
                {"id": n * 100 + at, "contact_id": n, "kind": kind, "occurred_at": NOW - ago, "received_at": NOW,
                 "source": "test", "data": data}
                for n, one in numbered for at, (kind, ago, data) in enumerate(one["events"])
            ],
        )  # fmt: skip

    def _values(self, n: int, one: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows = [
            {"field_id": 1, "text": one["text"]} if one["text"] is not None else None,
            {"field_id": 2, "text": one["number"], "number": Decimal(one["number"])} if one["number"] else None,
            {"field_id": 3, "text": one["day"].isoformat(), "day": one["day"]} if one["day"] else None,
            # The same text with and without a number: what a field of another type may have left.
            {"field_id": 4, "text": "12", "number": Decimal(13) if one["mixed"] == "number" else None}
            if one["mixed"] else None,
            {"field_id": 5, "text": one["vip"], "number": Decimal(one["vip"] == "yes")} if one["vip"] else None,
        ]  # fmt: skip
        return [{"contact_id": n, "number": None, "day": None, **row} for row in rows if row]


def pure(session: Session, condition: Mapping[str, Any], clock: Mapping[str, Any], stale: set[str]) -> Answers:
    ids = [
        row.id for row in session.query(Contact.id).where(Contact.merged_into_id.is_(None), Contact.erased_at.is_(None))
    ]
    facts = load(session, [Asking(id_, clock) for id_ in ids], needs(condition), NOW)
    found: dict[bool | None, set[int]] = {True: set(), False: set(), None: set()}
    for one in facts:
        one.stale = stale
        found[judge(condition, one)["result"]].add(one.contact_id)
    return Answers(frozenset(found[True]), frozenset(found[None]))


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@given(
    people=st.lists(person, min_size=1, max_size=6),
    asked=st.lists(st.tuples(conditions, clocks), min_size=6, max_size=6),
    stale=st.sampled_from([set(), set(), {"order_paid"}]),
)
def test_the_answer_in_sql_is_that_of_the_pure_function_for_every_contact(
    app: Flask,
    people: list[Mapping[str, Any]],
    asked: list[tuple[Mapping[str, Any], Mapping[str, Any]]],
    stale: set[str],
) -> None:
    token = write_intent.set(True)
    session = Session(db.engine)
    try:
        with patch.object(sets, "stale_kinds", lambda _session, kinds, _now: stale & set(kinds)):
            People(session).write(people)
            for condition, clock in asked:
                expected = pure(session, condition, clock, stale)
                assert answers(session, condition, NOW, clock) == expected
                some = {1, 3, 4}
                assert contacts_where(session, condition, NOW, clock, some) == expected.holds & some
    finally:
        session.rollback()
        session.close()
        write_intent.reset(token)


@pytest.mark.parametrize(
    "condition",
    [
        {"test": "message", "step": "hello", "was": "opened"},
        {"test": "happened", "event": "order_paid", "where": [], "within": None, "since": "entry", "times": None},
        {"test": "field", "field": "event.amount", "op": "is", "value": "3"},
        {"test": "field", "field": "city", "op": "is", "value": "run.city"},
        {"test": "not", "of": {"test": "field", "field": "run.city", "op": "is_set", "value": True}},
    ],
)
def test_a_condition_about_one_run_is_refused_for_everybody(session: Session, condition: Mapping[str, Any]) -> None:
    with pytest.raises(NotForSetsError):
        contacts_where(session, condition, NOW, {"time_zone": "contact"})


def test_yes_and_no_are_compared_as_words(session: Session) -> None:
    session.add(Contact(id=1, public_id="p1", created_at=NOW, updated_at=NOW))
    session.add(Field(id=1, name="vip", type="yes_no", created_at=NOW))
    session.flush()
    session.add(FieldValue(contact_id=1, field_id=1, text="yes", number=Decimal(1)))
    session.flush()
    clock = {"time_zone": "contact"}
    for value, expected in (("yes", {1}), ("no", set())):
        condition = {"test": "field", "field": "vip", "op": "is", "value": value}
        assert contacts_where(session, condition, NOW, clock) == expected
        assert pure(session, condition, clock, set()).holds == expected


def test_nobody_is_asked_about_an_empty_set(session: Session) -> None:
    assert contacts_where(session, None, NOW, {}, []) == set()
