"""What journeys do with the books; and the example that the whole plugin is for."""

from __future__ import annotations

import csv

import pytest

from panel.consent.operations import opt_in
from panel.db import writing
from panel.journeys.language import check
from panel.plugin_manager.manager import current
from panel.sdk.testing import RecordingChannel
from plugins.accounting import journeys
from plugins.accounting.tests.conftest import Office
from plugins.accounting.tests.test_story import begun, invoices
from tests.journeys.engine.world import World


def holds(office: Office, amount: str, **more: str) -> set[int]:
    [condition] = journeys.conditions(office.ctx)
    everybody = [contact.id for contact in office.contacts()]
    with office.ctx.unit() as unit:
        return condition.test(unit, everybody, {"amount": amount} | more)


@pytest.mark.databases("sqlite")
def test_who_owes_more_than_an_amount(office: Office) -> None:
    begun(office)  # Dana owes 100
    office.save(
        "invoices2.csv",
        "invoice number,customer number,total,balance,status,currency\n"
        "901,30001,50,50,,\n902,30002,900,900,cancelled,\n903,30002,900,900,draft,\n904,30002,7,7,,USD\n",
    )
    office.sync()
    dana, sara = (contact.id for contact in office.contacts())
    assert holds(office, "149.99") == {dana}
    assert holds(office, "150") == set()
    assert holds(office, "0") == {dana}
    assert holds(office, "۵", currency="usd") == {sara}  # never added to shekels


@pytest.mark.databases("sqlite")
def test_an_invoice_is_marked_for_collection_once(office: Office) -> None:
    begun(office)
    [action] = journeys.actions(office.ctx)
    dana = office.contacts()[0].id
    for key in ("k1", "k1", "k2"):
        action.perform(key, dana, {"invoice": "900", "note": "=HYPERLINK(1)"})
    with (office.root / "out" / "collection.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["key", "day", "invoice", "contact", "note"]
    assert rows[1:] == [
        ["k1", "2026-11-02", "900", str(dana), "'=HYPERLINK(1)"],
        ["k2", "2026-11-02", "900", str(dana), "'=HYPERLINK(1)"],
    ]


BLUEPRINT = """language: 1
journeys:
  overdue_invoice:
    use: accounting.overdue_invoice
    inputs: {first_message: first, second_message: second}
"""


@pytest.mark.databases("sqlite")
def test_the_ready_made_journey_has_no_problem(office: Office) -> None:
    from panel.db import reading
    from panel.journeys.names import vocabulary

    world = World(office.now, {})
    world.template("first", channels=("email",))
    world.template("second", channels=("email", "sms"))
    with reading() as session:
        known = vocabulary(session)
    words = [problem.words("en") for problem in check(BLUEPRINT, known).problems]
    assert [one for one in words if "disputed invoice" not in one] == []  # the owner makes the tag, or chooses another
    assert "accounting.overdue_invoice" in current().blueprints()


EXAMPLE = """
overdue_invoice:
  name: Overdue invoice reminder
  purpose: service
  start_when:
    - event: accounting.invoice_overdue
      where: [{field: event.amount_due, more_than: "50"}]
  one_per: event.invoice_number
  re_enter: always
  stop_when:
    - event: accounting.invoice_paid
      where: [{field: event.invoice_number, is: run.invoice_number}]
      reason: paid
  exclude_if: {has_tag: disputed invoice}
  send_hours: {days: [sun, mon, tue, wed, thu], from: 09:00, to: 17:00}
  fallback_time_zone: Asia/Jerusalem
  too_late_after: 5 days
  review_after: 1 year
  steps:
    - send: {message: invoice_gentle, via: email}
    - wait: 7 days
    - send: {message: invoice_second, via: sms}
    - wait: 7 days
    - send: {message: invoice_final, via: email}
"""


@pytest.fixture
def channels(office: Office, monkeypatch: pytest.MonkeyPatch) -> dict[str, RecordingChannel]:
    offered = {
        "email": RecordingChannel(),
        "sms": RecordingChannel(name="sms", label="SMS", icon="message", address_kind="phone"),
    }
    monkeypatch.setattr(type(current()), "channels", lambda _self: offered)
    return offered


def test_a_file_in_the_folder_starts_reminders_and_the_paid_file_stops_them(
    office: Office, channels: dict[str, RecordingChannel]
) -> None:
    begun(office)  # history, with an invoice long overdue: no reminder for that
    world = World(office.now, channels)
    for name in ("invoice_gentle", "invoice_second", "invoice_final"):
        world.template(name, "Invoice [[invoice number]]: [[amount due]]", channels=("email", "sms"))
    world.publish(EXAMPLE)
    dana, sara = (contact.id for contact in office.contacts())
    with writing() as session:
        for contact_id in (dana, sara):
            for channel in ("email", "sms"):
                opt_in(session, contact_id, channel, how="form", wording="yes", source="test", now=office.now)
    rows = ["901,30001,02/11/2026,03/11/2026,300,{},", "902,30001,02/11/2026,03/11/2026,40,40,"]
    later = "903,30002,02/11/2026,05/11/2026,80,80,"
    office.save("invoices1.csv", invoices(*(row.format("300") for row in rows), later))

    def live(days: int) -> list[tuple[int, str]]:
        """Day by day: the panel looks into the folder, the engine works."""
        for _ in range(days):
            office.sync(days=1)
            world.play(office.now)
        return [(message.contact_id, message.channel) for message in world.messages() if message.status == "sent"]

    assert live(0) == []
    office.sync()
    assert live(2) == [(dana, "email")]  # 902 is below fifty, 903 not due yet
    assert live(4) == [(dana, "email"), (sara, "email")]
    assert live(3) == [(dana, "email"), (sara, "email"), (dana, "sms")]
    office.save("invoices2.csv", invoices(*(row.format("0") for row in rows), later))
    sent = live(20)
    assert [who for who, _ in sent].count(dana) == 2  # paid: the final one never goes
    assert [channel for who, channel in sent if who == sara] == ["email", "email"]  # no telephone: two of three


def test_a_returned_cheque_starts_the_reminders_again(office: Office, channels: dict[str, RecordingChannel]) -> None:
    begun(office)
    world = World(office.now, channels)
    for name in ("invoice_gentle", "invoice_second", "invoice_final"):
        world.template(name, "Invoice [[invoice number]]", channels=("email", "sms"))
    world.publish(EXAMPLE)
    [dana, _] = (contact.id for contact in office.contacts())
    for name, left in (("1", "300"), ("2", "0"), ("3", "300")):
        row = f"901,30001,02/11/2026,03/11/2026,300,{left},"
        office.save(f"invoices{name}.csv", f"Exported {office.now}\n" + invoices(row))
        for _ in range(2):
            office.sync(days=1)
            world.play(office.now)
    runs = [(run.contact_id, run.status, run.reason) for run in world.runs()]
    assert runs == [(dana, "stopped", "stopped"), (dana, "active", None)]
