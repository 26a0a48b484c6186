"""The documents say what is so."""

import re
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from panel.cli import commands, main
from panel.journeys.language import check

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "plugins").glob("*/README.md"))]
TARGETS = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
SOURCE_FILES = [*(ROOT / "panel").rglob("*.py"), ROOT / "hatch_build.py", *(ROOT / "tests/fixtures").glob("*.py")]
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE_FILES)


def pages():
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


def code(page: Path) -> str:
    """What the page shows as code: fenced blocks and `spans`."""
    text = page.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```.*?```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text))


@pytest.mark.parametrize("page", pages())
def test_every_make_target_named_there_exists(page):
    assert set(re.findall(r"\bmake ([a-z]+)", code(page))) <= TARGETS


@pytest.mark.parametrize("page", pages())
def test_every_panel_command_named_there_exists(page):
    named = set(re.findall(r"(?:^|[\n`])(?:\$ )?panel ([a-z][a-z-]+)", code(page)))
    assert {name for name in named if name.replace("-", "_") not in commands()} == set()


@pytest.mark.parametrize("page", pages())
def test_every_variable_named_there_is_read_somewhere(page):
    for name in set(re.findall(r"\bPANEL_[A-Z_]+\b", page.read_text(encoding="utf-8"))):
        assert (
            name in SOURCES + (ROOT / "hatch_build.py").read_text() + (ROOT / "tests/fixtures/browser.py").read_text()
        )


@pytest.mark.parametrize("page", pages())
def test_every_file_linked_there_exists(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_can_be_asked_for_help(name):
    answer = CliRunner().invoke(main, [name, "--help"])
    assert answer.exit_code == 0, answer.output
    assert commands()[name], f"panel/cli/{name}.py needs a docstring: its first line is the help"


def test_every_make_target_has_its_line_of_help():
    text = (ROOT / "Makefile").read_text()
    assert set(re.findall(r"(?m)^([a-z]+):.*?## ", text)) == TARGETS


@pytest.mark.parametrize("page", pages())
def test_every_journey_shown_there_is_one(page):
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        text = textwrap.dedent(block).lstrip()
        if text.startswith("journeys:"):
            text = "language: 1\n" + text  # a part of a file; the rest goes without saying
        if text.startswith("language:"):
            # A plugin's page may use the plugin's own blueprints, which the language alone does not know.
            problems = [each.words("en") for each in check(text).problems if each.code != "unknown_blueprint"]
            assert problems == []


def test_a_block_inside_a_list_is_seen_too():
    assert re.search(r"```yaml\n.*?journeys:", (ROOT / "README.md").read_text(), re.DOTALL)
