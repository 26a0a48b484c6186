"""Writing one journey: the editor's pages and answers, drafts, publishing. Everything works without JavaScript too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flask import abort, current_app, flash, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import calendars, clock
from panel.contacts.models import ContactList
from panel.db import db
from panel.errors import UserError
from panel.i18n import N_, current_language, gettext
from panel.issues.operations import is_open
from panel.journeys import operations
from panel.journeys.engine.splits import thrown_away
from panel.journeys.file import JourneysFile, journey_text, read_file, self_contained, sha256_of, write_journey
from panel.journeys.language import Program
from panel.journeys.language.completion import completions
from panel.journeys.models import Journey, JourneyVersion
from panel.journeys.names import labels, vocabulary
from panel.journeys.operations import NotPublishedError
from panel.staff.models import User
from panel.web.access import requires
from panel.web.journeys import diffs, queries, recipes
from panel.web.journeys.impact import impact, joins_in_words, removed_in_words
from panel.web.journeys.judging import Fix, Judgement, apply, in_words, judge
from panel.web.preferences import current_reader

LONGEST = 512 * 1024  # characters of one journey; far beyond what anybody writes, well below what would hurt
MOST_OPTIONS = 60
_IDENTITY = re.compile(r"[a-z][a-z0-9_]{0,59}")


class EditorPages:
    """The pages of the editor; mixed into the screen of journeys, so that they share its address."""

    render: Any

    @expose("/new", methods=["GET", "POST"])
    @requires("journeys.edit")
    def new(self) -> ResponseReturnValue:
        values = {"recipe": "welcome", "name": "", "identity": ""} | request.form.to_dict()
        problems: dict[str, str] = {}
        if request.method == "POST":
            problems = _new_problems(values)
            if not problems:
                return _create(values)
        return self.render(
            "journeys/new.html",
            recipes=recipes.RECIPES,
            identities={one.id: _free_identity(one.identity) for one in recipes.RECIPES},
            values=values,
            problems=problems,
        ), (422 if problems else 200)

    @expose("/<journey_id>/edit", methods=["GET", "POST"])
    @requires("journeys.edit")
    def edit(self, journey_id: str) -> ResponseReturnValue:
        """The editor. Posting is what the buttons do without JavaScript: check, save, apply a fix, go to publish."""
        session = db.session()
        journey = _journey(session, journey_id)
        file = read_file(_path())
        text = operations.text_of(session, journey)
        if request.method == "POST":
            text = _posted_text()
            if fix := _posted_fix():
                text = apply(text, fix)
            session.refresh(journey, with_for_update=True)  # two who save at once: the second is told
            conflict = _draft_conflict(session, journey)
            if not conflict:
                journey = operations.save_draft(session, journey_id, text, by=current_user)
                session.commit()
            if not conflict and request.form.get("do") == "publish":
                return redirect(url_for(".publish", journey_id=journey_id), 303)
            if not conflict and request.form.get("do") == "save":
                flash(gettext("The draft is saved. Nothing runs differently until you publish it."), "success")
        else:
            conflict = ""
        judgement = _judge(session, journey_id, text, file)
        live = _live(session, journey)
        return self.render(
            "journeys/edit.html",
            journey=journey,
            name=_name(journey, judgement),
            text=text,
            judgement=judgement,
            words=in_words(judgement.program, current_language(), labels(db.session())),
            live=live,
            is_checked=request.method == "POST" or journey.draft_text is not None,
            draft_sha256=journey.draft_sha256 or "",
            conflict=conflict,
            saved=_saved_words(journey),
        )

    @expose("/<journey_id>/check", methods=["POST"])
    @requires("journeys.edit")
    def check(self, journey_id: str) -> ResponseReturnValue:
        """What is wrong with a text, for the editor as one types: problems with places, and the journey in words."""
        session, language = db.session(), current_language()
        _journey(session, journey_id)
        text = _json_text()
        judgement = _judge(session, journey_id, text, read_file(_path()))
        from_template = current_app.jinja_env.get_template("journeys/words.html")
        said = in_words(judgement.program, language, labels(db.session()))
        return jsonify(
            problems=[one.as_dict(language) for one in judgement.findings],
            words=from_template.render(words=said, counts={}) if said else None,
        )

    @expose("/<journey_id>/complete", methods=["POST"])
    @requires("journeys.edit")
    def complete(self, journey_id: str) -> ResponseReturnValue:
        """What may be written at the cursor: keys, verbs, and the names that this panel knows."""
        session = db.session()
        _journey(session, journey_id)
        text, body = _json_text(), request.get_json()
        line, column = body.get("line"), body.get("column")
        if not isinstance(line, int) or not isinstance(column, int):
            abort(400)
        found = completions(text, line, column, vocabulary(session), current_language())
        return jsonify(options=found[:MOST_OPTIONS])

    @expose("/<journey_id>/draft", methods=["POST"])
    @requires("journeys.edit")
    def draft(self, journey_id: str) -> ResponseReturnValue:
        """Keep what is being written, broken or not. Refused only when somebody else saved another draft meanwhile."""
        session = db.session()
        journey = _journey(session, journey_id)
        text = _json_text()
        session.refresh(journey, with_for_update=True)  # two who save at once: the second is told
        conflict = _draft_conflict(session, journey)
        if conflict:
            return jsonify(conflict=conflict), 409
        journey = operations.save_draft(session, journey_id, text, by=current_user)
        session.commit()
        return jsonify(saved=_saved_words(journey), sha256=journey.draft_sha256 or "")

    @expose("/<journey_id>/publish", methods=["GET", "POST"])
    @requires("journeys.publish")
    def publish(self, journey_id: str) -> ResponseReturnValue:
        """What would change and for whom; then, on yes, the new version and the journey's own lines of the file."""
        session = db.session()
        journey = _journey(session, journey_id)
        file = read_file(_path())
        is_other_text = False
        if request.method == "POST":
            # Whoever saves or publishes in this moment waits: what was read on the page is what is published.
            session.refresh(journey, with_for_update=True)
            text, file = operations.text_of(session, journey), read_file(_path())
            is_other_text = request.form.get("text_sha256", "") != _shown_sha256(journey_id, text, file)
            answer = None if is_other_text else _publish(session, journey, file, text)
            if answer is not None:
                return answer
            file = read_file(_path())
        text = operations.text_of(session, journey)
        live = _live(session, journey)
        judgement = _judge(session, journey_id, text, file)
        live_text = operations.live_text(session, journey) or ""
        own = journey_text(file.text or "", journey_id) or ""
        own_sha256 = sha256_of(own) if own else ""
        language, names = current_language(), labels(session)
        draft, again = judgement.program, None
        if draft is not None:
            draft, again = operations.to_go_live(session, journey, text, file.text, draft)
        standing = queries.standing(session, journey_id)
        versions = queries.programs_of(session, standing)
        found = impact(live.resolved if live else None, draft, standing, versions, again)
        return self.render(
            "journeys/publish.html",
            journey=journey,
            name=_name(journey, judgement),
            live=live,
            judgement=judgement,
            lines=diffs.diff(live_text, text),
            text=text,
            has_draft=journey.draft_text is not None,
            before=in_words(live.resolved, language, names) if live else None,
            words=in_words(judgement.program, language, names),
            impact=found,
            in_the_way=operations.in_the_way(
                file.data if file.text is None else file.text, vocabulary(session), clock.now().date()
            ),
            stays=_state_that_stays(journey, live, draft),
            language=language,
            file_name=file.path.name,
            removed=removed_in_words(found, live.resolved, versions, language, names) if live else {},
            joins=joins_in_words(found, draft, language, names) if draft else [],
            tests_lost=thrown_away(session, journey_id, draft) if live and draft else {},
            own_sha256=own_sha256,
            text_sha256=_shown_sha256(journey_id, text, file),
            is_other_text=is_other_text,
            is_conflict=request.method == "POST" and request.form.get("own_sha256", "") != own_sha256,
            file_lines=diffs.diff(own, text),
            file_was_changed=request.method == "GET" and is_open(session, operations.both_changed(journey_id)),
            note=request.form.get("note", ""),
        ), (409 if request.method == "POST" else 200)


def _state_that_stays(journey: Journey, live: JourneyVersion | None, draft: Program | None) -> str:
    """paused or closing, when a person made it so and publishing this text does not change that; else ""."""
    is_same = live is not None and draft is not None and live.resolved["state"] == draft["state"]
    return journey.state if is_same and journey.state in ("paused", "closing") else ""


def _publish(session: Session, journey: Journey, file: JourneysFile, text: str) -> ResponseReturnValue | None:
    """Publish and write the file; None when the page must be shown again (its problems, or the file moved on)."""
    own, live = journey_text(file.text or "", journey.id), _live(session, journey)
    if journey.draft_text is None and own == text and live is not None:
        # Pressed twice, or by two at once: what was asked for has happened.
        is_done = live.sha256 == sha256_of(self_contained(journey.id, text, file.text))
        if is_done:
            return _told(journey.id, gettext("Version %(number)s is live.", number=live.number))
    if request.form.get("own_sha256", "") != (sha256_of(own) if own else ""):
        return None
    try:
        published = operations.publish(
            session,
            journey.id,
            file_text=file.text,
            by=current_user,
            note=request.form.get("note", "").strip()[:1000],
            vocabulary=vocabulary(session),
        )
    except NotPublishedError:
        session.rollback()
        return None
    # The file before the commit: when it cannot be written nothing is published, and the reason is on the page.
    try:
        write_journey(_path(), journey.id, text, expected_sha256=file.sha256)
    except OSError as error:
        raise UserError(
            "journeys_file_not_written",
            N_("journeys.yaml could not be written (%(reason)s), so nothing was published."),
            reason=error.strerror or str(error),
        ) from error
    session.commit()
    words = (
        gettext("Version %(number)s is live.", number=published.number)
        if published.is_new or (live is not None and published.version_id == live.id)
        else gettext("Version %(number)s, which had this very text, is live again.", number=published.number)
    )
    return _told(journey.id, words)


def _shown_sha256(journey_id: str, text: str, file: JourneysFile) -> str:
    """Of all that the page which publishes shows and judges: the draft with the defaults that it depends on."""
    try:
        return sha256_of(text + self_contained(journey_id, text, file.text))
    except UserError:
        return sha256_of(text)


def _told(journey_id: str, words: str) -> ResponseReturnValue:
    flash(words, "success")
    return redirect(url_for(".journey", journey_id=journey_id), 303)


def _create(values: dict[str, str]) -> ResponseReturnValue:
    session, language = db.session(), current_language()
    chosen = recipes.recipe(values["recipe"])
    assert chosen is not None
    list_name = session.scalar(select(ContactList.name).order_by(ContactList.id).limit(1))
    name = values["name"].strip()
    text = recipes.fill(chosen, values["identity"].strip(), name, list_name, language)
    journey = operations.save_draft(session, values["identity"].strip(), text, by=current_user)
    journey.name = name
    session.commit()
    return redirect(url_for(".edit", journey_id=journey.id), 303)


def _free_identity(wished: str) -> str:
    """The wished identity, or the first of wished_2, wished_3, ... that no journey has."""
    taken = set(db.session.scalars(select(Journey.id).where(Journey.id.startswith(wished, autoescape=True))))
    number = 2
    identity = wished
    while identity in taken:
        identity, number = f"{wished}_{number}", number + 1
    return identity


def _new_problems(values: dict[str, str]) -> dict[str, str]:
    problems = {}
    identity = values["identity"].strip()
    if not values["name"].strip():
        problems["name"] = gettext("Give the journey a name; any language will do.")
    if not _IDENTITY.fullmatch(identity):
        problems["identity"] = gettext(
            "Small letters a to z, digits and underscores, beginning with a letter: win_back, welcome_2."
        )
    elif db.session.get(Journey, identity) is not None or journey_text(read_file(_path()).text or "", identity):
        problems["identity"] = gettext("There is already a journey with this identity.")
    if recipes.recipe(values["recipe"]) is None:
        problems["recipe"] = gettext("Choose one of the beginnings.")
    return problems


def _path() -> Path:
    path: Path = current_app.config["PANEL"].journeys_file
    return path


def _journey(session: Session, journey_id: str) -> Journey:
    journey = session.get(Journey, journey_id)
    if journey is None:
        abort(404)
    return journey


def _live(session: Session, journey: Journey) -> JourneyVersion | None:
    return session.get(JourneyVersion, journey.live_version_id) if journey.live_version_id else None


def _judge(session: Session, journey_id: str, text: str, file: JourneysFile) -> Judgement:
    names = vocabulary(session)
    return judge(journey_id, text, file.text, names, current_language(), clock.now().date())


def _name(journey: Journey, judgement: Judgement) -> str:
    if journey.name and journey.name != journey.id:
        return journey.name
    return str((judgement.program or {}).get("name") or journey.id)


def _posted_text() -> str:
    text = request.form.get("text", "").replace("\r\n", "\n")
    if len(text) > LONGEST:
        raise _too_long()
    return text


def _json_text() -> str:
    body = request.get_json(silent=True)
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str):
        abort(400)
    if len(text) > LONGEST:
        raise _too_long()
    return text


def _too_long() -> UserError:
    return UserError("journey_too_long", N_("One journey may have half a million letters at most."))


def _posted_fix() -> Fix | None:
    """The pressed [Fix] button: `line:column:end_line:end_column:text`."""
    parts = request.form.get("fix", "").split(":", 4)
    try:
        line, column, end_line, end_column = (int(part) for part in parts[:4])
        return Fix(line, column, end_line, end_column, parts[4])
    except (ValueError, IndexError):
        return None


def _draft_conflict(session: Session, journey: Journey) -> str:
    """Words when another draft was saved since this one was opened; "" when there is no conflict."""
    body = request.get_json(silent=True) if request.is_json else request.form
    base = str((body or {}).get("base") or "")
    if (body or {}).get("anyway") or (journey.draft_sha256 or "") == base:
        return ""
    who = session.get(User, journey.draft_saved_by) if journey.draft_saved_by else None
    if who is not None and who.id != current_user.id:
        return gettext("%(name)s saved another draft meanwhile.", name=who.name or who.email)
    return gettext("Another draft was saved meanwhile, in another window or through journeys.yaml.")


def _saved_words(journey: Journey) -> str:
    if journey.draft_saved_at is None:
        return gettext("Like the live version")
    reader, at = current_reader(), journey.draft_saved_at
    is_today = at.astimezone(reader.zone).date() == clock.now().astimezone(reader.zone).date()
    time = calendars.show_time(at, reader) if is_today else calendars.show_moment(at, reader, "short")
    return gettext("Draft saved %(time)s", time=time)
