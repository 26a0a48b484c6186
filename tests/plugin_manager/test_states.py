"""Switching plugins on and off reaches every running process; secrets are never stored in clear."""

from __future__ import annotations

import json

import pytest

from panel.db import reading, writing
from panel.plugin_manager import operations
from panel.plugin_manager.models import PluginState
from panel.plugin_manager.secrets import Secrets
from panel.plugin_manager.settings import as_text, read_form
from panel.sdk.settings import SettingField

CHANNEL = """
from panel.sdk.channels import ChannelFacts
from panel.sdk.settings import SettingField

class Pigeon:
    label = "Pigeon"
    name = "pigeon"
    icon = "feather"
    address_kind = "postal"
    facts = ChannelFacts()
    compile = encode = send = lookup = show = lambda self, *given: None

    def __init__(self, settings):
        self.coop = settings["coop"]
        self.closed = False

    def close(self):
        self.closed = True

@hookimpl
def register_settings():
    return [SettingField("coop", "Coop", default="roof"), SettingField("whistle", "Whistle", "secret")]

@hookimpl
def register_channels(ctx):
    return [Pigeon(ctx.settings())]
"""


def refresh(manager):
    with reading() as session:
        return manager.refresh_if_changed(session)


def test_a_running_worker_learns_what_another_process_switched(write_plugin, make_manager):
    write_plugin("loft", CHANNEL)
    worker, web = make_manager(), make_manager()
    assert set(worker.channels()) == {"pigeon"}
    assert not refresh(worker)
    with writing() as session:
        operations.set_enabled(session, "loft", False)
    assert refresh(worker)
    assert worker.channels() == {}
    assert worker.get("loft").state == "off"
    with writing() as session:
        operations.set_enabled(session, "loft", True)
    assert refresh(worker)
    assert refresh(web)
    assert set(worker.channels()) == {"pigeon"}


def test_new_settings_make_a_new_channel_and_close_the_old_one(write_plugin, make_manager):
    write_plugin("loft", CHANNEL)
    worker = make_manager()
    old = worker.channels()["pigeon"]
    with writing() as session:
        operations.save_settings(
            session, "loft", worker.settings_fields("loft"), {"coop": "tower", "whistle": "C sharp"}, worker.secrets
        )
    refresh(worker)
    assert (worker.channels()["pigeon"].coop, old.closed) == ("tower", True)
    assert worker.settings("loft") == {"coop": "tower", "whistle": "C sharp"}
    assert worker.get("loft").state == "on", "saving settings must not switch a plugin off"


def test_a_change_of_one_plugin_leaves_the_channels_of_others_alone(write_plugin, make_manager):
    write_plugin("loft", CHANNEL)
    write_plugin("other")
    worker = make_manager()
    channel = worker.channels()["pigeon"]
    with writing() as session:
        operations.set_enabled(session, "other", False)
    refresh(worker)
    assert worker.channels()["pigeon"] is channel


def test_health_is_noted_without_disturbing_anybody(write_plugin, make_manager):
    write_plugin("loft", CHANNEL)
    worker = make_manager()
    worker.channels()
    with writing() as session:
        operations.set_health(session, "loft", "failing", "no corn")
    assert not refresh(worker)
    assert set(make_manager().channels()) == {"pigeon"}


def test_a_plugin_that_is_gone_is_still_named_when_it_was_on(write_plugin, make_manager):
    with writing() as session:
        operations.set_enabled(session, "vanished", True)
    (info,) = make_manager().loaded
    assert (info.id, info.state, info.problem.code) == ("vanished", "broken", "plugin_missing")


def test_a_folder_dropped_in_is_found_by_running_processes_when_asked_to_look(tmp_path, write_plugin, make_manager):
    worker = make_manager()
    assert worker.loaded == ()
    write_plugin("dropped", parent=tmp_path / "instance" / "plugins")
    with writing() as session:
        operations.look_again(session)
    refresh(worker)
    assert [one.id for one in worker.loaded] == ["dropped"]


def test_a_secret_is_stored_encrypted_and_can_be_read_with_its_key_only(write_plugin, make_manager):
    write_plugin("loft", CHANNEL)
    manager = make_manager()
    with writing() as session:
        operations.save_settings(
            session, "loft", manager.settings_fields("loft"), {"whistle": "canary-7f3a"}, manager.secrets
        )
    with reading() as session:
        stored = session.get(PluginState, "loft").settings
    assert "canary-7f3a" not in json.dumps(stored)
    assert manager.secrets.open(stored["whistle"]) == "canary-7f3a"
    assert Secrets("another instance").open(stored["whistle"]) is None


def test_before_the_first_migration_defaults_count(write_plugin, make_manager, app):
    from panel.db import db

    write_plugin("loft", CHANNEL)
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE plugin_states")
    assert set(make_manager().channels()) == {"pigeon"}


class TestTokens:
    secrets = Secrets("one")

    def test_a_token_gives_its_value_back(self):
        token = self.secrets.sign("sms", "hook", "שלום")
        assert self.secrets.unsign("sms", "hook", token) == "שלום"
        assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")

    @pytest.mark.parametrize(("plugin", "purpose"), [("email", "hook"), ("sms", "page")])
    def test_a_token_is_worth_nothing_elsewhere(self, plugin, purpose):
        assert self.secrets.unsign(plugin, purpose, self.secrets.sign("sms", "hook", "x")) is None

    def test_a_changed_token_is_refused_at_every_place(self):
        token = self.secrets.sign("sms", "hook", "value")
        for at in range(len(token)):
            changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
            assert self.secrets.unsign("sms", "hook", changed) is None
        for broken in ("", ".", "a.b", "é.é", token[:-1], token + "A"):
            assert self.secrets.unsign("sms", "hook", broken) is None


FIELDS = (
    SettingField("mode", "Mode", "choice", choices=(("a", "A"), ("b", "B")), default="a"),
    SettingField("address", "Address", "url", required=True, shown_if=("mode", "b")),
    SettingField("token", "Token", "secret"),
    SettingField("tries", "Tries", "number", minimum=1, maximum=9, default=3),
    SettingField("loud", "Loud", "yes_no"),
    SettingField("headers", "Headers", "mapping"),
    SettingField("mail", "Mail", "email", ltr=True),
)


class TestForms:
    def read(self, current=None, **raw):
        values, problems = read_form(FIELDS, {"mode": "b", "address": "https://x.example"} | raw, current or {})
        return values, {problem.where: problem.words("en") for problem in problems}

    def test_a_good_form_becomes_values(self):
        values, problems = self.read(token="t", tries="۵", loud="on", headers="X-A: 1\r\n\r\nB: c:d")
        assert problems == {}
        assert values["tries"] == 5
        assert values["headers"] == {"X-A": "1", "B": "c:d"}
        assert values["loud"] is True
        assert as_text(values["headers"]) == "X-A: 1\nB: c:d"

    def test_an_empty_secret_keeps_the_one_there_is(self):
        assert self.read({"token": "old"}, token="")[0]["token"] == "old"
        assert self.read({"token": "old"}, token="new")[0]["token"] == "new"

    def test_all_problems_are_told_at_once(self):
        _, problems = self.read(address="ftp://x", tries="12", headers="no colon", mail="nobody", mode="c")
        assert set(problems) == {"mode", "tries", "headers", "mail"}, "the address only counts in mode b"
        _, problems = self.read(address="", tries="many")
        assert set(problems) == {"address", "tries"}

    def test_direction_marks_that_came_along_are_dropped(self):
        assert self.read(address="\u200fhttps://x.example\u200e")[0]["address"] == "https://x.example"

    def test_a_field_that_does_not_apply_keeps_its_value(self):
        values, problems = self.read({"address": "https://kept.example"}, mode="a", address="")
        assert (values["address"], problems) == ("https://kept.example", {})
