"""What needs a person: open issues first, in words, with settling and ignoring."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import flash, url_for
from flask_admin.actions import action as bulk_action
from markupsafe import escape
from sqlalchemy import Select, select, update

from panel import clock
from panel.db import db
from panel.i18n import gettext, lazy_gettext, ngettext
from panel.issues.models import Issue
from panel.issues.queries import open_query
from panel.jobs.bells import wake
from panel.journeys import helping
from panel.staff.audit import record_audit
from panel.sync.erasing import erase_in_plugin
from panel.web import filters
from panel.web.admin import issue_retry, labels
from panel.web.admin.base import PanelModelView
from panel.web.admin.listing import ListFilter
from panel.web.issues import issue_words

# Where there is nobody to help one by one: the place to mend it is the journey's page, or that of the plugins.
ABOUT_JOURNEY = (
    "review_due",
    "journey_vanished",
    "draft_and_file",
    "held_calendar",
    "hours_never_open",
    "schedule_missed",
    "step_failed",
)
ABOUT_PLUGINS = ("channel_in_trouble", "channel_failed", "action_in_trouble", "source_stale", "check_away")


def _holds(issue: Issue) -> bool:
    """Whether contacts stand still behind it."""
    known = issue.code in helping.FOUND or issue.code == "message_poison" or issue.code.startswith("held_")
    # A channel or action that nobody offers is told once for all journeys: its messages wait, and no run is held.
    return known and issue.code not in ABOUT_JOURNEY and not (issue.code == "held_plugin" and not issue.journey_id)


class IssuesView(PanelModelView):
    action = "issues.view"
    edit_action = None
    action_rights = {
        "retry": "issues.settle",
        "settle": "issues.settle",
        "ignore": "issues.settle",
        "reopen": "issues.settle",
    }  # noqa: RUF012
    noun = "issue"
    section = "system"
    icon = "alert-triangle"
    menu_position = 10
    creates = False
    keyset = ("last_seen", "id")
    column_list = ("words", "severity", "where", "count", "last_seen")
    column_labels = {  # noqa: RUF012
        "words": lazy_gettext("What is wrong"),
        "severity": lazy_gettext("How bad"),
        "where": lazy_gettext("Where"),
        "count": lazy_gettext("How many times"),
        "last_seen": lazy_gettext("Last time"),
    }
    column_formatters = {  # noqa: RUF012
        # Not as a foreign word: in the reader's own direction, though many begin with the name of a journey.
        "words": lambda view, context, row, name: escape(view.label_of(row)),
        "severity": lambda view, context, row, name: (
            labels.state(row.severity, labels.SEVERITIES)
            if row.state == "open"
            else labels.state(row.state, labels.ISSUE_STATES)
        ),
        "where": lambda view, context, row, name: filters.code(row.journey_id or row.params.get("plugin")),
    }
    lead = lazy_gettext("Things that went wrong and need a person. The same thing again only counts up.")
    empty_title = lazy_gettext("Nothing needs you")
    empty_words = lazy_gettext("When something goes wrong it will be said here, once, in words.")

    def __init__(self) -> None:
        super().__init__(Issue, name=lazy_gettext("Needs attention"), endpoint="issues", url="issues")
        self.list_filters = (
            ListFilter(
                "state",
                lazy_gettext("State"),
                lambda: labels.choices(labels.ISSUE_STATES),
                lambda query, value: query.where(Issue.state == value),
                default="open",
            ),
        )

    def menu_query(self) -> Select[int]:
        return open_query()

    def query(self) -> Select[Any]:
        return select(Issue)

    def row_url(self, row: Any) -> str | None:
        """Where something can be done about it: those who stand still because of it, or the page it is about."""
        if row.code == "restored" or row.code == "outage":
            return url_for("restore.index")
        if row.code == "message_unknown":
            return url_for("messages.index_view", status="unknown")
        if row.code in ("experiment_asks", "experiment_uncounted") and row.journey_id and row.step_id:
            return url_for("experiments.show", journey_id=row.journey_id, split_id=row.step_id)
        if _holds(row):
            return url_for("held.index", issue=row.id)
        if row.code in ABOUT_JOURNEY and row.journey_id:
            return url_for("journeys.journey", journey_id=row.journey_id)
        if row.code in ABOUT_PLUGINS or row.code == "held_plugin" or row.code.startswith("plugin_"):
            return url_for("plugins.index")
        # What else is about a journey (a fault in its text, say) is mended on its page.
        return url_for("journeys.journey", journey_id=row.journey_id) if row.journey_id else None

    def label_of(self, row: Any) -> str:
        return issue_words(row)

    @bulk_action("retry", lazy_gettext("Try again"))
    def action_retry(self, ids: list[str]) -> None:
        """The cause is mended: what stands still or waits because of it looks again.

        A message in doubt is not tried by this: only its own three answers say whether it may go a second time, so
        that issue stays open; so does that of a test, which asks until somebody chooses, and whatever only reports a
        cause: it closes by itself when the cause is gone.
        """
        session, now = db.session(), clock.now()
        asked = session.scalars(select(Issue).where(Issue.id.in_([int(i) for i in ids if i.isdigit()]))).all()
        issues = [one for one in asked if issue_retry.can_be_tried(one)]
        numbers = [one.id for one in issues if one.code != issue_retry.ERASING]
        behind = {run for one in issues for run in helping.ids_of(session, helping.behind(one, now))}
        retried = helping.try_again(session, sorted(behind), by=self.me(), now=now)
        services = issue_retry.try_services(session, issues, now)
        erasing = [(one.params["plugin"], one.params["contact"]) for one in issues if one.code == issue_retry.ERASING]
        session.execute(update(Issue).where(Issue.id.in_(numbers)).values(state="resolved"))
        if issues:
            subject = ", ".join(str(one.id) for one in issues)
            record_audit(session, user=self.me(), action="issue_retried", subject=subject)
        told = [one for one in issues if one.id in numbers]
        for one in told:
            session.refresh(one)
        session.commit()
        wake("advance")
        issue_retry.ring(told)
        erased = sum(erase_in_plugin(plugin, contact) for plugin, contact in erasing)
        self._say_what_became(len(asked) - len(issues), retried, services, len(erasing), erased)

    @staticmethod
    def _say_what_became(left: int, retried: int, services: int, erasing: int, erased: int) -> None:
        if services:
            flash(gettext("What waits is tried again now."), "success")
        if erased:
            flash(
                ngettext("%(n)s contact is erased there now.", "%(n)s contacts are erased there now.", erased),
                "success",
            )
        if erasing > erased:
            flash(gettext("The plugin failed again; what it keeps is not erased."), "danger")
        if left:
            flash(
                gettext(
                    "There is nothing to try again here: mend the cause. What waits looks again by itself, within the"
                    " hour at the latest, and the line goes when the cause is gone."
                ),
                "info",
            )
        if retried or not (services or erasing or left):
            flash(
                ngettext("%(n)s contact goes on.", "%(n)s contacts go on.", retried),
                "success" if retried else "warning",
            )

    @bulk_action("settle", lazy_gettext("Settled"))
    def action_settle(self, ids: list[str]) -> None:
        self._set(ids, "resolved")

    @bulk_action("ignore", lazy_gettext("Ignore from now on"))
    def action_ignore(self, ids: list[str]) -> None:
        self._set(ids, "ignored")

    @bulk_action("reopen", lazy_gettext("Open again"))
    def action_reopen(self, ids: list[str]) -> None:
        self._set(ids, "open")

    def _set(self, ids: Iterable[str], state: str) -> None:
        numbers = [int(i) for i in ids if i.isdigit()]
        session = db.session()
        session.execute(update(Issue).where(Issue.id.in_(numbers)).values(state=state))
        record_audit(session, user=self.me(), action=f"issue_{state}", subject=", ".join(map(str, numbers)))
        session.commit()
        flash(ngettext("%(n)s line changed.", "%(n)s lines changed.", len(numbers)), "success")
