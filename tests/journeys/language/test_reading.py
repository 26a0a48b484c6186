"""Strict reading: every scalar stays text, nothing is constructed, nothing that is hostile costs time or memory."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panel.journeys.language import check
from panel.journeys.language.reading import MOST_LEVELS, Block, Fast, Python, Text, leaves, read

CORPORA = Path(os.environ.get("PANEL_CORPORA", Path(__file__).parents[4] / "shared" / "corpora"))
NEEDS_CORPORA = pytest.mark.skipif(not CORPORA.exists(), reason="the corpora folder is not part of a user's checkout")


def values(text: str) -> dict[str, str]:
    source, tree = read(text)
    assert not source.problems
    assert isinstance(tree, Block)
    return {entry.written: entry.value.value for entry in tree.entries.values() if isinstance(entry.value, Text)}


@pytest.mark.parametrize(
    ("written", "key", "value"),
    [
        ("on: x", "on", "x"),
        ("at: 22:00", "at", "22:00"),
        ("at: 09:30", "at", "09:30"),
        ("country: NO", "country", "NO"),
        ("name: ~", "name", "~"),
        ("name: null", "name", "null"),
        ("text: hello # x", "text", "hello"),
        ("phone: 0501234567", "phone", "0501234567"),
        ("sms: +972501234567", "sms", "+972501234567"),
        ("n: 1_000", "n", "1_000"),
        ("zip: 010", "zip", "010"),
        ("date: 2026-11-22", "date", "2026-11-22"),
        ("day: 08", "day", "08"),
        ("n: 0x1F", "n", "0x1F"),
        ("yes: 1", "yes", "1"),
        ("time: ۲۱:۰۰", "time", "۲۱:۰۰"),
        ("\u200fname: x", "name", "x"),
        ("\u202ename: x", "name", "x"),
        ("a: .nan", "a", ".nan"),
    ],
)
def test_what_yaml_would_guess_stays_as_it_is_written(written, key, value):
    assert values(written) == {key: value}


def test_days_that_look_like_booleans_stay_words():
    _source, tree = read("days: [mon, no, off]")
    assert tree is not None
    assert [leaf.value for leaf in leaves(tree)] == ["mon", "no", "off"]


@pytest.mark.parametrize(
    "key", ["start when", "Start-When", "start_when", "\u200fSTART  WHEN\u200f", "ｓｔａｒｔ when"]
)
def test_a_key_may_be_written_as_people_write_it(key):
    _source, tree = read(f"{key}: x")
    assert isinstance(tree, Block)
    assert list(tree.entries) == ["start_when"]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\nb:\n  a: 1\n  A: 2\n", "duplicate_key", 4),
        ("text: [[first name]] hi\n", "needs_quotes", 1),
        ("a: 1\nb:\n\tc: 1\n", "tab", 3),
        ("a: &x 1\n", "anchor", 1),
        ("a: 1\nb: *x\n", "anchor", 2),
        ("a: !!python/object/apply:os.system [id]\n", "tag", 1),
        ("a: 1\n---\nb: 2\n", "several_documents", 2),
        ("", "empty_file", 1),
        ("a: \x00", "odd_character", 1),
        ("a: \ud83d", "odd_character", 1),
        ("a: 1\nb: x\u2028y\n", "odd_character", 2),
    ],
)
def test_what_is_refused_is_refused_with_its_line(text, code, line):
    source, _tree = read(text)
    assert [(problem.code, problem.line) for problem in source.problems] == [(code, line)]


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"a: \xe9\xe9", "not_utf8"), (b"x" * 2_000_001, "too_big"), (b"\xff" * 5_000_000, "too_big")],
)
def test_bytes_that_are_no_text_are_refused(data, code):
    source, tree = read(data)
    assert tree is None
    assert source.problems[0].code == code


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_encoding_that_says_what_it_is_can_be_read(encoding):
    source, tree = read("name: שלום سلام".encode(encoding))
    assert not source.problems
    assert tree is not None
    assert [leaf.value for leaf in leaves(tree)] == ["שלום سلام"]


def test_lines_and_columns_count_as_editors_count_them():
    source, tree = read("\ufeffa: 1\r\nשם: x\r\n  \r\nb: 2\r\n")
    assert isinstance(tree, Block)
    assert source.position(tree.entries["b"].start) == (4, 1)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_early(opening):
    source, tree = read(opening * 5_000)
    assert tree is None
    assert source.problems[0].code in ("too_deep", "key_not_text")


def test_the_allowed_depth_is_allowed():
    assert not read("[" * (MOST_LEVELS - 1) + "]" * (MOST_LEVELS - 1))[0].problems


BIG = {
    "list": "a:\n" + "- [a]\n" * 300_000,
    "keys": "".join(f"k{i}: v\n" for i in range(100_000)),
    "same key": "a: x\n" * 400_000,
    "quoted": "a: '" + "x\n" * 900_000,
    "literal": "a: |\n" + " x\n" * 600_000,
    "escapes": '"' + "\\x41" * 400_000 + '"',
    "blank lines": "\n" * 1_900_000,
    "comments": "#\n" * 900_000,
    "colons": "a: b: " * 300_000,
    "flow": "[" + "a," * 900_000,
    "percent": " \n" * 900_000 + "%",
    "unknown keys": "language: 1\njourneys:\n" + "".join(f"  j{i}: {{nme: x}}\n" for i in range(25_000)),
}


@pytest.mark.parametrize("name", BIG)
def test_a_big_text_stays_within_64_megabytes(name):
    text = BIG[name]
    tracemalloc.start()
    try:
        check(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64_000_000


@given(st.text(alphabet=st.sampled_from(list("ab:-[]{}#&*!|>'\"%@`,? \n\t\r\\\u200f\u2028שס۳~=<")), max_size=60))
@settings(max_examples=400, deadline=None)
def test_no_text_raises(text):
    source, tree = read(text)
    assert tree is not None or source.problems
    check(text)


@given(st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise(data):
    check(data)


@NEEDS_CORPORA
def test_hostile_yaml_is_answered_in_words():
    hostile = json.loads((CORPORA / "generated" / "yaml_hostile.json").read_text(encoding="utf-8"))
    for text in hostile.values():
        tracemalloc.start()
        try:
            checked = check(text)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert checked.problems
        assert all(problem.words(language) for problem in checked.problems for language in ("en", "he", "fa"))
        assert all(problem.line >= 1 for problem in checked.problems)
        assert peak < 64_000_000


@NEEDS_CORPORA
def test_the_yaml_test_suite_raises_nothing():
    cases = sorted((CORPORA / "yaml" / "yaml-test-suite-data").glob("**/in.yaml"))
    assert len(cases) >= 402
    for case in cases:
        source, tree = read(case.read_bytes())
        assert tree is not None or source.problems, case


@NEEDS_CORPORA
def test_both_parsers_give_the_same_tree_wherever_both_read_it():
    compared = 0
    for case in (CORPORA / "yaml" / "yaml-test-suite-data").glob("**/in.yaml"):
        (fast, fast_tree), (slow, slow_tree) = read(case.read_bytes()), read(case.read_bytes(), parser=Python)
        if fast_tree is not None and slow_tree is not None and not fast.problems and not slow.problems:
            assert _said(fast_tree) == _said(slow_tree), case
            compared += 1
    assert compared > 120


def _said(tree):
    return [leaf.value for leaf in leaves(tree)]


def test_the_parsers_agree_to_the_last_place_on_what_people_write():
    for case in sorted((Path(__file__).parents[2] / "cases" / "journeys" / "errors").glob("*.yaml")):
        text = case.read_text(encoding="utf-8")
        (fast, fast_tree), (slow, slow_tree) = read(text, parser=Fast), read(text, parser=Python)
        assert fast_tree == slow_tree, case
        assert [(p.code, p.line) for p in fast.problems] == [(p.code, p.line) for p in slow.problems], case
