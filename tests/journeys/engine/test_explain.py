"""Every "why" has an answer from the rows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.contacts.memberships import create_list, join_list
from panel.db import reading
from panel.errors import UserError
from panel.journeys.explain import Explanation, explain
from tests.journeys.engine.test_running import CHOICES, WELCOME
from tests.journeys.engine.world import World


def ask(world: World, contact: int, journey: str, language: str = "en") -> Explanation:
    with reading() as session:
        return explain(session, contact, journey, now=world.now, language=language)


@pytest.fixture
def welcomed(world: World) -> int:
    world.do(create_list, "Newsletter", now=world.now)
    world.template("welcome_1")
    world.template("welcome_2")
    world.publish(WELCOME)
    contact = world.contact()
    world.do(join_list, contact, "Newsletter", now=world.now)
    return contact


def test_it_says_why_she_got_it_and_what_comes_next(world: World, welcomed: int) -> None:
    world.play(timedelta(hours=1))
    told = ask(world, welcomed, "welcome")
    [run] = told.runs
    assert (run.status, run.because) == ("active", "joins_list")
    assert [line.code for line in run.messages] == ["sent"]
    assert run.waits_until == world.now + timedelta(days=2, hours=-1)
    assert told.stops == ["leaves_list"]


def test_it_says_why_she_was_refused(world: World, welcomed: int) -> None:
    world.work()
    world.event(welcomed, "list_joined", list="Newsletter")
    world.work()
    told = ask(world, welcomed, "welcome")
    assert [line.code for line in told.refusals] == ["already_in"]


def test_it_judges_the_entry_now_when_nothing_ever_happened(world: World) -> None:
    world.publish(CHOICES)
    persian, hebrew = world.contact("Sara Ahmadi", language="fa"), world.contact("Noa Bar", language="he")
    told = ask(world, persian, "choices")
    assert told.would_enter is False
    assert told.judged["only_if"]["seen"] == "fa"
    assert ask(world, hebrew, "choices").would_enter is True


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_the_words_are_the_readers(world: World, welcomed: int, language: str) -> None:
    world.work()
    words = ask(world, welcomed, "welcome", language).runs[0].words
    assert (words == "inside") == (language == "en")


def test_unknown_names_are_said_plainly(world: World) -> None:
    with pytest.raises(UserError, match="no journey called"):
        ask(world, world.contact(), "nowhere")
