"""Killed anywhere, the next run completes the work and tells nothing twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from panel.db import writing
from panel.sdk.context import Unit
from panel.sync.context import PanelContext
from plugins.accounting.tests.conftest import Office
from plugins.accounting.tests.test_story import CUSTOMERS, invoices

OPEN = ["901,30001,02/11/2026,03/11/2026,300,300,", "902,30002,02/11/2026,01/12/2026,80,80,"]
SETTLED = ["901,30001,02/11/2026,03/11/2026,300,0,", "902,30002,02/11/2026,01/12/2026,80,80,"]


class KilledError(BaseException):
    """The worker is gone; nothing may catch it."""


class Killer:
    """Kills at the n-th point: each unit before and after its commit, each move of a file before and after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = -1
        unit_before, replace_before = PanelContext.unit, os.replace

        @contextmanager
        def unit(ctx: PanelContext) -> Iterator[Unit]:
            with unit_before(ctx) as opened:
                yield opened
                self.point()
            self.point()

        def replace(*places: Any) -> None:
            self.point()
            replace_before(*places)
            self.point()

        monkeypatch.setattr(PanelContext, "unit", unit)
        monkeypatch.setattr("plugins.accounting.hotfolder.os.replace", replace)

    def point(self) -> None:
        if self.left == 0:
            self.left = -1
            raise KilledError
        self.left -= 1


def story(office: Office, killer: Killer, at: int) -> tuple[list[tuple[str, bool]], bool]:
    """The same days each time; the worker dies at point `at` of the last two rounds. The facts, and whether it died."""
    office.save("customers.csv", CUSTOMERS)
    office.save("invoices0.csv", invoices("900,30001,01/09/2026,01/10/2026,100,100,"))
    office.sync()
    office.go_on(days=2)
    office.save("invoices1.csv", invoices(*OPEN, "903,x,,,,bad,"))
    office.save("customers1.csv", "מספר לקוח,שם,מייל\n30003,רות אבני,ruth@example.com\n")
    killer.left = at
    died = False
    for _ in range(2):
        try:
            office.sync()
        except KilledError:
            died = True
            office.sync()
        if not died:
            office.save("payments1.csv", "receipt,invoice,amount,date\n7,901,300,04/11/2026\n")
            office.save("invoices2.csv", invoices(*SETTLED))
    killer.left = -1
    office.save("payments1.csv", "receipt,invoice,amount,date\n7,901,300,04/11/2026\n")
    office.save("invoices2.csv", invoices(*SETTLED))
    office.sync()
    facts = sorted(
        (f"{event.kind} {event.data.get('invoice_number')} {event.contact_id}", event.starts_journeys)
        for event in office.events()
    )
    return facts, died


@pytest.mark.databases("sqlite")
def test_killed_at_every_point_nothing_is_lost_and_nothing_told_twice(
    make_office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(monkeypatch)
    expected, died = story(make_office(), killer, 10_000)
    assert not died
    assert len(expected) == len(set(expected)) == 6
    at = 0
    while True:
        office = make_office()
        facts, died = story(office, killer, at)
        assert facts == expected, f"killed at point {at}"
        assert [contact.name for contact in office.contacts()] == ["דנה כהן", "שרה לוי", "רות אבני"], at
        assert office.files("in") == []
        assert office.files("bad") == ["invoices1.csv.errors.csv"]
        if not died:
            break
        at += 1
    assert at > 20


def test_a_unit_that_fails_leaves_nothing_half_done(office: Office) -> None:
    with pytest.raises(ZeroDivisionError), writing():
        raise ZeroDivisionError
    assert office.events() == []
