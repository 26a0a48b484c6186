"""`panel journeys`: for people in words, for scripts as JSON with an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from panel.cli.journeys import journeys

CASES = Path(__file__).parents[1] / "cases" / "journeys" / "errors"
GOOD = """language: 1
journeys:
  welcome:
    name: Welcome
    purpose: marketing
    state: live
    start_when: [{manual: yes}]
    exclude_if: {has_tag: staff}
    send_hours: {from: 09:00, to: 20:00}
    review_after: 6 months
    steps:
      - tag: welcomed
"""


def run(*arguments: str):
    return CliRunner().invoke(journeys, list(arguments), env={"PANEL_LANGUAGE": "en"})


pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "journeys.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_a_good_file_is_good(file):
    answer = run("check", str(file))
    assert answer.exit_code == 0
    assert answer.output == "Journeys: 1. Problems: 0. Warnings: 0.\n"


def test_a_mistake_is_named_with_its_line_and_the_nearest_word(file):
    file.write_text(GOOD.replace("review_after", "review_aftr"), encoding="utf-8")
    answer = run("check", str(file))
    assert answer.exit_code == 1
    words = "“review_aftr” is not known in a journey. Did you mean review_after?  (unknown_key)"
    assert f"line 10, column 5: {words}" in answer.output


def test_a_warning_does_not_fail(file):
    file.write_text(GOOD.replace("6 months", "3 years"), encoding="utf-8")
    assert run("check", str(file)).exit_code == 0


def test_scripts_get_json(file):
    file.write_text(GOOD.replace("review_after", "review_aftr"), encoding="utf-8")
    answer = run("check", str(file), "--json", "--language", "he")
    found = json.loads(answer.output)
    assert answer.exit_code == 1
    assert found["ok"] is False
    assert [(p["code"], p["line"], p["guess"]) for p in found["problems"]] == [("unknown_key", 10, "review_after")]
    assert "review_aftr" in found["problems"][0]["words"]
    assert found["journeys"] == {"welcome": {"ok": False, "problems": 1}}


def test_the_schema_is_json():
    assert json.loads(run("schema").output)["$defs"]["journey"]


def test_a_missing_file_is_one_line():
    answer = run("check", "nowhere.yaml")
    assert answer.exit_code == 2
    assert "Traceback" not in answer.output


@pytest.fixture
def installation(database_url, tmp_path, file, monkeypatch):
    monkeypatch.setenv("PANEL_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.setenv("PANEL_DATABASE_URL", database_url)
    monkeypatch.setenv("PANEL_JOURNEYS", str(file))
    return file


def test_publishing_reads_the_file_and_says_the_version(installation):
    assert run("publish", "welcome").output == "welcome: version 1 is live\n"
    assert run("publish", "welcome").output == "welcome: nothing changed, version 1 is live\n"
    found = json.loads(run("list", "--json").output)
    assert [(j["id"], j["state"], j["version"], j["draft"]) for j in found] == [("welcome", "live", 1, False)]


def test_publishing_says_which_test_begins_anew(installation):
    test = """      - split:
          variants:
            - {name: a, share: 50%, steps: [{note: one}]}
            - {name: b, share: 50%, steps: [{note: two}]}
          goal: {event: order_paid, within: 5 days}
          decide: {after: 9 days, at_latest: 20 days}
        id: length
"""
    installation.write_text(GOOD.rstrip("\n") + "\n" + test, encoding="utf-8")
    assert run("publish", "welcome").output == "welcome: version 1 is live\n"
    installation.write_text(GOOD.rstrip("\n") + "\n" + test.replace("note: one", "note: more"), encoding="utf-8")
    said = run("publish", "welcome").output
    assert said.startswith("welcome: version 2 is live\n  the test length begins anew: what is compared,")


def test_a_refused_publication_says_everything_and_exits_with_1(installation):
    run("publish", "welcome")
    text = GOOD.replace("- tag: welcomed", "- tagg: welcomed").replace("6 months", "soon")
    installation.write_text(text, encoding="utf-8")
    answer = run("publish", "welcome", "--json")
    assert answer.exit_code == 1
    result = json.loads(answer.output)[0]
    places = [(p["code"], p["line"], p["column"]) for p in result["problems"]]
    assert places == [("not_a_review", 10, 19), ("unknown_key", 12, 9)]
    assert "line 12, column 9: " in run("publish", "welcome").output
    # Nobody has published it, and it is called by its name all the same.
    draft = text.replace("  welcome:", "  second:").replace("name: Welcome", "name: The second")
    installation.write_text(f"{text}{draft.split('journeys:')[1].lstrip(chr(10))}", encoding="utf-8")
    run("publish", "second")
    [second, first] = json.loads(run("list", "--json").output)
    assert (second["id"], second["name"], second["version"]) == ("second", "The second", None)
    assert (first["id"], first["version"]) == ("welcome", 1)


def test_all_publishes_what_is_meant_to_be_live(installation):
    draft = "".join(GOOD.split("journeys:\n")[1]).replace("welcome:", "other:").replace("    state: live\n", "")
    installation.write_text(GOOD + draft, encoding="utf-8")
    assert [(r["journey"], r["ok"]) for r in json.loads(run("publish", "--all", "--json").output)] == [
        ("welcome", True)
    ]


def test_a_journey_that_is_not_there_is_said(installation):
    answer = run("publish", "nobody")
    assert answer.exit_code == 1
    assert "There is no draft of a journey “nobody”." in answer.output
