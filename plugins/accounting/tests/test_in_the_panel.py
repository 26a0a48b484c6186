"""The plugin as the panel runs it: found, declared, called by the regular job, refused what it must not touch."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from panel.db import reading
from panel.issues.models import Issue
from panel.plugin_manager.manager import current
from panel.sync.jobs import run_sync
from panel.timeline.registry import types
from plugins.accounting.events import EVENT_TYPES
from plugins.accounting.tests.conftest import Office
from plugins.accounting.tests.test_story import CUSTOMERS

FOLDER = Path(__file__).parent.parent


def test_the_regular_job_reads_the_folder(office: Office) -> None:
    office.sync()
    office.save("customers.csv", CUSTOMERS)
    assert run_sync(current(), "accounting", force=True)
    assert len(office.contacts()) == 2


@pytest.mark.databases("sqlite")
def test_a_wrong_setting_pauses_the_plugin_and_tells_the_owner(office: Office) -> None:
    office.set(currency="shekel")
    assert run_sync(current(), "accounting", force=True)
    with reading() as session:
        [issue] = session.query(Issue).all()
        assert "A currency is three letters, such as ILS." in issue.params["detail"]


@pytest.mark.databases("sqlite")
def test_the_panel_knows_what_it_offers(office: Office) -> None:
    assert "accounting.balance_over" in current().conditions()
    assert "accounting.mark_for_collection" in current().actions()
    for one in EVENT_TYPES:
        assert types.get(one.name) == one
        slots = {name for name in _slots(one.sentence)}
        assert slots <= {field.name for field in one.fields}


def _slots(sentence: str) -> list[str]:
    return [part.split(")")[0] for part in sentence.split("%(")[1:]]


def test_it_imports_nothing_of_the_panel_but_what_is_promised() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.startswith(("panel", "plugins", "tests")):
                    allowed = ("panel.sdk", "panel.hookspecs", "plugins.accounting")
                    assert name.startswith(allowed), f"{path.name}: {name}"
