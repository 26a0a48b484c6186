"""The plugins in the panel: their cards, settings, switches, pages, and addresses for the world."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from panel import clock
from panel.contacts.operations import create_contact
from panel.db import reading, writing
from panel.issues.models import Issue
from panel.journeys.models import Journey, JourneyVersion
from panel.plugin_manager import manager
from panel.plugin_manager.models import PluginState
from panel.plugin_manager.operations import set_enabled, set_health
from panel.sdk.channels import ChannelFacts
from panel.sdk.context import NewContact, Record
from panel.sdk.settings import CheckStep
from panel.sdk.web import PluginPage, Response, Webhook
from panel.staff.rules import RoleName
from tests.web.conftest import logged_in, make_user  # noqa: F401 - fixtures

pytestmark = pytest.mark.databases("sqlite")


def open_issues():
    with reading() as session:
        return list(session.scalars(select(Issue.key).where(Issue.state == "open")))


@pytest.fixture
def owner(app, logged_in):  # noqa: F811
    return logged_in(RoleName.OWNER)


def test_the_page_says_how_each_plugin_stands(owner):
    page = owner.get("/admin/plugins/").text
    assert "SMS" in page
    assert "Switch off" in page


@pytest.mark.parametrize(
    ("rate", "words"), [(12.0, "at most 12 a second"), (0.5, "at most one every 2 seconds"), (None, "")]
)
def test_how_quickly_the_messages_of_a_channel_may_go_stands_beside_how_many_wait(owner, monkeypatch, rate, words):
    real = manager.PluginManager.channels

    def channels(self):
        found = real(self)
        found["sms"].facts = ChannelFacts(rate=rate)
        return found

    monkeypatch.setattr(manager.PluginManager, "channels", channels)
    page = re.sub("<[^>]*>", "", owner.get("/admin/plugins/").text)
    assert words in page
    assert ("at most" in page) == bool(rate)


@pytest.mark.parametrize("state", ["failing", "paused"])
def test_trouble_with_a_connection_is_said_in_words(owner, state):
    with writing() as session:
        set_health(session, "sms", state, "401 since this morning")
    page = owner.get("/admin/plugins/").text
    assert "401 since this morning" in page


def test_a_channel_that_rests_says_why_until_its_settings_are_saved(owner, app):
    from panel.journeys.engine import breaker

    with writing() as session:
        breaker.trouble(session, "sms", "the key was revoked", clock.now(), timedelta(hours=1))
    assert "the key was revoked" in owner.get("/admin/plugins/").text
    owner.post("/admin/plugins/sms/settings", **SETTINGS)
    assert "the key was revoked" not in owner.get("/admin/plugins/").text
    with writing() as session:
        assert breaker.resting_until(session, "sms", clock.now()) is None


def test_erasing_a_contact_in_the_panel_reaches_the_plugins(owner, app):
    with writing() as session:
        contact = create_contact(session, NewContact(name="דנה", phones=["0521234567"]), how="manual")
    with manager.current().context("sms").unit() as unit:
        unit.put(
            Record("text", "k1", {"to": "+972521234567", "text": "סוד", "at": "2026-11-22T10:00:00+00:00"}, "", contact)
        )
    owner.post("/admin/contacts/delete/", id=str(contact), confirmed="1")
    with manager.current().context("sms").unit() as unit:
        assert list(unit.records("text")) == []


def test_a_plugin_that_was_on_and_is_gone_is_named(owner):
    with writing() as session:
        set_enabled(session, "vanished", True)
    page = owner.get("/admin/plugins/").text
    assert "vanished" in page
    assert "no longer installed" in page


@pytest.mark.parametrize("role", [RoleName.MARKETING, RoleName.SUPPORT, RoleName.VIEWER])
def test_only_owners_change_plugins(app, logged_in, role):  # noqa: F811
    person = logged_in(role)
    for path in ("/admin/plugins/sms/off", "/admin/plugins/sms/on", "/admin/plugins/look-again"):
        assert person.post(path, confirmed="1").status_code == 403
    assert person.get("/admin/plugins/sms/settings").status_code == 403
    assert manager.current().is_on("sms")
    assert "Switch off" not in person.get("/admin/plugins/").text


def test_switching_off_asks_and_names_the_journeys_that_use_it(owner, app):
    with writing() as session:
        now = clock.now()
        session.add(
            Journey(id="welcome", name="ברוכים הבאים", state="live", live_version_id=1, created_at=now, updated_at=now)
        )
        session.flush()
        session.add(
            JourneyVersion(
                id=1, journey_id="welcome", number=1, sha256="x", source_yaml="",
                resolved={"steps": [{"send": {"via": ["sms"]}}]}, published_at=now,
            )
        )  # fmt: skip
    asked = owner.post("/admin/plugins/sms/off")
    assert "ברוכים הבאים" in asked.text
    assert manager.current().is_on("sms")
    owner.post("/admin/plugins/sms/off", confirmed="1")
    assert not manager.current().is_on("sms")
    assert "sms" not in manager.current().channels()
    owner.post("/admin/plugins/sms/on")
    assert "sms" in manager.current().channels()


SETTINGS = {"provider": "http", "address": "https://gateway.example/send", "timeout": "20", "method": "POST",
            "format": "json", "body": "{}", "number_form": "plus", "secret": "canary-91"}  # fmt: skip


def test_settings_are_saved_and_a_secret_is_never_shown_again(owner, app):
    plugins = manager.current()
    response = owner.post("/admin/plugins/sms/settings", **SETTINGS | {"do": "save"})
    assert response.status_code == 303
    assert plugins.settings("sms")["secret"] == "canary-91"
    page = owner.get("/admin/plugins/sms/settings").text
    assert "canary-91" not in page
    assert "Stored, not shown" in page
    owner.post("/admin/plugins/sms/settings", **SETTINGS | {"secret": "", "timeout": "21"})
    assert (plugins.settings("sms")["secret"], plugins.settings("sms")["timeout"]) == ("canary-91", 21)
    with writing() as session:
        assert "canary" not in str(session.scalars(select(PluginState.settings)).all())


def test_a_wrong_setting_is_named_beside_its_field_and_nothing_is_saved(owner, app):
    response = owner.post("/admin/plugins/sms/settings", **SETTINGS | {"address": "gateway", "timeout": "0"})
    assert response.status_code == 422
    assert "must be a web address" in response.text
    assert "at least 2" in response.text
    assert 'value="gateway"' in response.text
    assert manager.current().settings("sms")["provider"] == "phone"


def test_a_connection_is_tested_before_anything_is_saved(owner, app):
    form = SETTINGS | {"address": "http://127.0.0.1:9/", "do": "test"}
    response = owner.post("/admin/plugins/sms/settings", **form)
    assert "private network" in response.text
    data = form | {"csrf_token": owner.token("/admin/")}
    part = owner.client.post("/admin/plugins/sms/settings", data=data, headers={"HX-Request": "true"})
    assert "private network" in part.text
    assert "<html" not in part.text
    assert manager.current().settings("sms")["provider"] == "phone"


def test_a_plugins_page_is_framed_and_its_forms_work(owner):
    page = owner.get("/plugins/sms/phone").text
    assert "No texts yet" in page
    response = owner.post("/plugins/sms/phone", do="answer", number="+972521234567", text="שלום")
    assert response.status_code == 303
    page = owner.get("/plugins/sms/phone").text
    assert "שלום" in page
    assert page.count('name="csrf_token"') == page.count('method="post"')
    assert owner.get("/plugins/sms/nothing").status_code == 404


def test_a_page_needs_its_right(app, logged_in):  # noqa: F811
    assert logged_in(RoleName.SUPPORT).get("/plugins/sms/phone").status_code == 200
    assert logged_in(RoleName.VIEWER).get("/plugins/sms/phone").status_code == 403
    assert logged_in(RoleName.MARKETING).get("/plugins/sms/addresses").status_code == 403


class TestHooks:
    @pytest.fixture
    def answers(self, app, monkeypatch):
        """A webhook of the test's own in place of the plugin's."""

        def put(handle, methods=("POST",)):
            monkeypatch.setattr(
                manager.PluginManager, "webhooks", lambda self: {("sms", "x"): Webhook("x", handle, methods)}
            )

        return put

    def test_a_hook_gets_the_request_as_it_came(self, answers, client):
        seen = []
        answers(lambda request: seen.append(request) or Response(b"\x00ok", 202, "application/x-y", {"X-A": "1"}))
        response = client.post("/hooks/sms/x?a=1&b=%D7%A9", data=b'{"n": 1}', headers={"X-Secret": "s"})
        assert (response.status_code, response.data, response.headers["X-A"]) == (202, b"\x00ok", "1")
        assert response.mimetype == "application/x-y"
        (request,) = seen
        assert (request.method, request.body, dict(request.query)) == ("POST", b'{"n": 1}', {"a": "1", "b": "ש"})
        assert request.headers["X-Secret"] == "s"

    def test_a_form_is_parsed_and_its_body_is_there_as_well(self, answers, client):
        seen = []
        answers(lambda request: seen.append(request) or Response("ok"))
        client.post("/hooks/sms/x", data={"status": "1", "text": "לא"})
        assert dict(seen[0].form) == {"status": "1", "text": "לא"}
        assert b"status=1" in seen[0].body

    def test_other_methods_and_unknown_hooks_are_refused(self, answers, client):
        answers(lambda request: Response("ok"))
        assert client.get("/hooks/sms/x").status_code == 405
        assert client.post("/hooks/sms/y").status_code == 404
        assert client.post("/hooks/nobody/x").status_code == 404

    def test_a_body_above_ten_megabytes_is_refused(self, answers, client):
        answers(lambda request: Response("ok"))
        assert client.post("/hooks/sms/x", data=b"x" * (10 * 1024 * 1024 + 1)).status_code == 413

    def test_a_hook_that_fails_asks_the_caller_to_come_again(self, answers, client, caplog):
        def fail(request):
            raise RuntimeError("canary-secret-detail")

        answers(fail)
        response = client.post("/hooks/sms/x")
        assert response.status_code == 500
        assert "canary" not in response.text
        assert "webhook x" in caplog.text

    @pytest.mark.parametrize(
        "answer",
        [None, "text", Response(status="abc"), Response(5), Response(headers=None)],
    )
    def test_an_answer_that_cannot_be_given_is_the_plugins_fault_and_told(self, answers, client, answer):
        answers(lambda request: answer)
        assert client.post("/hooks/sms/x").status_code == 500
        assert open_issues() == ["plugin:sms:webhook x"]

    def test_what_failed_is_an_issue_until_it_works_again(self, answers, client):
        answers(lambda request: 1 / 0)
        client.post("/hooks/sms/x")
        assert open_issues() == ["plugin:sms:webhook x"]
        answers(lambda request: Response("ok"))
        client.post("/hooks/sms/x")
        assert open_issues() == []

    def test_nobody_has_to_mend_a_plugin_that_is_off(self, answers, client, app):
        answers(lambda request: 1 / 0)
        client.post("/hooks/sms/x")
        with writing() as session:
            set_enabled(session, "sms", False)
        with writing() as session:
            plugins = manager.current()
            plugins.refresh_if_changed(session)
            plugins.flush_issues(session)
        assert open_issues() == []

    def test_a_switched_off_plugin_has_no_hooks(self, client, app):
        with writing() as session:
            set_enabled(session, "sms", False)
        assert client.post("/hooks/sms/report").status_code == 404


def test_a_page_that_fails_is_framed_by_an_apology(owner, app, monkeypatch, caplog):
    def fail(request):
        raise RuntimeError("canary-detail")

    monkeypatch.setattr(
        manager.PluginManager, "pages", lambda self: {("sms", "phone"): PluginPage("phone", "Phone", fail, fail)}
    )
    response = owner.get("/plugins/sms/phone")
    assert response.status_code == 500
    assert "The fault is noted" in response.text
    assert "canary-detail" not in response.text
    assert owner.post("/plugins/sms/phone", x="1").status_code == 500
    assert "page phone" in caplog.text


@pytest.mark.parametrize("odd", [None, 5, b"bytes", object()])
def test_a_page_that_is_no_text_is_framed_by_an_apology_and_told(owner, monkeypatch, odd):
    page = PluginPage("phone", "Phone", lambda request: odd, lambda request: odd or 7)
    monkeypatch.setattr(manager.PluginManager, "pages", lambda self: {("sms", "phone"): page})
    response = owner.get("/plugins/sms/phone")
    assert (response.status_code, "The fault is noted" in response.text) == (500, True)
    assert owner.post("/plugins/sms/phone", x="1").status_code == 500
    assert open_issues() == ["plugin:sms:page phone"]


@pytest.mark.parametrize(
    "steps", [[5], 7, [CheckStep("Name", False, None)], [CheckStep("Name", False, "%(a)s", params={"b": 1})]]
)
def test_a_test_of_the_connection_that_says_nonsense_is_shown_as_the_plugins_fault(owner, monkeypatch, steps):
    monkeypatch.setattr(manager.PluginManager, "invoke", lambda self, *names, **given: steps)
    page = owner.post("/admin/plugins/sms/settings", do="test", provider="phone")
    assert (page.status_code, "This is a fault of the plugin." in page.text) == (200, True)
    assert open_issues() == ["plugin:sms:test_connection"]


def test_a_plugin_does_not_see_the_session_of_its_reader(owner, app, monkeypatch):
    seen = []
    form = "<form method=post></form><form></form>"
    page = PluginPage("phone", "Phone", lambda request: seen.append(request) or form)
    monkeypatch.setattr(manager.PluginManager, "pages", lambda self: {("sms", "phone"): page})
    text = owner.get("/plugins/sms/phone").text
    assert "Cookie" not in seen[0].headers
    assert text.count('<form method=post><input type="hidden" name="csrf_token"') == 1
    assert "<form></form>" in text, "a form that only looks must not carry our token into an address"
