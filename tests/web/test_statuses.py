"""What became of a message: every state with every reason has one look, and the six that matter share nothing."""

from __future__ import annotations

from itertools import combinations, product
from types import SimpleNamespace

import pytest

from panel.i18n import LANGUAGES, translate
from panel.messages import reasons
from panel.web.timeline import statuses
from panel.web.timeline.statuses import REMEDIES, STATUSES, UNLIKE, remedy_of, sentence_of, status_of

STATES = ("queued", "claimed", "on_wire", "held", "sent", "delivered", "failed", "bounced", "skipped", "cancelled",
          "unknown")  # fmt: skip
CODES = (None, *reasons.SENTENCES, "a_code_of_a_newer_version")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_six_that_must_not_be_mistaken_share_neither_icon_nor_word_nor_colour(language):
    for one, other in combinations((STATUSES[code] for code in UNLIKE), 2):
        assert one.icon != other.icon, (one.code, other.code)
        assert one.tone != other.tone, (one.code, other.code)
        assert translate(language, one.word) != translate(language, other.word), (one.code, other.code)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_statuses_share_a_word_or_an_icon(language):
    for one, other in combinations(STATUSES.values(), 2):
        assert one.icon != other.icon, (one.code, other.code)
        assert translate(language, one.word) != translate(language, other.word), (one.code, other.code)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_with_every_reason_says_why_and_what_to_do(language):
    for state, code in product(STATES, CODES):
        status = status_of(state, code)
        remedy = remedy_of(status, code)
        said = (
            translate(language, status.word),
            sentence_of(status, code, language),
            translate(language, remedy.words),
        )
        assert all(said), (state, code)
        if language != "en":
            assert translate(language, remedy.words) != remedy.words, remedy.words
            assert translate(language, status.sentence) != status.sentence, status.sentence


def test_the_reason_decides_and_a_failure_never_becomes_a_choice():
    for state in ("skipped", "failed", "bounced", "cancelled"):
        for code in reasons.SENTENCES:
            status, kind = status_of(state, code), reasons.kind_of(code)
            if kind == "technical":
                assert status.tone == "red", (state, code)
            if kind == "choice":
                assert status.tone in ("choice", "complaint"), (state, code)
    expected = {
        ("skipped", "opted_out"): "opted_out",
        ("skipped", "no_consent"): "no_consent",
        ("skipped", "suppressed_complaint"): "complained",
        ("skipped", "no_address"): "no_address",
        ("skipped", "skipped_limit"): "skipped",
        ("skipped", "excluded"): "skipped",
        ("cancelled", "stopped"): "cancelled",
        ("bounced", "bounced_soft"): "bounced_soft",
        ("bounced", None): "bounced_hard",
        ("failed", "failed_provider"): "failed",
        ("held", "held_missing_field"): "held",
        ("held", "paused_by_person"): "paused",
        ("queued", "postponed_hours"): "postponed",
        ("queued", None): "queued",
        ("unknown", "unknown"): "unknown",
        ("on_wire", None): "sending",
    }
    assert {pair: status_of(*pair).code for pair in expected} == expected


def test_where_something_can_be_done_the_way_is_known():
    known = {"", "contact", "blocks", "held", "doubt", "plugins", "templates", "run", "journey"}
    assert {one.target for one in REMEDIES.values()} | {one.remedy.target for one in STATUSES.values()} <= known
    for code in ("failed", "held", "unknown", "no_address", "bounced_hard"):
        assert STATUSES[code].remedy.target, code
    assert set(statuses.legend()) == set(STATUSES)
    assert list(statuses.legend())[: len(UNLIKE)] == list(UNLIKE)


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_of_help_shows_them_all_from_the_same_table(logged_in, language):
    text = logged_in("viewer", language=language).text("/admin/help/statuses")
    for status in STATUSES.values():
        assert f"state-{status.tone}" in text
        assert translate(language, status.word) in text
        assert translate(language, status.remedy.words).replace("'", "&#39;") in text


@pytest.mark.databases("sqlite")
def test_the_list_of_messages_calls_them_by_the_same_words(app):
    from panel.web.admin import labels

    row = SimpleNamespace(status="skipped", reason="opted_out")
    with app.test_request_context():
        assert "Opted out" in labels.message_state(row.status, row.reason)
        assert "chip-doubt" in labels.message_state("unknown", "unknown")
