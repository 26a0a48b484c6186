"""Which channel a contact answers best: honest about small numbers, by people's answers only, newer ones more."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from panel.contacts.operations import create_contact
from panel.engagement.preference import (
    ENOUGH,
    Average,
    Evidence,
    Weighed,
    best,
    evidence_words,
    expected,
    preferred_channels,
    smoothed,
)
from panel.messages.models import Message
from panel.sdk.context import NewContact

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
EVEN = {"email": Average(0.2, 1000), "sms": Average(0.2, 1000)}


@pytest.mark.parametrize(
    ("email", "sms", "wins"),
    [((6, 10), (1, 1), "email"), ((6, 10), (3, 4), "sms"), ((0, 11), (3, 4), "sms"), ((1, 1), (0, 0), "email")],
)
def test_small_numbers_do_not_shout(email: tuple[int, int], sms: tuple[int, int], wins: str) -> None:
    seen = {"email": Weighed(email[1], email[0]), "sms": Weighed(sms[1], sms[0])}
    assert best(seen, EVEN) == wins


def test_nothing_of_ones_own_is_no_preference_but_may_be_a_guess() -> None:
    base = {"email": Average(0.05, 1000), "sms": Average(0.2, ENOUGH)}
    silent = {"email": Weighed(11, 0)}
    assert best(silent, base) is None
    assert best(silent, base, guess=True) == "sms"
    assert best(silent, {**base, "sms": Average(0.2, ENOUGH - 1)}, guess=True) == "email"
    assert best({}, {}) is None


def test_more_answers_never_lower_the_expectation() -> None:
    for sent in range(1, 12):
        shares = [expected(Weighed(sent, good), 0.1) for good in range(sent + 1)]
        assert shares == sorted(shares)
        assert 0 < shares[0] < shares[-1] < 1


def test_a_channel_with_few_messages_is_taken_to_be_like_the_others() -> None:
    base = smoothed({"email": (1000, 100), "sms": (1, 1)})
    assert base["email"].share == pytest.approx(0.1, abs=0.002)
    assert base["sms"].share < 0.2


def person(session: Session, name: str) -> int:
    return create_contact(session, NewContact(name=name, emails=(f"{name}@example.com",)), how="manual", now=NOW)


def send(
    session: Session, contact: int, channel: str, times: int, answered: int = 0, *, days: int = 10, **more
) -> None:
    for number in range(times):
        at = NOW - timedelta(days=days, minutes=number)
        key = hashlib.sha256(f"{contact}{channel}{days}{number}{more}".encode()).hexdigest()[:30]
        session.add(
            Message(
                dedupe_key=key, our_message_id=key, contact_id=contact, channel=channel, planned_at=at, not_before=at,
                sent_at=at, first_clicked_at=at if number < answered else None,
                **{"status": "delivered", **more},
            )
        )  # fmt: skip
    session.flush()


def test_the_evidence_of_every_channel_stands_beside_the_answer(session: Session) -> None:
    dana, silent, nobody = (person(session, name) for name in ("dana", "silent", "nobody"))
    send(session, dana, "sms", 4, 3)
    send(session, dana, "email", 11)
    send(session, silent, "email", 5)
    found = preferred_channels(session, [dana, silent, nobody], NOW)
    assert found == {dana: ("sms", (Evidence("email", 11, 0), Evidence("sms", 4, 3)))}
    words = evidence_words(found[dana][1], {"sms": "SMS", "email": "Email"}, "en")
    assert words == "SMS: 3 of 4 answered, Email: 0 of 11 answered"


def test_newer_answers_count_more(session: Session) -> None:
    dana = person(session, "dana")
    send(session, dana, "email", 6, 4, days=1000)
    send(session, dana, "email", 4, 0, days=20)
    send(session, dana, "sms", 4, 2, days=20)
    assert preferred_channels(session, [dana], NOW)[dana][0] == "sms"


def test_what_never_arrived_and_tests_prove_nothing(session: Session) -> None:
    dana = person(session, "dana")
    send(session, dana, "sms", 3, 3, status="failed")
    send(session, dana, "whatsapp", 3, 3, is_test=True)
    send(session, dana, "email", 5, 1)
    assert preferred_channels(session, [dana], NOW)[dana] == ("email", (Evidence("email", 5, 1),))


def test_a_guess_judges_the_silent_by_what_everybody_does(session: Session) -> None:
    crowd = [person(session, f"p{number}") for number in range(6)]
    for one in crowd:
        send(session, one, "sms", 10, 3)
        send(session, one, "email", 10, 0)
    silent, new = person(session, "silent"), person(session, "new")
    send(session, silent, "email", 8)
    found = preferred_channels(session, [silent, new], NOW, guess=True)
    assert found == {silent: ("sms", (Evidence("email", 8, 0),))}
    assert preferred_channels(session, [silent, new], NOW) == {}
