"""One story from end to end, with nothing replaced: a journey sends, the phone reports, answers, and refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from panel import clock
from panel.db import reading
from panel.plugin_manager import manager
from panel.sdk.web import Request
from panel.timeline.models import Event
from tests.journeys.engine.world import World

SUNDAY = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
JOURNEY = """
welcome:
  name: Welcome by SMS
  purpose: marketing
  start_when: [{event: order_paid}]
  review_after: 1 year
  steps:
    - send:
        via: sms
        text: "שלום [[first name]], פרטים: https://shop.example/17"
    - wait: 1 day
    - send:
        via: sms
        text: "עוד הודעה"
"""


def post(form):
    page = manager.current().pages()[("sms", "phone")]
    return page.post(Request("POST", "/plugins/sms/phone", {}, {}, b"", form))


def kinds(contact):
    with reading() as session:
        return [
            (event.kind, event.data)
            for event in session.scalars(select(Event).where(Event.contact_id == contact).order_by(Event.id))
        ]


def test_a_journey_sends_and_the_answer_stops_it(app):
    world = World(SUNDAY, manager.current().channels())
    dana = world.contact("דנה לוי", phones=("0521234567",))
    world.publish(JOURNEY)
    world.event(dana, "order_paid")
    world.work()
    (message,) = world.messages(channel="sms")
    assert (message.status, message.provider_message_id[:6]) == ("sent", "phone-")
    manager_page = manager.current().pages()[("sms", "phone")]
    shown = manager_page.render(Request("GET", "/", {}, {}, b"", {}))
    assert "שלום דנה" in shown
    assert "https://shop.example/17" not in shown, "the link is ours, so that a click is seen"
    with clock.hold(world.now + timedelta(minutes=1)):
        post({"do": "delivered", "key": message.our_message_id})
        post({"do": "answer", "number": "+972521234567", "text": "הסר."})
    names = [kind for kind, _ in kinds(dana)]
    assert [name for name in names if name.startswith(("message", "opted"))] == [
        "message_sent", "message_delivered", "message_replied", "opted_out",
    ]  # fmt: skip
    world.play(timedelta(days=3))
    statuses = [(one.status, one.reason) for one in world.messages(channel="sms")]
    assert statuses[0][0] == "delivered"
    assert len(statuses) == 2
    assert statuses[1][0] == "skipped", statuses


def test_a_report_settles_what_a_cut_connection_left_in_doubt(app, configure, gateway):
    configure()
    gateway.drop()
    world = World(SUNDAY, manager.current().channels())
    dana = world.contact("דנה לוי", phones=("0521234567",))
    world.publish(JOURNEY)
    world.event(dana, "order_paid")
    world.work()
    (message,) = world.messages(channel="sms")
    assert message.status == "unknown"
    assert len(gateway.requests) == 1
    from plugins.sms import incoming

    ctx = manager.current().context("sms")
    key = incoming.address(ctx, "report").partition("key=")[2]
    body = b'{"reference": "%s", "status": "DELIVRD"}' % message.our_message_id.encode()
    hook = manager.current().webhooks()[("sms", "report")]
    with clock.hold(world.now + timedelta(minutes=5)):
        assert hook.handle(Request("POST", "/hooks/sms/report", {"key": key}, {}, body, {})).status == 200
    (message,) = world.messages(channel="sms")
    assert (message.status, message.settled_by) == ("delivered", "report")
    gateway.answer = None
    world.play(timedelta(days=2))
    assert [one.status for one in world.messages(channel="sms")] == ["delivered", "sent"], "the run went on by itself"
