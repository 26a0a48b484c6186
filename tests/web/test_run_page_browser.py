"""The drawn journey in the browser: its text stays in its boxes, it is mirrored, and a telephone gets the list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts.models import Contact
from panel.journeys.by_hand import start_by_hand
from tests.journeys.engine.conftest import channels, world  # noqa: F401
from tests.journeys.engine.world import World
from tests.web.seen import fits, serious

pytestmark = pytest.mark.databases("sqlite")
JOURNEY = """
series:
  name: סדרה
  purpose: service
  start_when: [{manual: yes}]
  review_after: 1 year
  steps:
    - send: one
    - wait_for: {event: order_paid}
      up_to: 3 days
      then:
        - note: {text}
      on_timeout:
        - send: one
"""
WORDS = {
    "he": "להוסיף לכרטיס הערה ארוכה על לקוחות שחזרו אחרי הפסקה",
    "fa": "یادداشتی بلند دربارهٔ مشتریان وفاداری که دوباره بازگشته‌اند",
}
# Boxes whose text sticks out, as a person would see it.
OUTSIDE = """[...document.querySelectorAll('.flow-box')].filter((box) => {
  const edge = box.querySelector('rect').getBoundingClientRect();
  return [...box.querySelectorAll('text')].some((text) => {
    const own = text.getBoundingClientRect();
    return own.left < edge.left || own.right > edge.right || own.bottom > edge.bottom;
  });
}).map((box) => box.dataset.step)"""
LEFT = "(step) => document.querySelector(`[data-step=${step}] rect`).getBoundingClientRect().left"


@pytest.mark.parametrize("language", ["he", "fa"])
def test_the_picture_is_mirrored_its_text_stays_inside_and_a_telephone_gets_the_list(
    stored,
    browse,
    world: World,  # noqa: F811
    language,
):
    from playwright.sync_api import expect

    world.now = clock.now() - timedelta(hours=1)
    world.template("one")
    world.publish(JOURNEY.replace("{text}", f'"{WORDS[language]}"'))
    world.do(start_by_hand, world.contact("Emma Wilson"), "series", now=world.now)
    world.work()
    [run] = world.runs()
    public_id = stored.scalar(select(Contact.public_id).where(Contact.id == run.contact_id))
    stored.rollback()
    page = browse(f"/admin/contact/{public_id}/journey/{run.id}", role="support", language=language)
    expect(page.locator(".flow-box")).to_have_count(4)
    assert page.evaluate(OUTSIDE) == []
    steps = page.locator(".flow-box").evaluate_all("(all) => all.map((one) => one.dataset.step)")
    first, second = (next(one for one in steps if one.startswith(kind)) for kind in ("note", "send_one_"))
    assert page.evaluate(LEFT, first) > page.evaluate(LEFT, second)
    assert serious(page) == []

    # Pausing and taking it back, without leaving the page.
    page.locator("summary.btn").click()
    page.locator("#pause-why").fill("בחופשה")
    page.locator("#pause-why").press("Enter")
    expect(page.locator(".notice-warning")).to_contain_text("בחופשה")
    page.locator("[data-undo] button").click()
    expect(page.locator(".notice-warning")).to_have_count(0)

    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator(".flow")).to_be_hidden()
    expect(page.locator(".flow-list li[aria-current=step]")).to_be_visible()
    assert fits(page)
