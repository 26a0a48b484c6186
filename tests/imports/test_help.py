"""Each thing that can be wrong with contacts and imports has its place in the help, in three languages."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from panel.imports.mappingfile import parse

PANEL = Path(__file__).parents[2] / "panel"
LANGUAGES = ("en", "he", "fa")
AREAS = (("imports", ("imports",)), ("contacts", ("contacts", "consent")))


def codes(folders):
    """Codes of the problems raised there: the first text given to UserError or Problem, or the last to `_bad`."""
    found = set()
    for path in (path for folder in folders for path in (PANEL / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"UserError", "Problem", "_bad"}:
                texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
                found |= set(texts[:1])
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("area", "folders"), AREAS)
def test_every_code_is_explained(area, folders, language):
    text = (PANEL / "help" / f"{area}.{language}.md").read_text(encoding="utf-8")
    assert codes(folders) - set(re.findall(r"\| `(\w+)` \|", text)) == set()


def test_the_mapping_file_of_the_help_can_be_read():
    text = (PANEL / "help" / "imports.en.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert parse(block).columns == {"Mobile": "phone", "Remarks": ""}
