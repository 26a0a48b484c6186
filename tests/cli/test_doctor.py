"""`panel doctor` names the trouble and the way out, for people and for scripts."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from panel.cli import main
from panel.cli._checks import CHECKS, examine
from panel.db import db, writing
from panel.jobs.heartbeats import Heart

pytestmark = pytest.mark.databases("sqlite")


def findings(app):
    found = {}
    for finding in examine(app.config["PANEL"]):
        found.setdefault(finding.name, finding)
    return found


def test_a_sound_installation_is_all_good(make_app, redis_url):
    app = make_app(PANEL_REDIS_URL=redis_url)
    with app.app_context():
        for kind in ("worker", "ticker"):
            Heart(kind, "1", app.app_context).beat()
        assert {name: finding.words("en") for name, finding in findings(app).items() if finding.state == "bad"} == {}


def test_without_its_processes_it_says_what_does_not_happen(app):
    found = findings(app)
    assert found["worker"].state == found["ticker"].state == found["broker"].state == "bad"
    assert "make run" in found["worker"].fix_words("en")


def test_old_tables_are_named_with_the_command(app):
    with writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert "panel db upgrade" in findings(app)["schema"].fix_words("en")


def test_a_secret_that_others_can_read_is_a_warning(app):
    (app.config["PANEL"].instance / "secret_key").chmod(0o644)
    assert findings(app)["secret_key"].state == "warn"


def test_a_lost_secret_is_bad(app):
    (app.config["PANEL"].instance / "secret_key").write_text("")
    assert "backup" in findings(app)["secret_key"].fix_words("en")


def test_a_plugin_that_is_broken_is_named(make_app, tmp_path):
    folder = tmp_path / "instance" / "plugins" / "crooked"
    folder.mkdir(parents=True)
    (folder / "plugin.yaml").write_text("id: crooked\n")
    app = make_app()
    with app.app_context():
        finding = findings(app)["plugins"]
    assert finding.state == "bad"
    assert finding.params["plugin"] == "crooked"


def test_work_that_cannot_be_found_is_named(app, monkeypatch):
    monkeypatch.setattr("panel.jobs.drains.missing", lambda: {"route": "gone"})
    assert findings(app)["work"].params["names"] == "route"


def test_a_database_that_is_gone_does_not_stop_the_other_checks(app, monkeypatch, tmp_path):
    from sqlalchemy import create_engine

    gone = create_engine(f"sqlite:///{tmp_path}/no/such/folder/panel.sqlite")
    monkeypatch.setattr(type(db), "engine", property(lambda _: gone))
    found = findings(app)
    assert found["database"].state == "bad"
    assert found["disk"].state == "good"


def test_a_check_that_breaks_is_a_finding_too(app, monkeypatch):
    def check_luck(config):
        raise ZeroDivisionError("bad luck\nsecond line")

    monkeypatch.setattr("panel.cli._checks.CHECKS", (*CHECKS, check_luck))
    finding = findings(app)["luck"]
    assert finding.state == "bad"
    assert finding.words("en").endswith("ZeroDivisionError: bad luck")


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_every_word_of_it_is_translated(app, language):
    for finding in examine(app.config["PANEL"]):
        assert finding.words(language)
        if language != "en":
            assert finding.words(language) != finding.words("en")
            assert not finding.fix or finding.fix_words(language) != finding.fix_words("en")


def test_scripts_get_json_and_an_exit_code(config, monkeypatch):
    monkeypatch.setenv("PANEL_INSTANCE", str(config.instance))
    monkeypatch.setenv("PANEL_DATABASE_URL", config.database_url)
    answer = CliRunner().invoke(main, ["doctor", "--json"])
    told = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert told["ok"] is False
    assert {"name", "state", "words", "fix"} == set(told["checks"][0])
