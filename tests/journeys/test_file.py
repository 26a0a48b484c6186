"""Rewriting one journey in journeys.yaml leaves every other byte as it was."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panel.errors import UserError
from panel.journeys.file import journey_text, journey_texts, read_file, self_contained, splice, write_journey
from panel.journeys.language import check

NEW = """{id}:
  name: "החדש" # [[שם פרטי]]
  steps:
    - note: |
        two
          lines
    - stop: سلام
"""

FILE = """# what we send\r
language: 1\r
\r
journeys:\r
\r
  # the first ----\r
  welcome:   # for newcomers\r
    name: Welcome\r
    steps:\r
      - send: hello   # friendly\r
# at the margin\r
      - stop: "a
        b"   # the end\r
\r
  # the second ----\r
  win_back:\r
    name: We miss you\r
    steps: [{send: miss}]\r
# last words\r
"""

comments = st.sampled_from(["", "# note", "    # שלום", "  # یادداشت", "\t", "   "])
names = st.sampled_from(["Welcome", '"a: b"', "'it''s'", "[[x]]", "ברוכים הבאים", "سلام \u200f!", "yes", "0501234567"])
journeys = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "win_back", "welcome"]),
        st.lists(comments, max_size=3),
        names.filter(lambda n: not n.startswith("[[")),
        st.integers(0, 3),
        st.sampled_from(["", "  # why", " "]),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda j: j[0],
)


@st.composite
def files(draw):
    """A file as people write them: comments anywhere, odd spacing, any line ends, perhaps a byte order mark."""
    indent = draw(st.sampled_from(["  ", "    ", " "]))
    lines = [*draw(st.lists(comments, max_size=2)), "language: 1", "journeys:  # all of them"]
    ids = []
    for identity, above, name, steps, tail in draw(journeys):
        ids.append(identity)
        lines += [line for line in above if "\t" not in line]
        lines += [f"{indent}{identity}:{tail}", f"{indent}  name: {name}{tail}", f"{indent}  steps:"]
        for number in range(steps + 1):
            lines.append(f"{indent}  - note: text {number}{tail}")
            lines += [line for line in draw(st.lists(comments, max_size=1)) if "\t" not in line]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = draw(st.sampled_from(["", "\ufeff"])) + end.join(line for line in lines if line != "\t")
    return text + draw(st.sampled_from(["", end, end * 3])), draw(st.sampled_from(ids))


@given(files())
@settings(max_examples=100, deadline=None)
def test_every_byte_outside_the_one_journey_stays(case):
    text, journey_id = case
    before = journey_texts(text)
    changed = splice(text, journey_id, NEW.format(id=journey_id))
    after = journey_texts(changed)
    assert after.pop(journey_id) == NEW.format(id=journey_id)
    old = before.pop(journey_id)
    assert after == before
    # What stands before and behind the journey is the same text, comments and line ends and all.
    key = journey_id + ":"
    start = next(i for i in range(len(text)) if text[i:].startswith(key) and text[:i].endswith((" ", "\ufeff", "\n")))
    assert changed[:start] == text[:start]
    last_line = old.rstrip("\n").split("\n")[-1]
    behind = text.split(last_line)[-1] if text.count(last_line) == 1 else ""
    assert changed.endswith(behind)


@given(files())
@settings(max_examples=60, deadline=None)
def test_putting_back_the_same_text_changes_nothing_that_is_read(case):
    text, journey_id = case
    again = splice(text, journey_id, journey_texts(text)[journey_id])
    assert journey_texts(again) == journey_texts(text)
    assert len(again.splitlines()) == len(text.splitlines())


def test_comments_line_ends_and_other_journeys_stay():
    changed = splice(FILE, "welcome", "welcome:\n  name: Hi\n  steps: [{send: hi}]\n")
    before, behind = FILE.split("  welcome:")[0], FILE.split("# the end\r\n")[1]
    assert changed == before + "  welcome:\r\n    name: Hi\r\n    steps: [{send: hi}]\r\n" + behind


def test_a_new_journey_goes_to_the_end_of_the_journeys():
    changed = splice(FILE, "birthday", "birthday:\n  name: Birthday\n")
    assert list(journey_texts(changed)) == ["welcome", "win_back", "birthday"]
    assert changed.startswith(FILE.split("# last words")[0].rstrip())
    assert changed.endswith("# last words\r\n")


@pytest.mark.parametrize("empty", ["", "\n", "\ufeff"])
def test_an_empty_file_becomes_a_journeys_file(empty):
    changed = splice(empty, "welcome", "welcome:\n  name: Hi\n")
    assert journey_text(changed, "welcome") == "welcome:\n  name: Hi\n"


@pytest.mark.parametrize("head", ["language: 1\n", "language: 1\njourneys:\n", "language: 1\njourneys:   # none yet\n"])
def test_a_file_without_journeys_gets_its_first(head):
    assert journey_texts(splice(head, "welcome", "welcome:\n  name: Hi\n")) == {"welcome": "welcome:\n  name: Hi\n"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("welcome:\n  name: [1\n", "journey_text_unreadable"),
        ("win_back:\n  name: x\n", "another_journey"),
        ("welcome:\n  name: x\nlanguage: 2\n", "another_journey"),
        ("just words", "journey_text_unreadable"),
        ("", "journey_text_unreadable"),
    ],
)
def test_what_would_break_the_file_is_refused(text, code):
    with pytest.raises(UserError) as refused:
        splice(FILE, "welcome", text)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("file_text", "code"),
    [
        ("language: 1\njourneys: {welcome: {name: x}}\n", "journeys_in_braces"),
        ("language: [1\n", "journeys_file_unreadable"),
    ],
)
def test_a_file_that_cannot_be_spliced_is_refused(file_text, code):
    with pytest.raises(UserError) as refused:
        splice(file_text, "welcome", "welcome:\n  name: y\n")
    assert refused.value.code == code


def test_a_file_that_somebody_else_changed_is_not_overwritten(tmp_path):
    path = tmp_path / "journeys.yaml"
    path.write_text(FILE, encoding="utf-8", newline="")
    opened = read_file(path).sha256
    path.write_text(FILE + "# changed\n", encoding="utf-8", newline="")
    with pytest.raises(UserError) as refused:
        write_journey(path, "welcome", "welcome:\n  name: Hi\n", expected_sha256=opened)
    assert refused.value.code == "journeys_file_changed"
    assert path.read_bytes().endswith(b"# changed\n")


def test_writing_returns_the_new_state_and_leaves_no_other_file(tmp_path):
    path = tmp_path / "journeys.yaml"
    sha256 = write_journey(path, "welcome", "welcome:\n  name: Hi\n", expected_sha256="")
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest() == read_file(path).sha256
    assert [p.name for p in tmp_path.iterdir()] == ["journeys.yaml"]


def test_a_journey_keeps_the_defaults_and_the_blueprint_that_it_depends_on():
    file_text = """language: 1
defaults:   # for all
  send_hours: {from: 09:00, to: 17:00}
blueprints:
  other: {name: Other, journey: {name: x}}
  reminder:
    name: Reminder
    inputs: {what: {name: What?}}
    journey:
      name: Reminder
      purpose: service
      start_when: [{event: order_paid}]
      review_after: 6 months
      steps: [{send: "${what}"}]
journeys:
  mine:
    use: reminder
    inputs: {what: hello}
"""
    kept = self_contained("mine", journey_text(file_text, "mine") or "", file_text)
    assert "other" not in kept
    alone, within = check(kept), check(file_text)
    assert not alone.problems
    program = alone.journeys["mine"].program
    expected = within.journeys["mine"].program
    assert program is not None
    assert expected is not None
    assert program["settings"] == expected["settings"]
    assert program["steps"]["send_hello"]["message"] == "hello"
