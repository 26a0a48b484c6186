"""The help says what the grammar says, in three languages, and its examples load."""

import re
from pathlib import Path

import pytest

from panel.i18n import LANGUAGES
from panel.journeys.language import check
from panel.journeys.language.grammar import FORMS
from panel.journeys.language.help import FOLDER, pages, problems_page, reference_page
from panel.journeys.language.kinds import KINDS


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_made_pages_are_the_present_ones(name):
    made = "run: python -m panel.journeys.language.help"
    assert (FOLDER / name).read_text(encoding="utf-8") == pages()[name], made


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_and_every_key_has_its_place(language):
    anchors = re.findall(r"(?m)^### (\w+)$", problems_page(language))
    assert sorted(anchors) == sorted(KINDS)
    page = reference_page(language)
    for name, shape in FORMS.items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert {key for key in shape.keys if f"`{key}`" not in section} == set()


@pytest.mark.parametrize("page", sorted(FOLDER.glob("journeys*.md")), ids=lambda path: path.name)
def test_every_yaml_block_of_the_help_loads(page: Path):
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        checked = check(block)
        assert [problem.words() for problem in checked.everything] == []


@pytest.mark.parametrize("page", sorted(FOLDER.glob("journeys*.md")), ids=lambda path: path.name)
def test_every_link_of_the_help_leads_to_a_page(page: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (FOLDER / target).exists()
