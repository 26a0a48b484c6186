"""D19: what machines load and follow drives no journey, not even when something else makes the journey look again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from panel.db import writing
from panel.messages.models import Skeleton
from panel.tracking.operations import record_click, record_open
from panel.tracking.rules import Hit
from tests.journeys.engine.conftest import channels, world  # noqa: F401
from tests.journeys.engine.world import World
from tests.tracking.test_rules import CHROME

WAITING = """
waiting:
  name: Waiting
  purpose: service
  start_when: [{{tag_added: lead}}]
  stop_when: [{{tag_added: gone}}]
  review_after: 6 months
  steps:
    - send: hello
    - wait_for: {{event: {kind}}}
      up_to: 3 days
      then:
        - tag: warm
      on_timeout:
        - tag: cold
    - stop: over
"""
SCANNER, PERSON = Hit(user_agent="Barracuda Sentinel (EE)"), Hit(user_agent=CHROME, network="home")


@pytest.mark.parametrize(("kind", "touch"), [("message_opened", record_open), ("link_clicked", record_click)])
@pytest.mark.parametrize(("who", "outcome"), [(SCANNER, "timeout"), (PERSON, "event_came")])
def test_d19_a_scanner_ends_no_waiting_and_a_person_does(world: World, kind, touch, who, outcome):  # noqa: F811
    world.template("hello")
    world.publish(WAITING.format(kind=kind))
    contact = world.contact()
    world.event(contact, "tag_added", tag="lead")
    world.play(timedelta(hours=1))
    (message,) = world.messages()
    with writing() as session:
        session.execute(update(Skeleton).values(links=["https://shop.test/", "https://shop.test/2", "https://x.test/"]))
    link = (0,) if touch is record_click else ()
    world.do(touch, message.id, *link, who, now=world.now)
    world.event(contact, "page_visited", page="/")  # whatever else makes the journey look
    world.play(timedelta(days=4))
    assert [how for _, how in world.trace()][1] == outcome
    assert ("machine_" + kind.split("_")[1] in world.timeline(contact)) is (who is SCANNER)
