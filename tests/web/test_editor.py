"""The editor of one journey: judging, drafts, publishing, the file. All of it works without JavaScript."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from panel.db import writing
from panel.journeys import operations
from panel.journeys.file import journey_text
from panel.journeys.language import Vocabulary, carry_over, check_journey
from panel.journeys.models import Journey, JourneyVersion
from panel.journeys.names import vocabulary
from panel.web.journeys import diffs, recipes
from panel.web.journeys.impact import impact
from panel.web.journeys.judging import apply, judge
from panel.web.journeys.queries import Standing
from tests.journeys.test_operations import until_somebody_waits
from tests.web.journeys import FILE, WIN_BACK, put_file, shown

TODAY = date(2026, 11, 22)
GOOD = """tea:
  name: תה
  purpose: service
  start_when:
    - manual: yes
  review_after: 1 year
  steps:
    - wait: 2 days
    - send: {via: email, subject: Tea, text: "Hello [[first name|friend]]"}
"""


def verdict(text: str, journey_id: str = "tea", language: str = "en", **names: Any):
    return judge(journey_id, text, None, Vocabulary(**names), language, TODAY)


# Judging, as plain functions.


def test_a_good_text_has_no_errors_and_is_said_in_words():
    found = verdict(GOOD)
    assert found.errors == []
    assert found.program is not None


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_a_problem_has_its_place_words_and_advice(language):
    found = verdict(GOOD.replace("purpose: service", "purpsoe: service"), language=language)
    problem = next(one for one in found.errors if one.line == 3)
    assert (problem.column, problem.end_column) == (3, 10)
    assert problem.words
    assert problem.advice
    assert problem.as_dict(language)["where"].endswith("3")


def test_a_fix_is_offered_only_where_it_really_mends_the_text():
    text = GOOD.replace("purpose: service", "purpsoe: service")
    fix = next(one.fix for one in verdict(text).errors if one.fix)
    assert apply(text, fix) == GOOD
    assert verdict(apply(text, fix)).errors == []


def test_a_wrong_field_inside_a_long_text_is_mended_alone():
    text = GOOD.replace("first name", "frist name")
    found = verdict(text, fields=_fields(), events={"order_paid": ("amount",)})
    fix = next(one.fix for one in found.errors if one.fix)
    assert apply(text, fix) == GOOD


def test_what_the_engine_cannot_do_yet_is_an_error_here_and_not_a_surprise_later():
    text = GOOD.replace("- wait: 2 days", "- wait_for: {manual: yes}\n      up_to: 2 days")
    assert verdict(text).program is None
    assert any("manual" in one.words for one in verdict(text).errors)


def test_a_text_of_another_journey_is_refused():
    found = verdict(GOOD, journey_id="coffee")
    assert found.program is None
    assert "coffee" in found.errors[0].words


@pytest.mark.parametrize("text", ["", "\t", "{", "[[[", "tea", "- a\n- b", "tea:\n", "\x00", "tea: {a: b", "é" * 5000])
def test_no_text_is_too_strange_to_be_judged(text):
    assert verdict(text).program is None


def test_a_fix_outside_the_text_changes_nothing():
    fix = next(one.fix for one in verdict(GOOD.replace("purpose:", "purpsoe:")).errors if one.fix)
    assert apply("x", fix) == "x"


def test_differences_keep_what_is_around_them():
    lines = diffs.diff("a\nb\nc\nd\ne\nf\ng\nh\ni\n", "a\nb\nc\nd\nE\nf\ng\nh\ni\n")
    assert [line.kind for line in lines] == [
        "gap",
        "same",
        "same",
        "same",
        "gone",
        "new",
        "same",
        "same",
        "same",
        "gap",
    ]
    assert diffs.diff("a\n", "a\n") == []


@pytest.mark.parametrize("language", ["en", "he", "fa"])
@pytest.mark.parametrize("chosen", recipes.RECIPES, ids=lambda one: one.id)
@pytest.mark.parametrize("list_name", [None, 'לקוחות "חדשים": כן'])
def test_every_beginning_can_be_published_as_it_stands(language, chosen, list_name):
    text = recipes.fill(chosen, chosen.identity, 'שם: "מוזר" # כן', list_name, language)
    lists = [list_name] if list_name else []
    found = judge(chosen.identity, text, None, Vocabulary(lists=lists, channels=["email", "sms"], fields=_fields()),
                  language, TODAY)  # fmt: skip
    assert [one.words for one in found.errors] == []
    assert found.program["name"] == 'שם: "מוזר" # כן'


def _fields():
    from panel.contacts.fields import BUILT_IN
    from panel.journeys.language import FieldInfo

    return {one.name: FieldInfo(tuple(one.names()), one.type) for one in BUILT_IN.values()}


# The pages.


@pytest.fixture
def path(app):
    return put_file(app, FILE)


@pytest.fixture
def draft(app, path):
    with writing() as session:
        operations.watch_file(session, path, vocabulary=vocabulary(session))
    return "/admin/journeys/win_back"


def journey(stored, journey_id="win_back"):
    stored.rollback()
    return stored.get(Journey, journey_id, populate_existing=True)


def opened(person, url):
    page = person.text(f"{url}/edit")
    base = re.search(r'name="base" value="([^"]*)"', page)
    assert base is not None
    return page, base[1]


def publish(person, url, **data):
    return person.post(f"{url}/publish", **shown(person.text(f"{url}/publish")), **data)


def send_json(person, url, **data):
    return person.client.post(url, json=data, headers={"X-CSRFToken": person.token("/admin/")})


@pytest.mark.databases("sqlite")
def test_the_editor_is_left_to_right_in_every_language(logged_in, draft):
    page, _ = opened(logged_in(language="he"), draft)
    area = re.search(r"<textarea[^>]*id=\"journey-text\"[^>]*>", page)
    assert area is not None
    assert 'dir="ltr"' in area[0]
    assert 'dir="rtl"' in page[:200]


@pytest.mark.databases("sqlite")
def test_a_broken_draft_is_saved_with_its_problems_beside_it(logged_in, stored, draft):
    person = logged_in()
    _, base = opened(person, draft)
    answer = person.post(f"{draft}/edit", base=base, text="win_back:\r\n  nmae: x\r\n", do="check")
    assert answer.status_code == 200
    assert "Line <bdi" in answer.text
    assert journey(stored).draft_text == "win_back:\n  nmae: x\n"


@pytest.mark.databases("sqlite")
def test_a_fix_is_one_button_without_javascript_too(logged_in, stored, draft):
    person = logged_in()
    _, base = opened(person, draft)
    broken = journey_text(FILE, "win_back").replace("purpose: service", "purpsoe: service")
    page = person.post(f"{draft}/edit", base=base, text=broken, do="check").text
    fix = re.search(r'name="fix" value="([^"]+)"', page)
    base = re.search(r'name="base" value="([^"]*)"', page)
    assert fix is not None
    assert base is not None
    person.post(f"{draft}/edit", base=base[1], text=broken, fix=fix[1])
    assert journey(stored).draft_text == journey_text(FILE, "win_back")


def test_two_people_do_not_overwrite_each_other_unasked(logged_in, stored, draft):
    dana, sara = logged_in(), logged_in("marketing", name="שרה")
    _, base = opened(dana, draft)
    assert send_json(sara, f"{draft}/draft", text="win_back:\n  name: hers\n", base=base).status_code == 200
    answer = send_json(dana, f"{draft}/draft", text="win_back:\n  name: mine\n", base=base)
    assert answer.status_code == 409
    assert "שרה" in answer.json["conflict"]
    assert "hers" in journey(stored).draft_text
    page = dana.post(f"{draft}/edit", base=base, text="win_back:\n  name: mine\n", do="save").text
    assert "Save mine all the same" in page
    assert "hers" in journey(stored).draft_text
    again = send_json(dana, f"{draft}/draft", text="win_back:\n  name: mine\n", base=base, anyway=True)
    assert again.status_code == 200
    assert "mine" in journey(stored).draft_text


@pytest.mark.databases("sqlite")
def test_the_editors_script_gets_problems_and_words(logged_in, draft):
    person = logged_in(language="fa")
    good = journey_text(FILE, "win_back")
    answer = send_json(person, f"{draft}/check", text=good).json
    assert [one for one in answer["problems"] if one["severity"] == "error"] == []
    assert "words-steps" in answer["words"]
    answer = send_json(person, f"{draft}/check", text=good.replace("steps:", "stpes:")).json
    assert answer["words"] is None
    assert any(one["fix"] and one["fix"]["text"] == "steps" for one in answer["problems"])
    assert "سطر" in answer["problems"][0]["where"]
    assert person.client.post(f"{draft}/check", json={"text": 5}).status_code == 400


def test_publishing_shows_what_changes_and_rewrites_only_its_own_lines(logged_in, stored, draft, path):
    person = logged_in()
    assert publish(person, draft).status_code == 303
    before = path.read_text(encoding="utf-8")
    assert before == FILE
    _, base = opened(person, draft)
    text = journey_text(FILE, "win_back").replace("1 week", "5 days")
    assert person.post(f"{draft}/edit", base=base, text=text, do="publish").location.endswith("/win_back/publish")
    page = person.text(f"{draft}/publish")
    assert "wait: 5 days" in page
    assert "diff-line is-new" in page
    assert publish(person, draft, note="quicker").status_code == 303
    assert path.read_text(encoding="utf-8") == FILE.replace("wait: 1 week", "wait: 5 days")
    versions = stored.query(JourneyVersion).order_by(JourneyVersion.number).all()
    assert [(one.number, one.note) for one in versions] == [(1, ""), (2, "quicker")]
    stored.rollback()
    assert journey(stored).draft_text is None


def test_a_draft_with_errors_is_not_published_and_says_all_of_them(logged_in, stored, draft):
    person = logged_in()
    publish(person, draft)
    _, base = opened(person, draft)
    person.post(f"{draft}/edit", base=base, text="win_back:\n  nmae: x\n  purpose: lunch\n", do="save")
    page = person.text(f"{draft}/publish")
    assert "keep this draft from being published" in page
    assert "goes on running" in page
    assert person.post(f"{draft}/publish", own_sha256="").status_code == 409
    assert journey(stored).state == "live"
    assert stored.query(JourneyVersion).count() == 1
    stored.rollback()


def test_lines_changed_in_the_file_meanwhile_are_shown_and_not_overwritten(logged_in, stored, draft, path):
    person = logged_in()
    page = person.text(f"{draft}/publish")
    path.write_text(FILE.replace("did not click", "changed by hand"), encoding="utf-8")
    answer = person.post(f"{draft}/publish", **shown(page))
    assert answer.status_code == 409
    assert "changed by hand" in answer.text
    assert "Publish over it" in answer.text
    assert journey(stored).live_version_id is None
    assert "changed by hand" in path.read_text(encoding="utf-8")


@pytest.mark.databases("sqlite")
def test_nothing_is_published_that_the_page_did_not_show(logged_in, stored, draft, path):
    person = logged_in()
    page = person.text(f"{draft}/publish")
    _, base = opened(person, draft)
    theirs = journey(stored).draft_text.replace("\n", "\n  # a colleague added this\n", 1)
    stored.rollback()
    assert person.post(f"{draft}/edit", base=base, text=theirs, do="save").status_code == 200
    answer = person.post(f"{draft}/publish", **shown(page))
    assert answer.status_code == 409
    assert "were changed by somebody while this page was open" in answer.text
    assert "a colleague added this" in answer.text
    assert journey(stored).live_version_id is None
    stored.rollback()
    again = shown(answer.text)
    assert person.post(f"{draft}/publish", **again).status_code == 303
    assert person.post(f"{draft}/publish", **again).status_code == 303  # a double click
    assert stored.query(JourneyVersion).count() == 1
    stored.rollback()
    assert "which had this very text" not in person.text("/admin/journeys/")


@pytest.mark.databases("sqlite")
def test_a_change_elsewhere_in_the_file_is_kept_and_no_conflict(logged_in, stored, draft, path):
    person = logged_in()
    page = person.text(f"{draft}/publish")
    path.write_text(FILE.replace("# What we send", "# What we really send"), encoding="utf-8")
    assert person.post(f"{draft}/publish", **shown(page)).status_code == 303
    assert "# What we really send" in path.read_text(encoding="utf-8")
    assert journey(stored).state == "live"


def test_a_new_journey_begins_from_a_recipe_and_reaches_the_file_when_published(logged_in, stored, path):
    person = logged_in(language="he")
    answer = person.post("/admin/journeys/new", recipe="follow_up", name="מעקב", identity="follow_up")
    assert answer.status_code == 303
    assert answer.location.endswith("/follow_up/edit")
    assert "follow_up:" not in path.read_text(encoding="utf-8")
    assert journey(stored, "follow_up").state == "draft"
    answer = publish(person, "/admin/journeys/follow_up")
    assert answer.status_code == 303, re.sub("<[^>]+>", " ", answer.text)[:3000]
    assert path.read_text(encoding="utf-8").startswith(FILE.rstrip("\n"))
    assert "follow_up:" in path.read_text(encoding="utf-8")


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("name", "identity"), [("", "tea"), ("Tea", "Tea Time"), ("Tea", "win_back"), ("Tea", "../x"), ("Tea", "")]
)
def test_a_new_journey_without_a_proper_name_stays_on_the_form(logged_in, draft, name, identity):
    answer = logged_in().post("/admin/journeys/new", recipe="blank", name=name, identity=identity)
    assert answer.status_code == 422
    assert "error-summary" in answer.text
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.databases("sqlite")
def test_without_a_file_the_first_publication_writes_one(app, logged_in, stored, tmp_path):
    person = logged_in()
    person.post("/admin/journeys/new", recipe="blank", name="First", identity="first")
    app.config["PANEL"].journeys_file.unlink(missing_ok=True)
    assert publish(person, "/admin/journeys/first").status_code == 303
    written = app.config["PANEL"].journeys_file.read_text(encoding="utf-8")
    assert check_journey(journey_text(written, "first"), written).problems == []


@pytest.mark.databases("sqlite")
def test_the_editor_offers_what_may_stand_at_the_cursor(logged_in, draft):
    text = "win_back:\n  purpose: ma\n  steps:\n    - wa\n"
    person = logged_in(language="he")
    answer = send_json(person, f"{draft}/complete", text=text, line=4, column=9).json
    assert {"wait", "wait_for"} <= {one["label"] for one in answer["options"]}
    assert answer["options"][0]["from"] == 7
    answer = send_json(person, f"{draft}/complete", text=text, line=2, column=14).json
    assert [one["insert"] for one in answer["options"]] == ["marketing"]
    assert person.client.post(f"{draft}/complete", json={"text": text, "line": "x"}).status_code == 400


@pytest.mark.databases("postgresql")
def test_of_two_who_save_at_once_the_second_is_told(logged_in, draft, session):
    person = logged_in()
    base = session.get(Journey, "win_back", with_for_update=True).draft_sha256
    mine, theirs = (WIN_BACK.replace("1 week", f"{n} days") for n in (5, 9))
    operations.save_draft(session, "win_back", mine)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send_json, person, f"{draft}/draft", text=theirs, base=base)
        until_somebody_waits(session)
        session.commit()
        assert answer.result(20).status_code == 409
    assert "5 days" in session.get(Journey, "win_back", populate_existing=True).draft_text


@pytest.mark.databases("sqlite")
def test_an_endless_text_is_refused_in_words(logged_in, draft):
    answer = send_json(logged_in(), f"{draft}/draft", text="x" * 600_000, base="")
    assert answer.status_code == 422
    assert "half a million" in answer.json["error"]["message"]


def test_publishing_says_who_goes_on_and_who_stands_on_a_step_that_is_gone():
    live = verdict(GOOD).program
    assert live is not None
    wait, send = live["steps"]
    standing = [Standing(wait, 1, 180, 0), Standing(send, 1, 27, 2)]
    same = impact(live, carry_over(live, verdict(GOOD.replace("2 days", "3 days")).program), standing)
    assert (same.total, same.follow, same.removed) == (207, 207, 0)
    without = "\n".join(line for line in GOOD.splitlines() if "wait:" not in line) + "\n"
    found = impact(live, carry_over(live, verdict(without).program), standing)
    assert (found.follow, found.removed, found.removed_steps) == (27, 180, {(1, wait): 180})
    pinned = impact(live, verdict(GOOD.replace("purpose:", "when_edited: finish_old\n  purpose:")).program, standing)
    assert (pinned.pinned, pinned.follow) == (207, 0)
    assert impact(None, live, []).total == 0
