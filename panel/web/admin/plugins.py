"""Plugins: what is installed and how it is doing, switching on and off, settings, testing the connection."""

from __future__ import annotations

import contextvars
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup
from sqlalchemy import func, select

from panel import clock
from panel.db import db, from_micros
from panel.errors import Problem
from panel.i18n import N_, current_language, gettext, lazy_gettext, ngettext
from panel.installation.queries import get_setting
from panel.jobs import wake
from panel.journeys.engine import breaker
from panel.messages.models import Message
from panel.plugin_manager import manager, operations
from panel.plugin_manager.manager import PluginInfo
from panel.plugin_manager.queries import health_of, states
from panel.plugin_manager.settings import as_text, read_form
from panel.plugin_manager.shapes import unlike
from panel.sdk.settings import CheckStep, SettingField
from panel.staff.audit import record_audit
from panel.web import filters
from panel.web.access import allowed, must, requires
from panel.web.admin.pages import PanelView
from panel.web.admin.plugin_use import live_journeys
from panel.web.forms import ask_first
from panel.web.htmx import is_htmx
from panel.web.public.hooks import leave_transaction, sdk_request, tell

TEST_SECONDS = 30.0
MOST_WORDS = 1_000  # what a plugin says after a post travels in a cookie
_POSTS = re.compile(r"""<form\b[^>]*\bmethod=["']?post\b[^>]*>""", re.IGNORECASE)
SOURCES = {
    "product": N_("Comes with Nava"),
    "instance": N_("From this installation's plugins folder"),
    "package": N_("Installed package"),
}
# state of the plugin or its connection -> (words, tone, icon)
STATES = {
    "on": (N_("On"), "green", "circle-check"),
    "off": (N_("Off"), "", "circle-dashed"),
    "broken": (N_("Cannot be used"), "red", "circle-x"),
    "failing": (N_("On, but its connection fails"), "amber", "alert-triangle"),
    "paused": (N_("Paused: its settings need a look"), "red", "player-pause"),
}


@dataclass(frozen=True)
class Card:
    """One plugin as the page shows it. `state` is a key of STATES."""

    info: PluginInfo
    state: str
    detail: str
    since: datetime | None
    last_at: datetime | None
    pages: Sequence[tuple[str, str, str]]  # (name, label, icon)
    waiting: int | None  # messages in the queue of its channels; None without channels
    rate: float | None  # how many of them may go in a second; None: as many as go
    has_settings: bool


class PluginsView(PanelView):
    action = "plugins.view"
    section = "system"
    icon = "puzzle"
    menu_position = 30
    lead = lazy_gettext("Channels and connections. A plugin that is off keeps its settings and what it stored.")

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Plugins"), endpoint="plugins", url="plugins")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        plugins = manager.current()
        plugins.refresh_if_changed(db.session())
        return self.render("plugins/list.html", cards=self._cards(plugins), states=STATES, sources=SOURCES)

    def _cards(self, plugins: manager.PluginManager) -> list[Card]:
        rows = states(db.session())
        pages = plugins.pages()
        now = clock.now()
        channels = plugins.channels()
        queued = _queued(channels)
        cards = []
        for info in plugins.loaded:
            health = health_of(rows.get(info.id))
            state = health["state"] if info.state == "on" and health.get("state") in STATES else info.state
            own = [name for name in channels if plugins.channel_owner(name) == info.id]
            resting = [one for name in own if (one := _resting(name, now)) is not None]
            if resting and state == "on":
                state = "failing"
                health = {**health, **resting[0]}
            last = health.get("sync", {}).get("last_at") if isinstance(health.get("sync"), dict) else None
            cards.append(
                Card(
                    info,
                    state,
                    health.get("detail", "") if state in ("failing", "paused") else "",
                    _moment(health.get("since")) if state in ("failing", "paused") else None,
                    _moment(last),
                    [(name, page.label, page.icon) for (id_, name), page in pages.items()
                     if id_ == info.id and allowed(page.action)],
                    sum(queued.get(name, 0) for name in own) if own else None,
                    min((rate for name in own if (rate := channels[name].facts.rate)), default=None),
                    bool(plugins.settings_fields(info.id)) and info.source is not None and info.problem is None,
                )
            )  # fmt: skip
        return cards

    @expose("/look-again", methods=("POST",))
    @requires("plugins.manage")
    def look_again(self) -> ResponseReturnValue:
        before = {info.id for info in manager.current().loaded}
        operations.look_again(db.session())
        self._commit()
        new = [info for info in manager.current().loaded if info.id not in before]
        if new:
            flash(ngettext("%(n)s new plugin found.", "%(n)s new plugins found.", len(new)), "success")
        else:
            flash(gettext("No new plugins."), "info")
        return redirect(self.get_url(".index"), 303)

    @expose("/<plugin_id>/on", methods=("POST",))
    @requires("plugins.manage")
    def switch_on(self, plugin_id: str) -> ResponseReturnValue:
        info = self._info(plugin_id)
        operations.set_enabled(db.session(), plugin_id, True)
        record_audit(db.session(), user=self._me(), action="plugin_on", subject=plugin_id)
        self._commit()
        now = manager.current().get(plugin_id)
        if now is not None and now.problem is not None:
            flash(now.problem.words(current_language()), "danger")
        else:
            flash(gettext("%(name)s is on.", name=filters.isolate(gettext(info.name))), "success")
        return redirect(self.get_url(".index"), 303)

    @expose("/<plugin_id>/off", methods=("POST",))
    @requires("plugins.manage")
    def switch_off(self, plugin_id: str) -> ResponseReturnValue:
        info = self._info(plugin_id)
        question = gettext("Switch off %(name)s?", name=filters.isolate(gettext(info.name)))
        if page := ask_first(question, button=gettext("Switch off"), more=self._consequences(plugin_id)):
            return page
        operations.set_enabled(db.session(), plugin_id, False)
        record_audit(db.session(), user=self._me(), action="plugin_off", subject=plugin_id)
        self._commit()
        flash(gettext("%(name)s is off.", name=filters.isolate(gettext(info.name))), "success")
        return redirect(self.get_url(".index"), 303)

    @staticmethod
    def _consequences(plugin_id: str) -> str:
        """Which journeys this stops, by name. Their messages wait until the plugin is on again."""
        plugins = manager.current()
        channels = {name for name in plugins.channels() if plugins.channel_owner(name) == plugin_id}
        using = live_journeys(db.session(), plugin_id, channels)
        if not using:
            return gettext("No journey uses it at the moment.")
        names = ", ".join(filters.isolate(name) for _, name in using[:10]) + ("…" if len(using) > 10 else "")
        return ngettext(
            "%(n)s journey uses it and will wait: %(names)s",
            "%(n)s journeys use it and will wait: %(names)s",
            len(using),
            names=names,
        )

    @expose("/<plugin_id>/settings", methods=("GET", "POST"))
    @requires("plugins.manage")
    def settings(self, plugin_id: str) -> ResponseReturnValue:
        info = self._info(plugin_id)
        plugins = manager.current()
        fields = plugins.settings_fields(plugin_id)
        if not fields or info.problem is not None:
            abort(404)
        current = plugins.settings(plugin_id)
        if request.method == "GET":
            return self._form(info, current, [], ())
        values, problems = read_form(fields, _typed(fields), current)
        if request.form.get("do") == "test":
            steps = () if problems else self._test(plugin_id, values)
            tell(plugins)
            if is_htmx():
                return self.render("plugins/steps.html", steps=steps, problems=self._where(fields, problems))
            return self._form(info, values, problems, steps)
        if problems:
            return self._form(info, values, problems, ()), 422
        operations.save_settings(db.session(), plugin_id, fields, values, plugins.secrets)
        own = [name for name in plugins.channels() if plugins.channel_owner(name) == plugin_id]
        for channel in own:
            # Whoever mends the settings wants to see at once whether it helped.
            breaker.end_rest(db.session(), channel, clock.now())
        record_audit(
            db.session(),
            user=self._me(),
            action="plugin_settings",
            subject=plugin_id,
            # Names only: a header line may hold a key that somebody did not enter as a secret.
            detail={"changed": [field.name for field in fields if values[field.name] != current.get(field.name)]},
        )
        self._commit()
        for channel in own:
            wake("deliver", channel)
        flash(gettext("Saved."), "success")
        return redirect(self.get_url(".settings", plugin_id=plugin_id), 303)

    def _form(
        self, info: PluginInfo, values: Mapping[str, Any], problems: Sequence[Problem], steps: Sequence[CheckStep]
    ) -> str:
        plugins = manager.current()
        return self.render(
            "plugins/settings.html",
            info=info,
            fields=plugins.settings_fields(info.id),
            values={name: as_text(value) for name, value in values.items()},
            stored={name for name, value in plugins.settings(info.id).items() if value not in ("", None)},
            problems={problem.where: problem.words(current_language()) for problem in problems},
            can_test=plugins.implements(info.id, "test_connection"),
            steps=steps,
        )

    @staticmethod
    def _where(fields: Sequence[SettingField], problems: Sequence[Problem]) -> list[tuple[str, str, str]]:
        labels = {field.name: gettext(field.label) for field in fields}
        return [(one.where, labels[one.where], one.words(current_language())) for one in problems]

    @staticmethod
    def _test(plugin_id: str, values: Mapping[str, Any]) -> Sequence[CheckStep]:
        """Let the plugin try settings that are not saved yet; it may take its time, but not for ever."""
        plugins = manager.current()
        leave_transaction()
        pool = ThreadPoolExecutor(1)
        context = contextvars.copy_context()
        try:
            answer = pool.submit(
                context.run,
                plugins.invoke,
                plugin_id,
                "test_connection",
                ctx=plugins.context(plugin_id),
                settings=dict(values),
            ).result(TEST_SECONDS)
            steps = list(answer or ())
            if fault := next((wrong for one in steps if (wrong := unlike(one, CheckStep) or _unreadable(one))), None):
                raise TypeError(f"a step of the test cannot be shown: {fault}")
            plugins.note_success(plugin_id, "test_connection")
            return steps
        except TooSlow:
            return [
                CheckStep(
                    N_("Test"),
                    False,
                    N_("It took longer than %(n)s seconds."),
                    N_("Check the address, and whether the service is up."),
                    {"n": int(TEST_SECONDS)},
                )
            ]
        except (Exception, SystemExit) as error:
            plugins.note_failure(plugin_id, "test_connection", error)
            detail = f"{type(error).__name__}: {error}"[:300]
            return [
                CheckStep(N_("Test"), False, "%(detail)s", N_("This is a fault of the plugin."), {"detail": detail})
            ]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    @staticmethod
    def _info(plugin_id: str) -> PluginInfo:
        plugins = manager.current()
        plugins.refresh_if_changed(db.session())
        info = plugins.get(plugin_id)
        if info is None:
            abort(404)
        return info

    @staticmethod
    def _me() -> Any:
        return current_user._get_current_object()

    @staticmethod
    def _commit() -> None:
        db.session.commit()
        manager.current().refresh_if_changed(db.session())


class PluginPagesView(PanelView):
    """/plugins/<plugin>/<name>: a plugin's own page in our frame. Each page names the right it needs."""

    section = None
    action = "home.view"

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Plugin"), endpoint="plugin_pages", url="/plugins")

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return redirect(self.get_url("plugins.index"))

    @expose("/<plugin_id>/<page_name>", methods=("GET", "POST"))
    def page(self, plugin_id: str, page_name: str) -> ResponseReturnValue:
        plugins = manager.current()
        plugins.refresh_if_changed(db.session())
        page, info = plugins.pages().get((plugin_id, page_name)), plugins.get(plugin_id)
        if page is None or info is None:
            abort(404)
        must(page.action)
        if request.method == "POST" and page.post is None:
            abort(405)
        asked, what = sdk_request(), f"page {page_name}"
        leave_transaction()
        try:
            if request.method == "POST":
                words, fragment = (page.post or page.render)(asked), ""
            else:
                words, fragment = "", page.render(asked)
            if not isinstance(fragment, str) or not isinstance(words, str | None):
                raise TypeError(f"no text but {type(words or fragment).__name__} came back")
        except (Exception, SystemExit) as error:
            plugins.note_failure(plugin_id, what, error)
            tell(plugins)
            return self.render("plugins/page.html", info=info, page=page, fragment=None), 500
        if plugins.note_success(plugin_id, what):
            tell(plugins)
        if request.method == "POST":
            if words:
                flash(words[:MOST_WORDS], "info")
            return redirect(request.full_path.rstrip("?"), 303)
        return self.render("plugins/page.html", info=info, page=page, fragment=_with_token(fragment))


def _unreadable(step: CheckStep) -> str | None:
    """Why the sentences of a step cannot be shown; None when they can."""
    try:
        for words in (step.detail, step.fix):
            gettext(words, **step.params) if step.params else gettext(words)
    except (KeyError, ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _with_token(fragment: str) -> Markup:
    """Give every form that posts on a plugin's page our token, so that its post is accepted."""
    field = str(Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf()))
    return Markup(_POSTS.sub(lambda form: form[0] + field, fragment))  # noqa: S704 - the plugin's own HTML, by contract


def _typed(fields: Sequence[SettingField]) -> dict[str, str]:
    """What the form sent. A box that is not ticked sends nothing, which then means no."""
    typed = {name: value for name, value in request.form.items() if name not in ("csrf_token", "do")}
    return {field.name: typed.get(field.name, "") for field in fields if field.name in typed or field.kind == "yes_no"}


def _queued(channels: Collection[str]) -> dict[str, int]:
    """How many messages wait for each channel."""
    rows = db.session.execute(
        select(Message.channel, func.count())
        .where(Message.status == "queued", Message.channel.in_(channels))
        .group_by(Message.channel)
    )
    return {channel: count for channel, count in rows}


def _resting(channel: str, now: datetime) -> dict[str, Any] | None:
    """Why and since when a channel's hand-overs rest after trouble; None when they do not."""
    if breaker.resting_until(db.session(), channel, now) is None:
        return None
    row = get_setting(db.session(), f"channel:{channel}")
    since = from_micros(row["since"]).isoformat() if row.get("since") else None
    return {"detail": row.get("detail", ""), "since": since}


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    return min(datetime.fromisoformat(text), clock.now())
