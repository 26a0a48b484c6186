"""Pins through merging and erasing."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.contacts.erasing import erase
from panel.contacts.merging import merge
from panel.engagement import pins
from panel.engagement.models import ChannelPin
from tests.engagement.test_preference import person

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def test_a_pin_of_who_was_merged_in_holds_unless_the_kept_one_has_its_own(session: Session) -> None:
    dana, double = person(session, "dana"), person(session, "double")
    pins.pin(session, double, "sms", "asked", now=NOW)
    merge(session, dana, double, now=NOW)
    assert pins.pinned(session, [dana]) == {dana: "sms"}
    pins.pin(session, dana, "email", "asked anew", now=NOW)
    assert pins.pinned(session, [dana]) == {dana: "email"}
    pins.unpin(session, [dana, double], now=NOW)
    assert pins.pinned(session, [dana]) == {}


def test_erasing_takes_pins_and_their_reasons_along(session: Session) -> None:
    dana = person(session, "dana")
    pins.pin(session, dana, "sms", "has no computer at home", now=NOW)
    erase(session, dana, now=NOW)
    assert session.scalar(select(func.count()).select_from(ChannelPin)) == 0
