"""`panel journeys simulate`, `panel journeys forecast` and `panel explain`, as somebody types them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from panel.cli import explain as explaining
from panel.contacts.operations import create_contact
from panel.db import writing
from panel.sdk.context import NewContact
from tests.cli.test_journeys import file, installation, run

__all__ = ["file", "installation"]

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def dana(installation, app):
    assert run("publish", "welcome").exit_code == 0
    with writing() as session:
        create_contact(session, NewContact(name="Dana Levi", emails=["dana@example.com"]), how="manual")
    return "dana@example.com"


def test_a_contact_is_played_day_by_day(dana):
    done = run("simulate", dana, "welcome", "--days", "30", "--event", "moon_landing@1d")
    assert done.exit_code == 0, done.output
    assert "Enters the journey" in done.output
    assert "came to the end" in done.output
    assert "moon_landing" in done.output


def test_scripts_get_json(dana):
    told = json.loads(run("simulate", dana, "welcome", "--json").output)
    assert [line["kind"] for line in told["lines"]] == ["entered", "step", "ended"]


def test_what_is_not_there_is_one_line(dana):
    for arguments in (("simulate", "nobody", "welcome"), ("simulate", dana, "nowhere")):
        done = run(*arguments)
        assert done.exit_code == 1
        assert len(done.output.strip().splitlines()) == 1


def test_a_length_that_is_none_is_explained(dana):
    done = run("simulate", dana, "welcome", "--opens", "soon")
    assert done.exit_code == 2
    assert "30m, 2h, 3d or 1w" in done.output


def test_everybody_is_forecast(dana):
    done = run("forecast", "--days", "7", "--processes", "1")
    assert done.exit_code == 0, done.output
    assert "Contacts: 1. Days: 7." in done.output


def test_the_four_answers_are_printed(dana):
    done = CliRunner().invoke(explaining.command, ["Dana Levi", "welcome"], env={"PANEL_LANGUAGE": "en"})
    assert done.exit_code == 0, done.output
    assert "Why she did not" in done.output
    assert "It starts when" in done.output
    assert "What would stop it" in done.output
    unknown = CliRunner().invoke(explaining.command, [dana, "nowhere"], env={"PANEL_LANGUAGE": "en"})
    assert unknown.exit_code == 1
    assert "nowhere" in unknown.output
