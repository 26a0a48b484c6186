"""Help: every topic in every language, each code an anchor, for everybody who works here."""

from __future__ import annotations

import pytest

from panel.web.admin.help import FOLDER, names, read

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize("language", ["en", "he", "fa"])
def test_every_topic_is_there_in_the_readers_language(language: str) -> None:
    for name in names():
        assert (FOLDER / f"{name}.{language}.md").exists(), f"{name} has no {language} page"
        topic = read(name, language)
        assert topic.title != name
        assert "<" in topic.html


def test_the_codes_of_problems_are_anchors() -> None:
    assert 'id="duplicate_key"' in read("journeys-problems", "he").html


def test_a_viewer_reads_help_and_an_unknown_topic_is_said_plainly(logged_in) -> None:
    person = logged_in("viewer", language="fa")
    assert 'dir="rtl"' in person.text("/admin/help/")
    assert read("journeys", "fa").title in person.text("/admin/help/journeys")
    person.text("/admin/help/nothing", status=404)
