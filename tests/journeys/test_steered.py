"""Explain names the colleagues who steered a run, and the one who pinned the channel that was used."""

from __future__ import annotations

from datetime import timedelta

from panel.calendars import Reader
from panel.contacts.operations import By
from panel.db import reading, writing
from panel.engagement.pins import pin, unpin
from panel.journeys import pausing
from panel.journeys.by_hand import start_by_hand
from panel.journeys.explain import Explanation, explain
from panel.staff.models import User
from panel.staff.operations import create_user
from tests.journeys.engine.conftest import channels, world
from tests.journeys.engine.world import World

__all__ = ["channels", "world"]

SERIES = """
series:
  name: Series
  purpose: service
  start_when: [{manual: yes}]
  review_after: 1 year
  steps: [{send: {message: one, via: preferred}}, {wait: 2 days}, {send: two}, {wait: 20 days}, {send: three}]
"""


def plain(sentences: list[str]) -> str:
    return " ".join(sentences).replace("\u2068", "").replace("\u2069", "")


def ask(world: World, contact: int, language: str = "en") -> Explanation:
    with reading() as session:
        return explain(session, contact, "series", now=world.now, reader=Reader(language, time_zone="Asia/Jerusalem"))


def test_who_moved_paused_and_skipped_is_named_in_three_languages(world: World) -> None:
    for name in ("one", "two", "three"):
        world.template(name, text="Hello")
    world.publish(SERIES)
    contact = world.contact("Emma")
    id_ = world.do(lambda session: create_user(session, "noa@example.com", name="Noa", role="support", by=None)[0].id)
    with writing() as session:
        pin(session, contact, "email", "she asked", by=By(user_id=id_), now=world.now - timedelta(days=1))
    world.do(start_by_hand, contact, "series")
    world.play(timedelta(hours=1))
    with writing() as session:
        unpin(session, [contact], now=world.now)
    run = world.runs()[0].id
    with writing() as session:
        noa = session.get_one(User, id_)
        pausing.pause(session, run, by=noa, why="she asked", now=world.now)
        pausing.go_on(session, run, by=noa, now=world.now)
        pausing.skip(session, run, by=noa, now=world.now)
    told = ask(world, contact)
    came, withheld = plain(told.got), plain(told.not_got)
    assert "Noa paused the journey for this contact. Why: she asked" in withheld
    assert "skipped the step" in withheld
    assert "let the journey go on" in came
    assert "The preferred channel email was pinned by Noa" in came
    for language, word in (("he", "הושהה"), ("fa", "متوقف کرد")):
        assert word in " ".join(ask(world, contact, language).not_got)
        assert "Noa" in " ".join(ask(world, contact, language).got)
