"""Writing journeys: drafts, publishing, pausing, and the watch on journeys.yaml.

What runs is a version in the database and nothing else. A draft is always saved, even a broken one; publishing makes a
new version that never changes again, or says everything that is wrong and leaves the live version as it is.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy import text as sql
from sqlalchemy.orm import Session

from panel import clock
from panel.errors import UserError
from panel.i18n import LANGUAGES, N_
from panel.issues.operations import is_open, raise_issue, resolve_issue
from panel.journeys.engine import becoming
from panel.journeys.engine.looking_again import in_another_version
from panel.journeys.engine.running import RUNNING
from panel.journeys.engine.splits import follow_version
from panel.journeys.file import journey_text, journey_texts, read_file, self_contained, sha256_of
from panel.journeys.language import (
    Checked,
    CheckedJourney,
    Problem,
    Program,
    Running,
    Vocabulary,
    carry_over,
    check,
    check_journey,
    not_running_yet,
)
from panel.journeys.language.checking import Values
from panel.journeys.language.program import says_the_same
from panel.journeys.language.reading import read
from panel.journeys.models import Journey, JourneyFile, JourneyVersion
from panel.staff.audit import record_audit
from panel.staff.models import AuditEntry, User

_FILE_ISSUE = "journeys_file"
_FILE_LOCK = 0x6A6F75726E  # any number that nobody else uses


class NotPublishedError(UserError):
    """The draft has problems; `problems` holds all of them. The live version is as it was."""

    def __init__(self, journey_id: str, problems: Sequence[Problem]) -> None:
        super().__init__(
            "journey_has_problems",
            N_("%(journey)s was not published: %(n)s problems. The first, on line %(line)s: %(problem)s"),
            journey=journey_id,
            n=len(problems),
            line=problems[0].line,
            problem={language: problems[0].words(language) for language in LANGUAGES},
        )
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Published:
    """`is_new` False: the text is that of a version which already exists, and nothing was written. `renewed`: the tests
    that began anew."""

    journey_id: str
    version_id: int
    number: int
    is_new: bool
    warnings: tuple[Problem, ...] = ()
    renewed: tuple[str, ...] = ()


# --- drafts ----------------------------------------------------------------------------------------------------------


def save_draft(
    session: Session, journey_id: str, text: str, *, by: User | None = None, now: datetime | None = None
) -> Journey:
    """Keep the text that a person is editing, whatever it says. A text like the live one leaves no draft."""
    now = now or clock.now()
    journey = _journey(session, journey_id, now)
    if text == live_text(session, journey):
        journey.draft_text = journey.draft_sha256 = journey.draft_saved_at = journey.draft_saved_by = None
        if is_open(session, both_changed(journey_id)):
            _read_again(session, journey_id)  # no draft is in the way of what the file says any more
    else:
        journey.draft_text, journey.draft_sha256 = text, sha256_of(text)
        journey.draft_saved_at, journey.draft_saved_by = now, by.id if by else None
    journey.updated_at = now
    session.flush()
    return journey


def _journey(session: Session, journey_id: str, now: datetime) -> Journey:
    journey = session.get(Journey, journey_id)
    if journey is None:
        journey = Journey(id=journey_id, name=journey_id, state="draft", labels=[], created_at=now, updated_at=now)
        session.add(journey)
    return journey


def live_text(session: Session, journey: Journey) -> str | None:
    """The text of the live version as the editor shows it: the journey alone, without defaults; None without one."""
    version = session.get(JourneyVersion, journey.live_version_id) if journey.live_version_id else None
    return journey_text(version.source_yaml, journey.id) if version else None


def text_of(session: Session, journey: Journey) -> str:
    """What the editor opens: the draft if there is one, else the live text."""
    if journey.draft_text is not None:
        return journey.draft_text
    return live_text(session, journey) or ""


# --- publishing ------------------------------------------------------------------------------------------------------


def publish(
    session: Session,
    journey_id: str,
    *,
    text: str | None = None,
    file_text: str | None = None,
    by: User | None = None,
    note: str = "",
    vocabulary: Vocabulary | None = None,
    running: Running = RUNNING,
    now: datetime | None = None,
) -> Published:
    """Make a new version of the draft (or of `text`) and let it run.

    `file_text` is journeys.yaml as it is now, for the defaults and blueprints that the journey depends on. The journey
    becomes live unless its text says paused or closing, or a person paused it and the text did not change its mind.
    Raises UserError when there is nothing to publish, and NotPublishedError with every problem otherwise; nothing is
    written then. A text equal to that of the live version makes no new version.
    """
    now = now or clock.now()
    # Two people who publish at once take turns, so that version numbers have no doubles.
    journey = session.get(Journey, journey_id, with_for_update=True)
    text = text if text is not None else (text_of(session, journey) if journey else "")
    if not text.strip():
        raise UserError("nothing_to_publish", N_("There is no draft of a journey “%(journey)s”."), journey=journey_id)
    checked, program = _ready(journey_id, text, file_text, vocabulary, running, now.date())
    source_yaml = self_contained(journey_id, text, file_text)
    sha256 = sha256_of(source_yaml)
    journey = _journey(session, journey_id, now)
    live = session.get(JourneyVersion, journey.live_version_id) if journey.live_version_id else None
    same = _same_version(session, journey_id, sha256)
    version = same or _new_version(session, journey_id, source_yaml, sha256, program, live, by, note, now)
    renewed: list[str] = []
    if version is not live:
        _go_live(journey, version, live, now)
        becoming.published(session, journey_id, version.id, version.resolved, now)
        renewed = follow_version(session, version.resolved, version.id, now)
        in_another_version(session, journey_id, now)
        detail = {"version": version.number, "note": note}
        record_audit(session, action="journey_published", user=by, subject=journey_id, detail=detail, at=now)
    journey.draft_text = journey.draft_sha256 = journey.draft_saved_at = journey.draft_saved_by = None
    journey.updated_at = now
    resolve_issue(session, f"{_FILE_ISSUE}:{journey_id}")
    resolve_issue(session, both_changed(journey_id))
    session.flush()
    return Published(journey_id, version.id, version.number, same is None, checked.warnings, tuple(renewed))


def to_go_live(
    session: Session, journey: Journey, text: str, file_text: str | None, program: Program
) -> tuple[Program, int | None]:
    """What publishing this text, whose checked program is given, would let run, and which version that is: an older one
    goes live again as it was, a new one (None) takes over what its steps are known by."""
    same = _same_version(session, journey.id, sha256_of(self_contained(journey.id, text, file_text)))
    if same is not None:
        return same.resolved, same.id
    live = session.get(JourneyVersion, journey.live_version_id) if journey.live_version_id else None
    return (carry_over(live.resolved, program) if live else program), None


def _same_version(session: Session, journey_id: str, sha256: str) -> JourneyVersion | None:
    return session.scalars(
        select(JourneyVersion).where(JourneyVersion.journey_id == journey_id, JourneyVersion.sha256 == sha256)
    ).first()


def _ready(
    journey_id: str,
    text: str,
    file_text: str | None,
    vocabulary: Vocabulary | None,
    running: Running,
    today: date,
) -> tuple[CheckedJourney, Program]:
    """The checked journey and its program, or NotPublishedError with everything that is in the way."""
    around = in_the_way(file_text, vocabulary, today)
    checked = check_journey(text, file_text, vocabulary, today=today)
    found = checked.journeys.get(journey_id)
    if found is None:
        other = next(iter(checked.journeys), "")
        if not checked.problems:
            raise UserError(
                "another_journey",
                N_("This text must be the journey “%(journey)s” and nothing else; it begins with “%(found)s”."),
                journey=journey_id,
                found=other,
            )
        raise NotPublishedError(journey_id, checked.problems)
    problems = [*around, *found.problems]
    if found.program is not None:
        problems += [_located(problem, checked, found) for problem in not_running_yet(found.program, running)]
    if problems or found.program is None:
        raise NotPublishedError(journey_id, problems or checked.problems)
    return found, found.program


def in_the_way(file: str | bytes | None, vocabulary: Vocabulary | None, today: date) -> list[Problem]:
    """What is wrong with journeys.yaml itself, so that no journey can be published: it cannot be read, or its defaults
    are wrong. An empty file is no obstacle. Bytes are those of a file that is no text."""
    if not file or not file.strip():
        return []
    broken = read(file)[0].problems if isinstance(file, str) else check(file).problems
    found = check(file, vocabulary, today=today).problems if not broken else ()
    return list(broken) or [problem for problem in found if problem.path.startswith("defaults")]


def _located(problem: Problem, checked: Checked, journey: CheckedJourney) -> Problem:
    """A problem about a key of the journey itself, with the line of that key."""
    if problem.line or not isinstance(journey.values, Values):
        return problem
    key = problem.path.split("/")[2] if problem.path.count("/") > 1 else None
    start, end = journey.values.place(key)
    line, column = checked.source.position(start)
    end_line, end_column = checked.source.position(end)
    return replace(problem, line=line, column=column, end_line=end_line, end_column=end_column)


def _new_version(
    session: Session,
    journey_id: str,
    source_yaml: str,
    sha256: str,
    program: Program,
    live: JourneyVersion | None,
    by: User | None,
    note: str,
    now: datetime,
) -> JourneyVersion:
    last = session.scalar(select(func.max(JourneyVersion.number)).where(JourneyVersion.journey_id == journey_id))
    version = JourneyVersion(
        journey_id=journey_id,
        number=(last or 0) + 1,
        sha256=sha256,
        source_yaml=source_yaml,
        resolved=carry_over(live.resolved, program) if live else program,
        published_at=now,
        published_by=by.id if by else None,
        note=note,
    )
    session.add(version)
    session.flush()
    return version


def _go_live(journey: Journey, version: JourneyVersion, live: JourneyVersion | None, now: datetime) -> None:
    program = version.resolved
    journey.live_version_id = version.id
    journey.name = program["name"]
    journey.labels = program["labels"]
    journey.review_due = review_due(program["review_after"], now.date())
    unchanged = live is not None and live.resolved["state"] == program["state"]
    if not unchanged or journey.state not in ("live", "paused", "closing"):
        # Publishing is the decision to let it run, so a text that still says draft does not hold it back.
        journey.state = "live" if program["state"] == "draft" else program["state"]
        journey.paused_at = now if journey.state == "paused" else None


def review_due(review: dict[str, Any], today: date) -> date:
    if review["on"]:
        return date.fromisoformat(review["on"])
    after = review["after"]
    month = today.month - 1 + after["months"]
    year, month = today.year + month // 12, month % 12 + 1
    day = min(today.day, calendar.monthrange(year, month)[1])
    return date(year, month, day) + timedelta(days=after["days"], seconds=after["seconds"])


# --- the state of a live journey -------------------------------------------------------------------------------------


def pause(session: Session, journey_id: str, *, by: User | None = None, now: datetime | None = None) -> Journey:
    """Hold everybody inside in place; nobody leaves and nobody enters until it is resumed."""
    return _change_state(session, journey_id, ("live", "closing"), "paused", by, now or clock.now())


def resume(session: Session, journey_id: str, *, by: User | None = None, now: datetime | None = None) -> Journey:
    """Let a paused journey run again. One that was closing when it was paused goes on closing: nobody enters."""
    return _change_state(session, journey_id, ("paused",), "live", by, now or clock.now())


def _before_the_pause(session: Session, journey: Journey) -> str:
    """The state that a person paused, by the audit trail."""
    detail = session.scalar(
        select(AuditEntry.detail)
        .where(
            AuditEntry.action == "journey_paused", AuditEntry.subject == journey.id, AuditEntry.at == journey.paused_at
        )
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )
    return str((detail or {}).get("before", "live"))


def close(session: Session, journey_id: str, *, by: User | None = None, now: datetime | None = None) -> Journey:
    """Let nobody enter any more; those inside finish, then the journey is ended."""
    return _change_state(session, journey_id, ("live", "paused"), "closing", by, now or clock.now())


_REFUSALS = {
    "paused": N_("%(journey)s is not running, so it cannot be paused."),
    "live": N_("%(journey)s is not paused, so it cannot be resumed."),
    "closing": N_("%(journey)s is neither running nor paused, so it cannot be closed."),
}


def _change_state(
    session: Session, journey_id: str, allowed: Sequence[str], state: str, by: User | None, now: datetime
) -> Journey:
    journey = session.get(Journey, journey_id)
    if journey is None or journey.live_version_id is None:
        raise UserError("journey_not_published", N_("%(journey)s was never published."), journey=journey_id)
    if journey.state not in allowed:
        raise UserError("journey_not_in_that_state", _REFUSALS[state], journey=journey.name or journey_id)
    before, journey.state = journey.state, state
    if before == "paused" and state == "live" and _before_the_pause(session, journey) == "closing":
        journey.state = "closing"
    journey.paused_at = now if state == "paused" else None
    journey.updated_at = now
    if state == "closing":
        resolve_issue(session, f"journey_vanished:{journey_id}")
        resolve_issue(session, f"review_due:{journey_id}")
    record_audit(
        session,
        action=f"journey_{state}",
        user=by,
        subject=journey_id,
        detail={"before": before},
        at=now,
    )
    session.flush()
    return journey


# --- the file on disk ------------------------------------------------------------------------------------------------


def watch_file(
    session: Session, path: Path, *, vocabulary: Vocabulary | None = None, now: datetime | None = None
) -> Checked | None:
    """Look at journeys.yaml: each journey whose text changed there becomes a draft for an admin to publish.

    What somebody has written in the panel and not published yet stays the draft (see `_take_from_file`).
    A journey with mistakes becomes a draft as well, and an issue names file, line and fix. The live versions and the
    other journeys of the file are not touched. Returns None when the file is the one that was read last.
    """
    now = now or clock.now()
    if not _alone(session):
        return None
    found = read_file(path)
    row = session.get(JourneyFile, str(path))
    if row is None and not found.sha256:
        return None
    if row is not None and row.sha256 == found.sha256:
        return None
    if row is None:
        row = JourneyFile(path=str(path), sha256="", read_at=now, problems=[], seen={})
        session.add(row)
    checked = check(found.data, vocabulary, today=now.date())
    row.sha256, row.read_at = found.sha256, now
    row.problems = [problem.as_dict("en") for problem in checked.problems]
    texts = journey_texts(found.text or "")
    if checked.tree is None and found.sha256:
        _tell(session, _FILE_ISSUE, path, checked.problems, None, now)
        return checked
    rest = [p for p in checked.problems if not any(p in journey.problems for journey in checked.journeys.values())]
    of_file = [p for p in checked.problems if p in rest or p.path.partition("/")[0] in ("defaults", "language", "")]
    _tell(session, _FILE_ISSUE, path, of_file, None, now)
    seen = dict(row.seen or {})
    for journey_id, text in texts.items():
        sha256 = sha256_of(text)
        if seen.get(journey_id) != sha256:
            _take_from_file(session, journey_id, text, path, now)
        seen[journey_id] = sha256
        _notice_new_surroundings(session, checked.journeys[journey_id], text, found.text, now)
        own = [problem for problem in checked.journeys[journey_id].problems if problem not in of_file]
        _tell(session, f"{_FILE_ISSUE}:{journey_id}", path, own, journey_id, now)
    if checked.tree is not None:
        _ask_about_vanished(session, path, set(texts), now)
    row.seen = {journey_id: sha256 for journey_id, sha256 in seen.items() if journey_id in texts}
    session.flush()
    return checked


def _take_from_file(session: Session, journey_id: str, text: str, path: Path, now: datetime) -> None:
    """The text in the file becomes the draft, unless a person has a draft that is not published: the file may say only
    what the panel itself has put there at the last publishing, and what was really changed there is told."""
    # Whoever saves or publishes in this moment has come first.
    journey = session.get(Journey, journey_id, with_for_update=True)
    is_written_here = journey is not None and journey.draft_saved_by is not None and journey.draft_text != text
    if journey is None or not is_written_here:
        resolve_issue(session, both_changed(journey_id))
        save_draft(session, journey_id, text, now=now)
        return
    if text == live_text(session, journey):
        resolve_issue(session, both_changed(journey_id))
        return
    raise_issue(
        session,
        both_changed(journey_id),
        code="draft_and_file",
        severity="warning",
        sentence=N_(
            "%(journey)s was changed in %(file)s, and it has a draft in the panel that is not published. The draft was"
            " kept. Publish it over the file, or throw it away to take the text of the file."
        ),
        params={"journey": journey.name or journey_id, "file": path.name},
        journey_id=journey_id,
        now=now,
    )


def both_changed(journey_id: str) -> str:
    """The key of the issue that a journey was changed in the file and in the panel."""
    return f"draft_and_file:{journey_id}"


def drop_draft(session: Session, journey: Journey, file_text: str | None) -> str | None:
    """Throw the draft away. What the file says in its place, when that is neither the draft nor what runs, is the draft
    now; returns the text that the editor shows, None when nothing is left of the journey."""
    key, live = both_changed(journey.id), live_text(session, journey)
    own = journey_text(file_text or "", journey.id)
    if own is None and is_open(session, key):
        _read_again(session, journey.id)  # it cannot be read now
    resolve_issue(session, key)
    if journey.draft_text in (None, own):
        own = None
    if own is None and live is None:
        session.delete(journey)
        return None
    save_draft(session, journey.id, own or live or "")
    return own or live


def _read_again(session: Session, journey_id: str) -> None:
    """Let the next look at the file take what it says of this journey, as if that were new."""
    for row in session.scalars(select(JourneyFile).with_for_update()):
        row.sha256, row.seen = "", {key: value for key, value in (row.seen or {}).items() if key != journey_id}


def _ask_about_vanished(session: Session, path: Path, in_file: set[str], now: datetime) -> None:
    """A journey that runs but is not in the file any more: nothing stops by itself, a person says what was meant."""
    rows = session.execute(select(Journey.id, Journey.name, Journey.state).where(Journey.live_version_id.is_not(None)))
    for journey_id, name, state in rows:
        key = f"journey_vanished:{journey_id}"
        if journey_id in in_file or state not in ("live", "paused"):
            resolve_issue(session, key)
            continue
        raise_issue(
            session,
            key,
            code="journey_vanished",
            severity="warning",
            sentence=N_(
                "%(journey)s is not in %(file)s any more, but it still runs. Close it if that was meant; those inside"
                " finish. Publishing it again puts it back into the file."
            ),
            params={"journey": name or journey_id, "file": path.name},
            journey_id=journey_id,
            now=now,
        )


def _notice_new_surroundings(
    session: Session, checked: CheckedJourney, text: str, file_text: str | None, now: datetime
) -> None:
    """A live journey whose own text is the same, but whose defaults or blueprint changed, has something to publish."""
    journey = _journey(session, checked.id, now)
    version = session.get(JourneyVersion, journey.live_version_id) if journey.live_version_id else None
    if version is None or journey.draft_text is not None or live_text(session, journey) != text:
        return
    if checked.program is not None and says_the_same(checked.program, version.resolved):
        return  # a comment was changed
    if version.sha256 != sha256_of(self_contained(checked.id, text, file_text)):
        journey.draft_text, journey.draft_sha256 = text, sha256_of(text)
        journey.draft_saved_at, journey.draft_saved_by = now, None


def _alone(session: Session) -> bool:
    """Whether no other worker is looking at the file in this moment; two would make the same drafts and issues."""
    if session.get_bind().dialect.name != "postgresql":
        return True  # SQLite has one writer anyway
    return bool(session.scalar(sql("SELECT pg_try_advisory_xact_lock(:n)"), {"n": _FILE_LOCK}))


def _tell(
    session: Session, key: str, path: Path, problems: Sequence[Problem], journey_id: str | None, now: datetime
) -> None:
    """An issue about the first of these problems, or none any more."""
    if not problems:
        resolve_issue(session, key)
        return
    first = problems[0]
    raise_issue(
        session,
        key,
        code=first.code,
        sentence=N_("%(file)s, line %(line)s: %(problem)s %(fix)s"),
        params={
            "file": path.name,
            "line": first.line,
            "problem": {language: first.words(language) for language in LANGUAGES},
            "fix": {language: first.advice(language) for language in LANGUAGES},
            "count": len(problems),
        },
        journey_id=journey_id,
        now=now,
    )
