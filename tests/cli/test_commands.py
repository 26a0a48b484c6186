"""The command line itself: quick to ask, clear when something is missing, the same for scripts in every language."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from panel.cli import commands, main
from panel.cli._language import language
from panel.cli.db import command as db_command
from panel.errors import UserError
from panel.i18n import N_


def test_asking_for_help_imports_neither_the_application_nor_the_database():
    code = (
        "import sys; from panel.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'flask', 'sqlalchemy', 'rq'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "doctor" in done.stdout


def test_every_command_has_a_line_of_help():
    assert {name for name, words in commands().items() if not words} == set()


def test_an_unknown_command_is_refused_in_one_sentence():
    answer = CliRunner().invoke(main, ["dokter"])
    assert answer.exit_code == 2
    assert "dokter" in answer.output


def test_a_module_that_is_missing_is_named_with_the_way_out(monkeypatch):
    def gone(name):
        raise ModuleNotFoundError("gone", name="flask_admin")

    monkeypatch.setattr("panel.cli.importlib.import_module", gone)
    answer = CliRunner().invoke(main, ["doctor"])
    assert answer.exit_code == 1
    assert "flask_admin" in answer.output
    assert "make setup" in answer.output


def test_an_expected_refusal_is_a_sentence_and_not_a_traceback(monkeypatch):
    def refuse(self, ctx):
        raise UserError("nothing_there", N_("There is nothing there."))

    monkeypatch.setattr(type(db_command.commands["level"]), "invoke", refuse)
    answer = CliRunner().invoke(main, ["db", "level"])
    assert answer.exit_code == 1
    assert "There is nothing there." in answer.output
    assert "Traceback" not in answer.output


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PANEL_LANGUAGE": "fa", "LANG": "he_IL.UTF-8"}, "fa"),
        ({"LANG": "he_IL.UTF-8"}, "he"),
        ({"LANG": "iw_IL"}, "he"),
        ({"LC_ALL": "fa_IR", "LANG": "en_GB"}, "fa"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_language_is_what_was_asked_for_else_the_terminals(environment, expected):
    assert language(environment) == expected


@pytest.mark.databases("sqlite")
def test_the_level_of_the_database_can_be_asked_and_raised(tmp_path, monkeypatch):
    monkeypatch.setenv("PANEL_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.setenv("PANEL_DATABASE_URL", f"sqlite:///{tmp_path}/new.sqlite")
    runner = CliRunner()
    assert runner.invoke(main, ["db", "level"]).exit_code == 1
    assert runner.invoke(main, ["db", "upgrade"]).exit_code == 0
    answer = runner.invoke(main, ["db", "level", "--json"])
    assert answer.exit_code == 0
    level = json.loads(answer.output)
    assert level["level"] == level["newest"] >= "0001"
