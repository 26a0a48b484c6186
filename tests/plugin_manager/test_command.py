"""`panel plugins`: what scripts can rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from panel.cli import main
from panel.plugin_manager import completeness, scaffold
from panel.plugin_manager.sources import Found

pytestmark = pytest.mark.databases("sqlite")


@pytest.fixture
def run(config, monkeypatch):
    monkeypatch.setenv("PANEL_INSTANCE", str(config.instance))
    monkeypatch.setenv("PANEL_DATABASE_URL", config.database_url)

    def invoke(*arguments):
        return CliRunner().invoke(main, ["plugins", *map(str, arguments)])

    return invoke


def found(folder: Path) -> Found:
    return Found(folder.name, "instance", folder, f"plugins.{folder.name}")


def codes(folder):
    return [problem.code for problem in completeness.check(found(folder))]


def test_a_new_plugin_is_complete_and_its_tests_pass(run, tmp_path):
    made = run("new", "weather_now", "--in", tmp_path, "--json")
    assert made.exit_code == 0, made.output
    folder = Path(json.loads(made.stdout)["folder"])
    checked = run("check", folder, "--json")
    assert json.loads(checked.stdout) == [{"id": "weather_now", "good": True, "problems": []}]
    assert checked.exit_code == 0
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(folder)],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_new_plugin_waits_in_the_instance_until_somebody_switches_it_on(run):
    assert run("new", "weather_now").exit_code == 0
    rows = {row["id"]: row for row in json.loads(run("list", "--json").stdout)}
    assert (rows["weather_now"]["state"], rows["weather_now"]["source"]) == ("off", "instance")
    assert rows["sms"]["state"] == "on"


@pytest.mark.parametrize("plugin_id", ["Weather", "1st", "a b", "../x", "", "é"])
def test_a_bad_id_is_refused_in_a_sentence(run, plugin_id):
    refused = run("new", plugin_id)
    assert refused.exit_code == 1
    assert "cannot be the id" in refused.output


def test_nothing_is_written_over(run, tmp_path):
    run("new", "twice", "--in", tmp_path)
    again = run("new", "twice", "--in", tmp_path)
    assert again.exit_code == 1
    assert "already something" in again.output


def test_an_unknown_plugin_is_named(run):
    refused = run("check", "nobody")
    assert refused.exit_code == 1
    assert "nobody" in refused.output


def test_what_is_missing_is_told_all_at_once(tmp_path):
    folder = scaffold.create("half", tmp_path)
    (folder / "README.md").unlink()
    (folder / "tests" / "test_complete.py").unlink()
    (folder / "translations" / "fa.po").unlink()
    manifest = folder / "plugin.yaml"
    manifest.write_text(manifest.read_text().replace("keeps_about_contacts: no\n", "sync_every: 60\n"))
    page = folder / "page.py"
    page.write_text(page.read_text() + "\nfrom panel.contacts import search\nimport plugins.sms\n")
    he = folder / "translations" / "he.po"
    he.write_text(he.read_text().replace("נאמר שלום: %(words)s", "נאמר שלום: %(word)s"))
    assert codes(folder) == [
        "plugin_without_readme", "plugin_without_tests",
        "plugin_without_erasing", "plugin_without_sync", "plugin_import", "plugin_import",
        "plugin_translations_slots", "plugin_translations_missing",
    ]  # fmt: skip


def test_a_broken_plugin_is_told_by_its_first_fault(tmp_path):
    folder = scaffold.create("broken", tmp_path)
    (folder / "__init__.py").write_text("raise RuntimeError('no')\n")
    assert codes(folder) == ["plugin_failed"]


def test_declaring_must_not_touch_the_database(tmp_path):
    folder = scaffold.create("eager", tmp_path)
    code = (folder / "__init__.py").read_text()
    (folder / "__init__.py").write_text(
        code + "\n@hookimpl\ndef register_services(ctx):\n    ctx.unit()\n    return []\n"
    )
    assert codes(folder) == ["plugin_failed"]


@pytest.mark.parametrize("plugin_id", ["accounting", "email", "sms"])
def test_the_products_own_plugins_are_complete(run, plugin_id):
    checked = run("check", plugin_id)
    assert checked.exit_code == 0, checked.output


def test_a_plugin_is_switched_off_and_on_from_the_command_line(run):
    assert run("off", "sms").exit_code == 0
    states = {row["id"]: row["state"] for row in json.loads(run("list", "--json").stdout)}
    assert states["sms"] == "off"
    assert run("sync", "sms").exit_code == 1
    assert run("on", "sms").exit_code == 0
    assert run("sync", "sms").exit_code == 0
    assert run("on", "nobody").exit_code == 1
