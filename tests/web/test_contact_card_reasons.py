"""Every reason the product can store has words in three languages, and a failure is never worded like a choice."""

from __future__ import annotations

import pytest

from panel.calendars import Reader
from panel.i18n import LANGUAGES, use_language
from panel.journeys import reasons as journeys
from panel.messages import reasons as messages
from panel.timeline.registry import CORE
from panel.web.timeline import words

# As the engine's design enumerates them; a code that is stored but not here would be shown bare.
ENTRY = [
    "entered",
    "not_live",
    "ended",
    "already_in",
    "never_again",
    "too_soon",
    "only_if_false",
    "excluded",
    "stop_already_happened",
    "entry_limit",
    "existing_skipped",
    "duplicate_event",
    "source_stale",
]
STEP = [
    "done",
    "passed_condition",
    "passed_disabled",
    "already_done",
    "waiting",
    "time_came",
    "event_came",
    "timeout",
    "branch",
    "variant",
    "held_out",
    "held_missing_field",
    "held_missing_template",
    "held_plugin",
    "held_error",
    "held_unknown",
    "moved_to_version",
]
MESSAGE = [
    "queued",
    "postponed_hours",
    "postponed_limit",
    "postponed_holiday",
    "skipped_too_late",
    "skipped_limit",
    "skipped_hours",
    "no_address",
    "no_consent",
    "opted_out",
    "suppressed_bounce",
    "suppressed_complaint",
    "excluded",
    "stopped",
    "cancelled_by_person",
    "sent",
    "delivered",
    "opened",
    "clicked",
    "replied",
    "failed_address",
    "failed_provider",
    "bounced_soft",
    "bounced_hard",
    "complained",
    "unknown",
    "settled_sent",
    "settled_not_sent",
]
END = [
    "finished",
    "goal",
    "stopped",
    "excluded",
    "stop_step",
    "stayed_too_long",
    "removed_by_person",
    "restarted",
    "journey_closed",
    "contact_erased",
    "contact_merged",
]


def test_every_code_of_the_design_has_a_sentence():
    assert set(ENTRY) <= journeys.ENTRY.keys()
    assert set(STEP) <= journeys.STEP.keys()
    assert set(END) <= journeys.END.keys()
    assert set(MESSAGE) <= messages.SENTENCES.keys()


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
@pytest.mark.parametrize(
    ("known", "say"),
    [
        (journeys.ENTRY, journeys.entry_words),
        (journeys.STEP, journeys.step_words),
        (journeys.END, journeys.end_words),
        (journeys.STATUS, journeys.status_words),
        (journeys.STATES, journeys.state_words),
        (messages.SENTENCES, messages.words),
        (words.HOW, words.how_words),
        (words.TRIGGERS, words.trigger_words),
    ],
)
def test_every_code_is_said_in_the_readers_language(known, say, language):
    for code, english in known.items():
        said = say(code, language)
        assert said, code
        assert said != english, code
        assert code not in said, code


def test_an_unknown_code_of_a_newer_version_is_still_named():
    assert "brand_new" in messages.words("brand_new", "he")
    assert "brand_new" in journeys.entry_words("brand_new", "fa")


def test_a_technical_failure_is_never_a_choice():
    technical = [code for code in messages.SENTENCES if messages.kind_of(code) == "technical"]
    assert {"failed_address", "failed_provider", "bounced_hard", "bounced_soft", "suppressed_bounce"} <= set(technical)
    assert messages.kind_of("opted_out") == messages.kind_of("complained") == "choice"
    for code in ("failed_address", "failed_provider", "bounced_hard", "bounced_soft"):
        assert "not an opt-out" in messages.words(code, "en")


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_every_kind_of_event_has_a_sentence_even_when_its_values_are_gone(language):
    with use_language(language):
        for kind in CORE:
            said = words.fill(language, kind.sentence, {})
            assert "%(" not in said, kind.name
            if language != "en":
                assert said != words.fill("en", kind.sentence, {}) or kind.sentence == "%(text)s", kind.name


def test_values_inside_a_sentence_are_escaped_and_isolated():
    said = words.fill("he", "Joined the list %(list)s", {"list": "<b>VIP</b>"})
    assert "<bdi>&lt;b&gt;VIP&lt;/b&gt;</bdi>" in said
    amount = words.value_words(None, "amount", True, {}, Reader("fa"))
    assert str(amount) == "بله"
