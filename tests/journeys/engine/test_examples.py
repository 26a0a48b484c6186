"""The eight example journeys, each from entry to end on a virtual clock, event by event.

Moments are on the clock of the business (Jerusalem), as `Sun 22 Nov 10:00`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from panel.contacts.memberships import add_tag, create_list, join_list
from panel.contacts.operations import add_address, set_field
from panel.contacts.typed import create_field
from panel.db import reading, writing
from panel.experiments.models import ExperimentAssignment
from panel.journeys.file import journey_text
from panel.journeys.models import Journey
from panel.journeys.names import vocabulary
from panel.journeys.operations import publish
from panel.messages.models import Message
from panel.messages.reports import report
from panel.plugin_manager import manager
from panel.plugin_manager.operations import save_settings
from panel.sdk.testing import RecordingChannel
from panel.staff.models import Notice
from panel.staff.operations import create_user
from panel.tasks.models import Task
from panel.tasks.operations import complete
from panel.timeline.models import CustomEventType, Event
from tests.journeys.engine.world import World

EXAMPLES = Path(os.environ.get("PANEL_EXAMPLES", Path(__file__).parents[4] / "shared" / "examples" / "journeys.yaml"))
JERUSALEM = ZoneInfo("Asia/Jerusalem")
TEMPLATES = {
    "email": (
        *(
            "welcome_1",
            "welcome_2_our_story",
            "welcome_3_offer",
            "welcome_3_reminder",
            "miss_you_email",
            "miss_you_coupon",
        ),
        *("invoice_gentle", "invoice_second", "birthday_gift_coming", "birthday_today", "anniversary_thanks", "day_1"),
        *("day_10", "day_21", "day_31_offer", "short_day_7", "short_day_21_offer", "card_expired", "כרטיס"),
        *("ברוכים הבאים - מייל ראשון", "کارت تولد"),
    ),
    "sms": ("miss_you_coupon", "invoice_second", "card_expired"),
    "whatsapp": ("card_expired", "کارت تولد"),
    "letter": ("invoice_final", "card_expired"),
}

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are beside the checkout, not in it")


@pytest.fixture
def story(world: World) -> World:
    """The world of the examples: their lists, fields, templates and channels."""
    world.channels["whatsapp"] = RecordingChannel(name="whatsapp", address_kind="phone")
    world.channels["letter"] = RecordingChannel(name="letter", address_kind="postal")
    names = {name for names in TEMPLATES.values() for name in names}
    for name in sorted(names):
        world.template(name, channels=[one for one, known in TEMPLATES.items() if name in known])
    for name in ("Newsletter", "Programme", "לקוחות חדשים"):
        world.do(create_list, name, now=world.now)
    for name in ("birthday", "customer since", "تاریخ تولد"):
        world.do(create_field, name, "date", now=world.now)
    world.do(create_field, "کد تخفیف", "text", now=world.now)
    plugins = manager.current()
    with writing() as session:
        for name, fields in (("billing.card_expired", ["card_id"]), ("billing.card_updated", ["card_id"])):
            session.add(CustomEventType(name=name, labels={}, fields=fields))
        yossi, _ = create_user(session, "yossi@example.com", name="Yossi", role="owner", by=None)
        session.flush()
        world.yossi = yossi.id
        session.add(Journey(id="onboarding_customers", name="Onboarding", created_at=world.now, updated_at=world.now))
        fields = plugins.settings_fields("accounting")
        values = {one.name: one.default for one in fields} | {"currency": "ILS"}
        save_settings(session, "accounting", fields, values, plugins.secrets)
    return world


def live(world: World, name: str) -> None:
    """Publish one of the examples as it stands in the file."""
    text = EXAMPLES.read_text(encoding="utf-8")

    def as_the_panel_does(session: Session) -> None:
        publish(
            session, name, text=journey_text(text, name), file_text=text, vocabulary=vocabulary(session), now=world.now
        )

    world.do(as_the_panel_does)


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=JERUSALEM).astimezone(UTC)


# What the contact's own story is made of here; reports of a provider and profile changes are other tests' business.
TOLD = {
    *(
        "journey_entered",
        "journey_ended",
        "message_sent",
        "message_skipped",
        "tag_added",
        "note_added",
        "score_changed",
    ),
    *("task_created", "task_done", "action_done"),
}


def told(world: World, contact_id: int) -> list[str]:
    """What happened, as `Sun 22 Nov 10:00 message_sent email welcome_1`."""
    with reading() as session:
        rows = session.scalars(
            select(Event)
            .where(Event.contact_id == contact_id, Event.kind.in_(TOLD), Event.source != "panel")
            .order_by(Event.occurred_at, Event.id)
        ).all()
    lines = []
    for one in rows:
        data = one.data
        what = {
            "message_sent": lambda data: f"{data['channel']} {data['step']}",
            "message_skipped": lambda data: f"{data['channel']} {data['reason']}",
            "tag_added": lambda data: data["tag"],
            "note_added": lambda data: data["text"],
            "journey_ended": lambda data: data["reason"],
            "task_created": lambda data: data["title"],
            "score_changed": lambda data: f"{data['by']:+d}",
        }.get(one.kind, lambda _data: "")(data)
        moment = one.occurred_at.astimezone(JERUSALEM).strftime("%a %d %b %H:%M")
        lines.append(f"{moment} {one.kind} {what}".strip())
    return lines


def days(world: World, number: float) -> None:
    world.play(timedelta(days=number))


# 1


def test_welcome_without_an_answer(story: World) -> None:
    live(story, "welcome")
    dana = story.contact()
    story.do(join_list, dana, "Newsletter", now=story.now)
    days(story, 30)
    assert told(story, dana) == [
        "Sun 22 Nov 10:00 journey_entered",
        "Sun 22 Nov 10:00 message_sent email send_welcome_1",
        "Tue 24 Nov 10:00 message_sent email send_welcome_2_our_story",
        # The wait is over on a Friday; the first working day is Sunday.
        "Sun 29 Nov 09:00 message_sent email send_welcome_3_reminder",
        "Sun 06 Dec 10:00 tag_added cold",
        "Sun 06 Dec 10:00 note_added Did not open the welcome series",
        "Sun 06 Dec 10:00 journey_ended finished",
    ]


def test_welcome_with_a_click_and_an_open(story: World) -> None:
    live(story, "welcome")
    dana = story.contact()
    story.do(join_list, dana, "Newsletter", now=story.now)
    days(story, 3)
    with writing() as session:
        session.execute(update(Message).where(Message.step_id == "send_welcome_1").values(first_opened_at=story.now))
    story.event(dana, "link_clicked", url="https://example.com")
    days(story, 30)
    assert told(story, dana)[3:] == [
        "Wed 25 Nov 10:00 tag_added warm",
        "Wed 25 Nov 10:00 message_sent email send_welcome_3_offer",
        "Wed 02 Dec 10:00 score_changed +10",
        "Wed 02 Dec 10:00 journey_ended finished",
    ]


# 2


def test_win_back_three_months_after_the_last_order(story: World) -> None:
    live(story, "win_back")
    dana = story.contact()
    story.event(dana, "order_paid", amount="100")
    story.play(at("2027-04-20 12:00"))
    assert told(story, dana) == [
        # Three months after 22 November, 10:00; looked at every morning at 7.
        "Tue 23 Feb 07:00 journey_entered",
        "Tue 23 Feb 09:00 message_sent email send_miss_you_email",
        "Tue 02 Mar 09:00 message_sent email send_miss_you_coupon",
        # Ten days on.
        "Fri 12 Mar 09:00 task_created Call Dana - quiet for 3 months",
        "Fri 12 Mar 09:00 tag_added went quiet",
        "Fri 12 Mar 09:00 journey_ended finished",
    ]
    [task] = story.rows(Task)
    assert (task.due_at, task.remind_at) == (at("2027-03-15 09:00"), at("2027-03-14 09:00"))


def test_win_back_ends_with_the_order_it_was_for(story: World) -> None:
    live(story, "win_back")
    dana = story.contact()
    story.event(dana, "order_paid", amount="100")
    story.play(at("2027-02-25 12:00"))
    story.event(dana, "order_paid", amount="70")
    days(story, 30)
    assert told(story, dana)[2:] == ["Thu 25 Feb 12:00 journey_ended stopped"]


def test_win_back_leaves_those_alone_who_were_quiet_on_the_first_day(story: World) -> None:
    dana = story.contact()
    story.event(dana, "order_paid", at=story.now - timedelta(days=200), amount="100")
    story.work()
    live(story, "win_back")
    days(story, 60)
    assert told(story, dana) == []
    assert story.refusals() == ["existing_skipped"]


# 3


def overdue(world: World, contact_id: int, number: str = "1007") -> None:
    world.event(contact_id, "accounting.invoice_overdue", invoice_number=number, amount_due="250", currency="ILS")


def test_overdue_invoice_to_the_collection(story: World) -> None:
    live(story, "overdue_invoice")
    dana = story.contact()
    story.do(add_address, dana, "postal", "1 Herzl St, Tel Aviv", now=story.now)
    overdue(story, dana)
    days(story, 20)
    assert told(story, dana) == [
        "Sun 22 Nov 10:00 journey_entered",
        "Sun 22 Nov 10:00 message_sent email send_invoice_gentle",
        "Sun 29 Nov 10:00 message_sent email send_invoice_second",
        "Sun 06 Dec 10:00 message_sent letter send_invoice_final",
        "Sun 06 Dec 10:00 task_created Phone about invoice 1007 (250)",
    ]
    [task] = story.rows(Task)
    assert story.runs()[0].phase == "waiting"
    story.do(complete, [task.id], now=story.now)
    days(story, 1)
    assert [line.split(" ", 4)[4] for line in told(story, dana)[5:]] == ["action_done", "journey_ended finished"]
    assert story.messages(kind="call")[0].inline["with"] == {"invoice": "1007"}


def test_two_unpaid_invoices_are_two_runs_and_one_payment_ends_one(story: World) -> None:
    live(story, "overdue_invoice")
    dana = story.contact()
    overdue(story, dana, "1007")
    overdue(story, dana, "1008")
    days(story, 3)
    story.event(dana, "accounting.invoice_paid", invoice_number="1007", amount="250")
    story.work()
    assert {one.entry_key: one.status for one in story.runs()} == {"1007": "stopped", "1008": "active"}
    sent = [one.wire_at for one in story.messages(status="sent")]
    assert len(sent) == 2
    assert abs(sent[1] - sent[0]) >= timedelta(days=1), "one message in two days, whatever the invoices"


# 4


def test_birthday_on_a_friday(story: World) -> None:
    dana = story.contact()
    story.do(set_field, dana, "birthday", "1990-12-11", now=story.now)  # a Friday in 2026
    live(story, "birthday")
    story.play(at("2026-12-20 12:00"))
    assert told(story, dana) == [
        "Tue 08 Dec 09:00 journey_entered",
        "Tue 08 Dec 09:00 message_sent email send_birthday_gift_coming",
        # Friday is closed: the greeting goes on Thursday, the last moment before.
        "Thu 10 Dec 19:45 message_sent email send_birthday_today",
        "Thu 10 Dec 19:45 journey_ended finished",
    ]


def test_anniversary_of_a_customer(story: World) -> None:
    dana = story.contact()
    story.do(set_field, dana, "customer since", "2020-12-01", now=story.now)
    live(story, "birthday")
    story.play(at("2026-12-20 12:00"))
    assert told(story, dana) == [
        "Tue 01 Dec 09:00 journey_entered",
        "Tue 01 Dec 09:00 message_sent email send_anniversary_thanks",
        "Tue 01 Dec 09:00 journey_ended finished",
    ]


# 5


def test_the_programme_in_each_of_its_variants(story: World) -> None:
    live(story, "programme_test")
    contacts = [story.contact(f"Contact {number}") for number in range(40)]
    for one in contacts:
        story.do(join_list, one, "Programme", now=story.now)
    days(story, 45)
    given = {one.contact_id: one.variant for one in story.rows(ExperimentAssignment)}
    assert set(given) == set(contacts)
    assert set(given.values()) == {"31 days", "21 days", ""}
    shown = {variant: told(story, next(c for c in contacts if given[c] == variant)) for variant in set(given.values())}
    assert [line.split("message_sent email ")[1] for line in shown["31 days"] if "message_sent" in line] == [
        "send_day_1",
        "send_day_10",
        "send_day_21",
        "send_day_31_offer",
    ]
    assert [line.split("message_sent email ")[1] for line in shown["21 days"] if "message_sent" in line] == [
        "short_day_1",
        "send_short_day_7",
        "send_short_day_21_offer",
    ]
    assert shown[""] == ["Sun 22 Nov 10:00 journey_entered", "Sun 22 Nov 10:00 journey_ended finished"]
    assert {one.status for one in story.runs()} == {"finished"}


# 6


def expired(world: World, contact_id: int) -> None:
    world.event(contact_id, "billing.card_expired", card_id="c1")


def test_card_expired_on_every_channel_in_vain(story: World) -> None:
    live(story, "card_expired")
    dana = story.contact()
    story.do(add_address, dana, "postal", "1 Herzl St, Tel Aviv", now=story.now)
    expired(story, dana)
    days(story, 25)
    assert told(story, dana) == [
        "Sun 22 Nov 10:00 journey_entered",
        "Sun 22 Nov 10:00 message_sent email reach_card_expired",
        "Tue 24 Nov 10:00 message_sent whatsapp reach_card_expired",
        "Wed 25 Nov 10:00 message_sent sms reach_card_expired",
        # A fourth message in one week is too much by the defaults, and on Sunday it would be too late.
        "Thu 26 Nov 10:00 message_skipped letter skipped_limit",
        "Thu 26 Nov 10:00 task_created Call Dana Levi about the expired card",
        "Thu 26 Nov 10:00 journey_ended finished",
    ]
    [notice] = [one for one in story.rows(Notice) if one.enrolment_id is not None and one.kind == "journey"]
    assert notice.user_id == story.yossi


def test_card_expired_reached_by_the_first_mail(story: World) -> None:
    live(story, "card_expired")
    dana = story.contact()
    expired(story, dana)
    days(story, 1)
    [mail] = story.messages()
    story.do(report, state="replied", at=story.now, source="test", key=mail.our_message_id)
    days(story, 10)
    assert told(story, dana)[2:] == [
        "Mon 23 Nov 10:00 note_added Reached",
        "Mon 23 Nov 10:00 journey_ended finished",
    ]


def test_card_updated_ends_it(story: World) -> None:
    live(story, "card_expired")
    dana = story.contact()
    expired(story, dana)
    days(story, 1)
    story.event(dana, "billing.card_updated", card_id="c1")
    days(story, 10)
    assert told(story, dana)[2:] == ["Mon 23 Nov 10:00 journey_ended stopped"]


# 7


def test_welcome_in_hebrew(story: World) -> None:
    live(story, "welcome_he")
    dana = story.contact("דנה לוי")
    story.do(join_list, dana, "לקוחות חדשים", now=story.now)
    days(story, 20)
    assert told(story, dana) == [
        "Sun 22 Nov 10:00 journey_entered",
        "Sun 22 Nov 10:00 message_sent sms first_sms",
        "Tue 24 Nov 10:00 message_sent email first_mail",
        "Sun 29 Nov 10:00 task_created להתקשר אל דנה לוי",
        "Sun 29 Nov 10:00 journey_ended finished",
    ]
    assert "דנה, תודה שהצטרפת!" in story.sent("sms")[0]


def test_welcome_in_hebrew_leaves_the_staff_out(story: World) -> None:
    live(story, "welcome_he")
    dana = story.contact()
    story.do(add_tag, dana, "עובדים", now=story.now)
    story.do(join_list, dana, "לקוחות חדשים", now=story.now)
    story.work()
    assert told(story, dana) == []
    assert story.refusals() == ["excluded"]


# 8


def test_birthday_by_the_solar_calendar(story: World) -> None:
    sara = story.contact("سارا احمدی", time_zone="Asia/Tehran", consent=("sms", "whatsapp", "email"))
    # 20 Azar 1370 is 11 December 1991; 20 Azar 1405 is 11 December 2026, a Friday, which is closed.
    story.do(set_field, sara, "تاریخ تولد", "1991-12-11", now=story.now)
    story.do(set_field, sara, "کد تخفیف", "NAVA20", now=story.now)
    live(story, "birthday_fa")
    story.play(at("2026-12-25 12:00"))
    assert told(story, sara) == [
        # 9:00 in Tehran is 7:30 in Jerusalem; the hours begin at 10:00 there.
        "Tue 08 Dec 07:30 journey_entered",
        "Tue 08 Dec 08:30 message_sent sms birthday_sms",
        # Three days later is Friday. The journey allows Saturday, the defaults' own rule for WhatsApp does not: Sunday.
        "Sun 13 Dec 08:30 message_sent whatsapp birthday_card",
        "Sun 13 Dec 08:30 journey_ended finished",
    ]
    assert "NAVA20" in story.sent("sms")[0]
