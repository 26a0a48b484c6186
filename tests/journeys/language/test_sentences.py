"""A journey in words, in three languages: compared whole, so that a person reads what changed."""

from __future__ import annotations

import re

import pytest

from panel.i18n import LANGUAGES, set_latin_digits
from panel.journeys.language import check, check_journey, describe, step_words
from panel.journeys.language.clauses import condition, trigger
from panel.journeys.language.phrases import days, hours, length, limit
from panel.journeys.language.scalars import length as read_length
from panel.journeys.language.scalars import limit as read_limit
from tests.journeys.language.texts import ALL_VERBS

MARKS = re.compile("[\u2066-\u2069]")


@pytest.fixture(scope="module")
def program():
    return check(ALL_VERBS).journeys["everything"].program


def bare(text: str) -> str:
    return MARKS.sub("", text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_has_words_in_every_language(program, language):
    said = describe(program, language)
    assert said["summary"]
    assert {line["id"] for line in said["lines"]} >= set(program["steps"])
    assert "%(" not in said["text"]
    if language != "en":
        # Only names and what people wrote may be in Latin letters.
        words = re.sub("\u2068[^\u2069]*\u2069", "", said["text"])
        assert set(re.findall(r"[A-Za-z]+", words)) <= {"SMS", "WhatsApp", "id"}


def test_the_steps_stand_under_their_branches(program):
    lines = [(line["depth"], bare(line["words"])) for line in describe(program, "en")["lines"]]
    at = lines.index((0, "If the message “hello” was clicked:"))
    assert lines[at : at + 5] == [
        (0, "If the message “hello” was clicked:"),
        (1, "Add to the list “Newsletter”"),
        (1, "Take off the list “Newsletter”"),
        (0, "Otherwise:"),
        (1, "Leave the journey: “no answer”"),
    ]
    assert (0, "Choose the first that is true:") in lines
    assert (1, "Variant “A”, 45% of the contacts:") in lines


def test_a_name_of_the_other_direction_keeps_its_place_in_an_english_sentence():
    program = check(ALL_VERBS.replace("name: A,", 'name: "31 ימים",').replace("name: A\n", 'name: "31 ימים"\n'))
    said = describe(program.journeys["everything"].program, "en")["text"]
    assert "Variant “\u206831 ימים\u2069”, 45% of the contacts:" in said  # else “31 45% ,”ימים is what one sees
    assert "the list “Newsletter”" in said


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            "Send “שלום [[שם פרטי|לך]]” by SMS or email, whichever can be used first, only from 10:00 to 12:00",
        ),
        ("he", "לשלוח ״שלום [[שם פרטי|לך]]״ באמצעות SMS או דוא״ל, הראשון שאפשר, רק מ־10:00 עד 12:00"),
        (
            "fa",
            "فرستادن «שלום [[שם פרטי|לך]]» با پیامک یا ایمیل، هر کدام که زودتر ممکن باشد، تنها از ۱۰:۰۰ تا ۱۲:۰۰",
        ),
    ],
)
def test_a_send_is_a_sentence(program, language, words):
    step = next(step for step in program["steps"].values() if step["verb"] == "send" and step["text"])
    assert bare(step_words({**step, "only_if": None}, language)) == words


@pytest.mark.parametrize(
    ("written", "en", "he", "fa"),
    [
        ("1 day", "1 day", "יום אחד", "۱ روز"),
        ("2 days", "2 days", "יומיים", "۲ روز"),
        ("2 weeks", "2 weeks", "שבועיים", "۲ هفته"),
        ("30 days", "30 days", "30 ימים", "۳۰ روز"),
        ("90 minutes", "1 hour and 30 minutes", "שעה אחת ו30 דקות", "۱ ساعت و ۳۰ دقیقه"),
        ("1 year and 1 day", "1 year and 1 day", "שנה אחת ויום אחד", "۱ سال و ۱ روز"),
        ("0 days", "0 minutes", "0 דקות", "۰ دقیقه"),
    ],
)
def test_lengths_of_time(written, en, he, fa):
    assert [length(read_length(written), language) for language in ("en", "he", "fa")] == [en, he, fa]


@pytest.mark.parametrize(
    ("values", "en", "he", "fa"),
    [
        ([0, 1, 2, 3, 6], "Sunday to Thursday", "מיום ראשון עד יום חמישי", "یکشنبه تا پنجشنبه"),
        (list(range(7)), "every day", "בכל יום", "هر روز"),
        ([4], "Friday", "יום שישי", "جمعه"),
        ([5, 6, 0, 1, 2, 3], "Saturday to Thursday", "מיום שבת עד יום חמישי", "شنبه تا پنجشنبه"),
    ],
)
def test_days_of_the_week(values, en, he, fa):
    for language, expected in (("en", en), ("he", he), ("fa", fa)):
        if expected is not None:
            assert days(values, language) == expected


def test_limits_and_hours():
    assert [limit(read_limit("3 per week"), language) for language in ("en", "he", "fa")] == [
        "3 per week",
        "3 בשבוע",
        "۳ در هفته",
    ]
    evening = {"days": [4], "from": "18:00", "to": "24:00"}
    assert hours(evening, "en") == "Friday, from 18:00 to midnight"


@pytest.mark.parametrize(
    ("cond", "en"),
    [
        ({"test": "not", "of": {"test": "has_tag", "tag": "x"}}, "the contact does not have the tag “x”"),
        (
            {
                "test": "not",
                "of": {
                    "test": "any",
                    "of": [{"test": "has_tag", "tag": "x"}, {"test": "not", "of": {"test": "in_list", "list": "y"}}],
                },
            },
            "the contact does not have the tag “x” and the contact is in the list “y”",
        ),
        ({"test": "field", "field": "age", "op": "is_set", "value": False}, "age is empty"),
        ({"test": "field", "field": "city", "op": "in", "value": ["a", "b"]}, "city is “a” or “b”"),
    ],
)
def test_conditions_are_clauses_and_opposites_are_said_plainly(cond, en):
    assert condition(cond, "en") == en


def test_a_mixture_of_and_and_or_is_in_brackets():
    tags = [{"test": "has_tag", "tag": tag} for tag in "abc"]
    mixed = {"test": "any", "of": [tags[0], {"test": "all", "of": tags[1:]}]}
    words = "the contact has the tag"
    assert condition(mixed, "en") == f"{words} “a” or ({words} “b” and {words} “c”)"
    none = f"{words.replace('has', 'does not have')}"
    assert condition({"test": "not", "of": mixed}, "en") == f"{none} “a” and ({none} “b” or {none} “c”)"


def test_branches_inside_branches_are_indented_further():
    text = """test:
  name: x
  purpose: service
  start_when: [{every: week, on: sun, at: 10:00, audience: {has_tag: x}}]
  review_after: 1 year
  steps:
    - if: {has_tag: a}
      then:
        - if: {has_tag: b}
          then: [{choose: [{when: {has_tag: c}, do: [{tag: d}]}]}]
          else: [{note: no b}]
    - tag: end
"""
    said = describe(check_journey(text, None).journeys["test"].program, "en")
    assert [(line["depth"], line["words"]) for line in said["lines"]] == [
        (0, "If the contact has the tag “a”:"),
        (1, "If the contact has the tag “b”:"),
        (2, "Choose the first that is true:"),
        (3, "If the contact has the tag “c”:"),
        (4, "Add the tag “d”"),
        (1, "Otherwise:"),
        (2, "Note on the timeline: “no b”"),
        (0, "Add the tag “end”"),
    ]
    assert said["about"][0] == (
        "A contact enters when the time comes (every week on Sunday at 10:00) and the contact has the tag “x”."
    )


def test_names_may_be_given_by_the_panel():
    def labels(kind, name, language):
        return {"order_paid": "„an order was paid“"}.get(name, name)

    assert trigger({"on": "event", "event": "order_paid", "where": []}, "en", labels) == "„an order was paid“ happens"


@pytest.mark.parametrize(("latin", "shown"), [(False, ("۰۹:۰۰", "۱۷", "۱۴")), (True, ("09:00", "17", "14"))])
def test_a_reader_who_chose_latin_digits_finds_them_in_sentences_too(latin, shown):
    set_latin_digits(latin)
    try:
        said = (
            hours({"days": [5], "from": "09:00", "to": "17:30"}, "fa"),
            length(read_length("17 days"), "fa"),
            limit(read_limit("14 per day"), "fa"),
        )
    finally:
        set_latin_digits(False)
    assert all(digits in words for digits, words in zip(shown, said, strict=True))
