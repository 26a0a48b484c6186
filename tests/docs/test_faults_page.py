"""docs/faults.md names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
FILES = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "plugins").glob("*/tests/test_*.py")]
KNOWN = {name for path in FILES for name in re.findall(r"(?m)^\s*def (test_\w+)", path.read_text(encoding="utf-8"))}
ROWS = re.findall(r"(?m)^\| ([RWE]\d\d[^|]*)\|[^|]*\|([^|]*)\|([^|]*)\|$", PAGE)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_every_test_named_there_exists(name: str) -> None:
    assert name in KNOWN


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip() for row in ROWS])
def test_a_fault_has_a_test_or_a_reason_why_not(row: tuple[str, str, str]) -> None:
    assert "`test_" in row[1] or row[2].strip()


def test_every_fault_that_concerns_the_engine_has_its_row() -> None:
    named = set(re.findall(r"[RWE]\d\d", " ".join(row[0] for row in ROWS)))
    wanted = {f"R{number:02}" for number in (1, *range(7, 31))}
    wanted |= {f"W{number:02}" for number in (1, 2, 3, 4, 5, 6, 7, 10, 11, 12)}
    wanted |= {f"E{number:02}" for number in range(1, 5)}
    assert wanted <= named
