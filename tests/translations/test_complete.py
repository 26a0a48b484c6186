"""Every string of the product exists in Hebrew and Persian, with the same places for values."""

from __future__ import annotations

import re

import pytest
from babel.messages.pofile import read_po

from panel.i18n import catalogue_files
from tests.translations.extraction import ROOT, all_strings

PLACE = re.compile(r"%\((\w+)\)[sd]|%%")
LANGUAGES = ("he", "fa")


@pytest.fixture(scope="module")
def strings():
    return all_strings()


@pytest.fixture(scope="module")
def catalogues():
    """Per language: msgid -> (msgid_plural or None, translations, the file)."""
    found: dict[str, dict[str, tuple[str | None, tuple[str, ...], str]]] = {}
    for language in LANGUAGES:
        plugins = sorted((ROOT / "plugins").glob(f"*/translations/{language}.po"))
        entries = found.setdefault(language, {})
        # Other tests may have shown plugins of their own to this process; only the product's files are judged.
        ours = [path for path in catalogue_files(language) if path.is_relative_to(ROOT)]
        for path in dict.fromkeys([*ours, *plugins]):
            with path.open("rb") as stream:
                for message in read_po(stream, locale=language, abort_invalid=True):
                    if not message.id:
                        continue
                    one, many = (message.id[0], message.id[1]) if message.pluralizable else (message.id, None)
                    said = message.string if isinstance(message.string, tuple) else (message.string,)
                    if not message.fuzzy and all(said):
                        entries.setdefault(str(one), (many, said, str(path.relative_to(ROOT))))
    return found


def places(text: str) -> set[str]:
    return {found for found in PLACE.findall(text) if found}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_string_is_missing(strings, catalogues, language):
    missing = {f"{found.where}: {found.message!r}" for found in strings if found.message not in catalogues[language]}
    assert sorted(missing) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_string_is_translated_in_one_way(language):
    said: dict[str, set[str]] = {}
    for path in catalogue_files(language):
        if path.is_relative_to(ROOT / "panel"):  # the panel's areas are one catalogue; a plugin's joins it behind them
            with path.open("rb") as stream:
                for message in filter(lambda one: one.id, read_po(stream, locale=language)):
                    said.setdefault(str(message.id), set()).add(str(message.string))
    assert {words: ways for words, ways in said.items() if len(ways) > 1} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_places_of_its_original(strings, catalogues, language):
    wrong = []
    for found in strings:
        if found.message not in catalogues[language]:
            continue
        _, said, path = catalogues[language][found.message]
        if found.plural is None:
            if places(said[0]) != places(found.message):
                wrong.append(f"{path}: {found.message!r}")
        # "one line" may do without its number; the form for many may not.
        elif places(said[-1]) != places(found.plural) or not places(said[0]) <= places(found.plural):
            wrong.append(f"{path}: {found.plural!r}")
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_counted_string_is_counted_in_the_translation_too(strings, catalogues, language):
    wrong = [
        f"{found.where}: {found.message!r}"
        for found in strings
        if found.plural and found.message in catalogues[language] and catalogues[language][found.message][0] is None
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_is_written_in_its_own_letters(catalogues, language):
    letters = {"he": r"[\u0590-\u05ff]", "fa": r"[\u0600-\u06ff]"}[language]
    wrong = []
    for message, (_, said, path) in catalogues[language].items():
        is_words = len(re.sub(r"[^A-Za-z]", "", PLACE.sub("", message))) > 12
        for text in said:
            # Arabic yeh and kaf look right and are found by no search.
            if (is_words and not re.search(letters, text)) or "ي" in text or "ك" in text:
                wrong.append(f"{path}: {text!r}")
    assert wrong == []
