"""Drafts, publishing and the watch on the file: what runs is never touched by a mistake."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from panel.db import writing
from panel.errors import UserError
from panel.i18n import translate
from panel.issues.models import Issue
from panel.journeys import operations
from panel.journeys.file import read_file, write_journey
from panel.journeys.language import Running
from panel.journeys.models import Journey, JourneyVersion
from panel.staff.operations import create_user

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
DEFAULTS = """language: 1
defaults:
  send_hours: {from: 09:00, to: 20:00}
journeys:
"""
WELCOME = """welcome:
  name: Welcome
  purpose: marketing
  state: live
  start_when: [{joins_list: Newsletter}]
  only_if: {can_reach: email}
  goal: {event: order_paid}
  review_after: 6 months
  steps:
    - send: hello
    - wait: 2 days
    - send: again
"""
OTHER = WELCOME.replace("welcome:", "second:", 1)
BROKEN = WELCOME.replace("wait: 2 days", "waitt: 2 days")
EVERYTHING = Running(
    verbs=("send", "wait", "tag"),
    triggers=("joins_list",),
    conditions=("can_reach",),
)


def indented(text: str) -> str:
    return "".join("  " + line for line in text.splitlines(keepends=True))


def file_of(*texts: str) -> str:
    return DEFAULTS + "".join(indented(text) for text in texts)


def publish(session, text=WELCOME, **more):
    more.setdefault("file_text", file_of(text))
    return operations.publish(session, "welcome", text=text, running=EVERYTHING, now=NOW, **more)


def versions(session) -> int:
    return session.scalar(select(func.count()).select_from(JourneyVersion))


def open_issues(session):
    return {issue.key: issue for issue in session.scalars(select(Issue).where(Issue.state == "open"))}


def test_a_draft_is_saved_however_broken_and_nothing_runs(session):
    operations.save_draft(session, "welcome", "welcome: [", now=NOW)
    journey = session.get(Journey, "welcome")
    assert journey.draft_text == "welcome: ["
    assert journey.live_version_id is None
    assert journey.state == "draft"


def test_publishing_makes_the_draft_live_with_its_resolved_program(session):
    operations.save_draft(session, "welcome", WELCOME, now=NOW)
    done = operations.publish(session, "welcome", file_text=file_of(WELCOME), running=EVERYTHING, now=NOW)
    journey = session.get(Journey, "welcome")
    version = session.get(JourneyVersion, done.version_id)
    assert (journey.state, journey.name, journey.live_version_id, journey.draft_text) == (
        "live",
        "Welcome",
        done.version_id,
        None,
    )
    assert journey.review_due.isoformat() == "2027-05-22"
    assert version.resolved["settings"]["send_hours"]["any"]["to"] == "20:00"
    assert operations.text_of(session, journey) == WELCOME


def test_a_draft_with_mistakes_is_refused_with_all_of_them_and_the_live_version_stays(session):
    first = publish(session)
    wrong = BROKEN.replace("purpose: marketing", "purpose: marketting")
    operations.save_draft(session, "welcome", wrong, now=NOW)
    with pytest.raises(operations.NotPublishedError) as refused:
        operations.publish(session, "welcome", file_text=file_of(wrong), running=EVERYTHING, now=NOW)
    assert {problem.code for problem in refused.value.problems} == {"unknown_key", "not_one_of"}
    journey = session.get(Journey, "welcome")
    assert journey.live_version_id == first.version_id
    assert journey.draft_text == wrong


def test_the_same_text_makes_no_new_version(session):
    first = publish(session)
    again = publish(session)
    assert again.version_id == first.version_id
    assert not again.is_new
    assert versions(session) == 1


def test_changed_defaults_make_a_new_version_of_the_same_text(session):
    publish(session)
    done = publish(session, file_text=file_of(WELCOME).replace("20:00", "18:00"))
    assert (done.number, done.is_new) == (2, True)


def test_going_back_to_an_older_text_brings_back_its_version(session):
    first = publish(session)
    publish(session, WELCOME.replace("2 days", "3 days"))
    back = publish(session)
    assert back.version_id == first.version_id
    assert session.get(Journey, "welcome").live_version_id == first.version_id
    assert versions(session) == 2


def test_what_does_not_run_yet_is_refused_at_its_line(session):
    text = WELCOME.replace("send: again", "task: Call").replace("exclude", "exclude")
    text = text.replace("  only_if: {can_reach: email}", "  only_if: {in_segment: VIP}")
    with pytest.raises(operations.NotPublishedError) as refused:
        publish(session, text)
    found = {(p.code, p.params["name"], p.line) for p in refused.value.problems}
    assert found == {("step_not_running", "task", 12), ("condition_not_running", "in_segment", 6)}
    assert session.get(Journey, "welcome") is None


def test_steps_keep_their_identity_in_the_next_version(session):
    publish(session)
    done = publish(session, WELCOME.replace("    - send: hello\n", "    - tag: new\n    - send: hello\n"))
    steps = session.get(JourneyVersion, done.version_id).resolved["steps"]
    assert list(steps) == ["tag_new", "send_hello", "wait_after_send_hello", "send_again"]


@pytest.mark.parametrize("text", [None, "", "   \n"])
def test_there_must_be_something_to_publish(session, text):
    with pytest.raises(UserError) as refused:
        operations.publish(session, "welcome", text=text, running=EVERYTHING, now=NOW)
    assert refused.value.code == "nothing_to_publish"


def test_a_broken_file_around_a_journey_refuses_it(session):
    with pytest.raises(operations.NotPublishedError) as refused:
        publish(session, file_text="defaults: [\n")
    assert refused.value.problems[0].code == "unclosed_bracket"


def test_wrong_defaults_refuse_a_journey_that_inherits_them(session):
    with pytest.raises(operations.NotPublishedError) as refused:
        publish(session, file_text=file_of(WELCOME).replace("20:00", "8 pm"))
    assert [problem.code for problem in refused.value.problems] == ["not_a_time"]


def test_paused_by_a_person_stays_paused_when_a_new_text_is_published(session):
    publish(session)
    operations.pause(session, "welcome", now=NOW)
    publish(session, WELCOME.replace("2 days", "3 days"))
    assert session.get(Journey, "welcome").state == "paused"
    operations.resume(session, "welcome", now=NOW)
    assert session.get(Journey, "welcome").state == "live"
    publish(session, WELCOME.replace("state: live", "state: paused"))
    assert session.get(Journey, "welcome").state == "paused"


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("live", operations.pause, "paused"),
        ("paused", operations.resume, "live"),
        ("live", operations.close, "closing"),
        ("paused", operations.close, "closing"),
        ("live", operations.resume, None),
        ("paused", operations.pause, None),
        ("ended", operations.close, None),
    ],
)
def test_states_change_only_as_they_may(session, before, change, after):
    publish(session)
    session.get(Journey, "welcome").state = before
    if after is None:
        with pytest.raises(UserError):
            change(session, "welcome", now=NOW)
        after = before
    else:
        change(session, "welcome", now=NOW)
    assert session.get(Journey, "welcome").state == after


def test_a_journey_that_was_never_published_cannot_be_paused(session):
    operations.save_draft(session, "welcome", WELCOME, now=NOW)
    with pytest.raises(UserError) as refused:
        operations.pause(session, "welcome", now=NOW)
    assert refused.value.code == "journey_not_published"


# --- the file on disk ------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journeys.yaml"


def watch(session, path, text):
    path.write_text(text, encoding="utf-8")
    return operations.watch_file(session, path, now=NOW)


def test_a_changed_file_makes_drafts_and_publishes_nothing(session, path):
    assert watch(session, path, file_of(WELCOME)) is not None
    journey = session.get(Journey, "welcome")
    assert journey.draft_text == WELCOME
    assert journey.live_version_id is None
    assert open_issues(session) == {}
    assert operations.watch_file(session, path, now=NOW) is None


def test_a_missing_file_is_no_news(session, path):
    assert operations.watch_file(session, path, now=NOW) is None


def test_a_mistake_in_one_journey_raises_an_issue_and_spares_the_others(session, path):
    publish(session)
    other = WELCOME.replace("welcome:", "second:")
    watch(session, path, file_of(BROKEN, other))
    issue = open_issues(session)["journeys_file:welcome"]
    assert list(open_issues(session)) == ["journeys_file:welcome"]
    assert (issue.code, issue.journey_id, issue.params["line"], issue.params["file"]) == (
        "unknown_key",
        "welcome",
        15,
        "journeys.yaml",
    )
    assert "wait" in issue.params["problem"]["en"]
    assert set(issue.params["problem"]) == {"en", "he", "fa"}
    assert "line 15: “waitt” is not known" in translate("en", issue.sentence, **issue.params)
    assert "שורה 15" in translate("he", issue.sentence, **issue.params)
    assert session.get(Journey, "welcome").state == "live"
    assert session.get(Journey, "welcome").draft_text == BROKEN
    assert session.get(Journey, "second").draft_text == other
    watch(session, path, file_of(WELCOME, other))
    assert open_issues(session) == {}
    assert session.get(Journey, "welcome").draft_text is None


def test_a_file_that_cannot_be_read_raises_one_issue_and_changes_nothing(session, path):
    publish(session)
    watch(session, path, file_of(WELCOME) + "  broken: [\n")
    issue = open_issues(session)["journeys_file"]
    assert issue.code == "unclosed_bracket"
    assert issue.params["line"] == 17
    assert session.get(Journey, "welcome").draft_text is None
    watch(session, path, file_of(WELCOME))
    assert open_issues(session) == {}


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x80abc", b"\x00", b"a: \xe9\n", b""])
def test_any_bytes_in_the_file_are_survived(session, path, data):
    path.write_bytes(data)
    operations.watch_file(session, path, now=NOW)
    assert "journeys_file" in open_issues(session)


def test_an_edit_in_the_panel_is_kept_when_another_journey_changes_on_disk(session, path):
    other = WELCOME.replace("welcome:", "second:")
    watch(session, path, file_of(WELCOME, other))
    operations.save_draft(session, "welcome", "welcome: being written", now=NOW)
    watch(session, path, file_of(WELCOME, other.replace("2 days", "4 days")))
    assert session.get(Journey, "welcome").draft_text == "welcome: being written"
    assert "4 days" in session.get(Journey, "second").draft_text


@pytest.fixture
def yossi(session):
    return create_user(session, "yossi@example.com", name="yossi", role="owner", by=None)[0]


def test_what_is_written_after_publishing_outlives_the_file_that_publishing_wrote(session, path, yossi):
    watch(session, path, file_of(WELCOME))
    quicker, newest = WELCOME.replace("2 days", "1 day"), WELCOME.replace("2 days", "5 days")
    publish(session, quicker)
    operations.save_draft(session, "welcome", newest, by=yossi, now=NOW)
    watch(session, path, file_of(quicker))
    assert session.get(Journey, "welcome").draft_text == newest
    assert open_issues(session) == {}


@pytest.mark.parametrize("is_live", [True, False])
def test_a_draft_is_kept_when_the_file_changes_too_and_a_person_chooses(session, path, yossi, is_live):
    watch(session, path, file_of(WELCOME))
    if is_live:
        publish(session)
    ours, theirs = WELCOME.replace("2 days", "5 days"), WELCOME.replace("2 days", "9 days")
    operations.save_draft(session, "welcome", ours, by=yossi, now=NOW)
    watch(session, path, file_of(theirs))
    journey = session.get(Journey, "welcome")
    assert journey.draft_text == ours
    assert [(issue.code, issue.journey_id) for issue in open_issues(session).values()] == [
        ("draft_and_file", "welcome")
    ]
    assert operations.drop_draft(session, journey, file_of(theirs)) == theirs
    assert (journey.draft_text, open_issues(session)) == (theirs, {})
    watch(session, path, file_of(theirs.replace("9 days", "8 days")))
    assert "8 days" in journey.draft_text


def test_publishing_a_draft_over_the_file_settles_that_both_were_changed(session, path, yossi):
    publish(session)
    ours = WELCOME.replace("2 days", "5 days")
    operations.save_draft(session, "welcome", ours, by=yossi, now=NOW)
    watch(session, path, file_of(WELCOME.replace("2 days", "9 days")))
    assert len(open_issues(session)) == 1
    publish(session, ours)
    assert open_issues(session) == {}


def test_a_file_that_goes_back_to_what_runs_leaves_the_draft_alone(session, path, yossi):
    publish(session)
    ours = WELCOME.replace("2 days", "5 days")
    operations.save_draft(session, "welcome", ours, by=yossi, now=NOW)
    watch(session, path, file_of(WELCOME.replace("2 days", "9 days")))
    watch(session, path, file_of(WELCOME))
    assert session.get(Journey, "welcome").draft_text == ours
    assert open_issues(session) == {}


def test_a_draft_of_a_journey_that_is_nowhere_else_is_gone_when_it_is_thrown_away(session, yossi):
    journey = operations.save_draft(session, "welcome", WELCOME, by=yossi, now=NOW)
    assert operations.drop_draft(session, journey, DEFAULTS) is None
    session.flush()
    assert session.get(Journey, "welcome") is None


def test_a_draft_brought_back_to_what_runs_lets_the_changed_file_in(session, path, yossi):
    watch(session, path, file_of(WELCOME))
    publish(session)
    theirs = file_of(WELCOME.replace("2 days", "9 days"))
    operations.save_draft(session, "welcome", WELCOME.replace("2 days", "5 days"), by=yossi, now=NOW)
    watch(session, path, theirs)
    operations.save_draft(session, "welcome", WELCOME, by=yossi, now=NOW)
    watch(session, path, theirs)
    assert "9 days" in session.get(Journey, "welcome").draft_text
    assert open_issues(session) == {}


def test_what_was_changed_in_the_file_below_a_draft_comes_back_when_the_draft_goes(session, path, yossi):
    watch(session, path, file_of(WELCOME))
    publish(session)
    theirs = WELCOME.replace("2 days", "9 days")
    watch(session, path, file_of(theirs))
    operations.save_draft(session, "welcome", WELCOME.replace("2 days", "5 days"), by=yossi, now=NOW)
    journey = session.get(Journey, "welcome")
    assert operations.drop_draft(session, journey, file_of(theirs)) == theirs
    assert journey.draft_text == theirs
    assert operations.drop_draft(session, journey, file_of(theirs)) == WELCOME
    assert operations.drop_draft(session, journey, file_of(theirs)) == WELCOME
    assert journey.draft_text is None


@pytest.mark.parametrize("damage", ["", "journeys: [\n"])
def test_a_draft_thrown_away_while_the_file_is_gone_or_broken_gets_its_text_later(session, path, yossi, damage):
    watch(session, path, file_of(WELCOME))
    publish(session)
    theirs = file_of(WELCOME.replace("2 days", "9 days"))
    operations.save_draft(session, "welcome", WELCOME.replace("2 days", "5 days"), by=yossi, now=NOW)
    watch(session, path, theirs)
    if damage:
        watch(session, path, damage)
    else:
        path.unlink()
        operations.watch_file(session, path, now=NOW)
    journey = session.get(Journey, "welcome")
    assert "5 days" in journey.draft_text
    assert operations.drop_draft(session, journey, damage) == WELCOME
    watch(session, path, theirs)
    assert "9 days" in journey.draft_text


def test_a_file_with_other_line_ends_is_the_same_text(session, path, yossi):
    watch(session, path, file_of(WELCOME, OTHER))
    publish(session, file_text=file_of(WELCOME, OTHER))
    ours = WELCOME.replace("2 days", "5 days")
    operations.save_draft(session, "welcome", ours, by=yossi, now=NOW)
    path.write_bytes(b"\xef\xbb\xbf" + file_of(WELCOME, OTHER).replace("\n", "\r\n").encode())
    operations.watch_file(session, path, now=NOW)
    assert session.get(Journey, "welcome").draft_text == ours
    assert "draft_and_file:welcome" not in open_issues(session)
    sha256 = write_journey(path, "welcome", ours, expected_sha256=read_file(path).sha256)
    publish(session, ours, file_text=read_file(path).text)
    operations.watch_file(session, path, now=NOW)
    assert session.get(Journey, "welcome").draft_text is None
    assert read_file(path).sha256 == sha256
    assert b"\n" not in path.read_bytes().replace(b"\r\n", b"")


def test_a_journey_with_another_identity_in_the_file_is_a_new_one_and_the_draft_of_the_old_one_stays(
    session, path, yossi
):
    watch(session, path, file_of(WELCOME))
    publish(session)
    ours = WELCOME.replace("2 days", "5 days")
    operations.save_draft(session, "welcome", ours, by=yossi, now=NOW)
    watch(session, path, file_of(WELCOME.replace("welcome:", "greeting:", 1)))
    assert session.get(Journey, "welcome").draft_text == ours
    assert session.get(Journey, "greeting").draft_text.startswith("greeting:")
    assert list(open_issues(session)) == ["journey_vanished:welcome"]


@pytest.mark.parametrize("rest", ["journeys: {}\n", "journeys:\n"])
def test_the_last_journey_that_leaves_the_file_is_asked_about_as_well(session, path, rest):
    watch(session, path, file_of(WELCOME))
    publish(session)
    watch(session, path, f"language: 1\n{rest}")
    assert "journey_vanished:welcome" in open_issues(session)


@pytest.mark.databases("postgresql")
def test_the_file_never_overtakes_a_person_who_is_saving(app, session, path, yossi):
    watch(session, path, file_of(WELCOME))
    publish(session)
    session.commit()
    ours = WELCOME.replace("2 days", "5 days")
    path.write_text(file_of(WELCOME.replace("2 days", "9 days")))
    operations.save_draft(session, "welcome", ours, by=yossi, now=NOW)

    def look() -> None:
        with app.app_context(), writing() as other:
            operations.watch_file(other, path, now=NOW)

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        until_somebody_waits(session)
        session.commit()
        looking.result(20)
    session.expire_all()
    assert session.get(Journey, "welcome").draft_text == ours
    assert "draft_and_file:welcome" in open_issues(session)


def until_somebody_waits(session) -> None:
    """Another connection wants what this one holds."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with Session(session.get_bind()) as looking:
        for _ in range(20_000):
            if looking.scalar(waiting):
                return
            looking.rollback()
    raise AssertionError("nobody waits")


def test_changed_defaults_leave_something_to_publish(session, path):
    publish(session)
    watch(session, path, file_of(WELCOME))
    assert session.get(Journey, "welcome").draft_text is None
    watch(session, path, file_of(WELCOME).replace("defaults:", "defaults:   # for all of them"))
    assert session.get(Journey, "welcome").draft_text is None
    watch(session, path, file_of(WELCOME).replace("20:00", "18:00"))
    assert session.get(Journey, "welcome").draft_text == WELCOME
