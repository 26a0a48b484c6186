from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from panel.cli import main
from panel.contacts.operations import create_contact
from panel.db import writing
from panel.sdk.context import NewContact
from tests.imports.conftest import PEOPLE, csv_of

MAPPING = """
columns: {"עיר": "", "דוא\\"ל": email}
lists: [לקוחות חדשים]
tags: ייבוא
consent: {channels: [email], source: טופס, date: 2026-01-31, wording: כן}
start_journeys: no
"""


@pytest.fixture
def panel(app, monkeypatch, tmp_path):
    config = app.config["PANEL"]
    monkeypatch.setenv("PANEL_INSTANCE", str(config.instance))
    monkeypatch.setenv("PANEL_DATABASE_URL", config.database_url)

    def run(*arguments: str, exit_code: int = 0):
        answer = CliRunner().invoke(main, list(arguments))
        assert answer.exit_code == exit_code, (answer.output, answer.exception)
        assert "Traceback" not in answer.output
        return answer.output

    return run


@pytest.fixture
def files(tmp_path):
    people, mapping = tmp_path / "people.csv", tmp_path / "mapping.yaml"
    people.write_bytes(csv_of([*PEOPLE, ["x", "", "", "wrong", ""]]).encode("utf-8"))
    mapping.write_text(MAPPING, encoding="utf-8")
    return str(people), str(mapping)


def test_import_find_and_timeline(panel, files):
    people, mapping = files
    checked = json.loads(panel("contacts", "import", people, "--mapping", mapping, "--check", "--json"))
    assert (checked["new"], checked["errors"], checked["examples"][0]["row"]) == (3, 1, 5)
    panel("contacts", "find", "dana", exit_code=1)
    done = json.loads(panel("contacts", "import", people, "--mapping", mapping, "--json"))
    assert (done["state"], done["created"], done["errors"]) == ("done", 3, 1)
    assert done["error_file"].endswith(".errors.csv")
    again = json.loads(panel("contacts", "import", people, "--json"))
    assert (again["created"], again["unchanged"]) == (0, 3)
    (found,) = json.loads(panel("contacts", "find", "052-1234567", "--json"))
    assert (found["name"], found["email"]) == ("דנה לוי", "dana@shop.co.il")
    told = json.loads(panel("timeline", "dana@shop.co.il", "--json"))
    assert [one["kind"] for one in told["events"]][-1] == "contact_created"
    assert {one["kind"] for one in told["events"]} == {"contact_created", "list_joined", "tag_added", "consent_given"}
    assert "לקוחות חדשים" in panel("timeline", str(found["id"]))
    first = json.loads(panel("timeline", str(found["id"]), "--json", "--limit", "2"))["events"]
    rest = json.loads(panel("timeline", str(found["id"]), "--json", "--before", first[-1]["cursor"]))["events"]
    assert [one["cursor"] for one in first + rest] == [one["cursor"] for one in told["events"]]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("colums: {}", '"columns"'),
        ("columns: {Nmae: first_name}", "Did you mean"),
        ('columns: {"עיר": frist_name}', "first"),
        ("columns: [", "line"),
        ("- a", "columns"),
        ("header_row: x", "header_row"),
        ("consent: {channels: [email]}", "proof"),
        ("match: name", "name"),
        ("encoding: nonsense", "nonsense"),
        ("columns: {\u0000: a}", "line"),
        ("columns: &a {x: *a}", ""),
    ],
)
def test_a_mistake_in_the_mapping_is_one_sentence(panel, files, tmp_path, mapping, words):
    path = tmp_path / "broken.yaml"
    path.write_text(mapping, encoding="utf-8")
    assert words in panel("contacts", "import", files[0], "--mapping", str(path), exit_code=1)


@pytest.mark.databases("sqlite")
def test_who_is_not_exactly_one_is_said(panel):
    with writing() as session:
        for name in ("דנה לוי", "דנה כהן"):
            create_contact(session, NewContact(name=name), how="manual")
    assert "דנה כהן" in panel("timeline", "דנה", exit_code=1)
    assert "Nobody" in panel("timeline", "Nobody", exit_code=1)
    panel("timeline", "לוי", "--before", "x", exit_code=1)
    assert panel("timeline", "1").startswith("דנה לוי (1)")
