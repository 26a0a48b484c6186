"""The setup step of `make run`: one clear line for whatever is missing, and a half-made environment mended."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path("panel") / "cli" / "_setup.py"


@pytest.fixture
def checkout(tmp_path):
    """As much of a fresh checkout as the setup step looks at."""
    (tmp_path / SCRIPT).parent.mkdir(parents=True)
    for name in (SCRIPT, "pyproject.toml", "README.md", "LICENSE", "hatch_build.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


@pytest.fixture
def setup(checkout):
    spec = importlib.util.spec_from_file_location("nava_setup", checkout / SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1"}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        [sys.executable, "-I", str(checkout / SCRIPT), "run"],
        env={**clean, **nowhere, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=checkout,
    )


def test_an_index_that_cannot_be_reached_is_one_line(checkout):
    done = run(checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("nava: the package index cannot be reached")
    assert len(done.stderr.splitlines()) == 1
    assert (checkout / ".venv" / "setup.log").stat().st_size > 0


def test_an_environment_that_does_not_work_is_made_anew(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/no/such/python")
    assert "making it anew" in run(checkout).stdout
    assert (checkout / ".venv" / "bin" / "pip").exists()


def test_a_folder_that_cannot_be_written_is_one_line(checkout):
    (checkout / ".venv").write_text("in the way")
    done = run(checkout)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_python_that_is_too_old_is_told_which_one_is_needed(setup, monkeypatch):
    monkeypatch.setattr(setup, "OLDEST", (9, 9))
    with pytest.raises(setup.SetupError, match=r"Python 9\.9 or newer is needed"):
        setup.main("run")


def test_a_python_without_venv_is_told_what_to_install(setup, monkeypatch):
    monkeypatch.setattr(setup, "works", lambda *command: False)
    with pytest.raises(setup.SetupError, match="apt-get install python3"):
        setup.make_environment()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            b"ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE",
            "differs from what requirements/",
        ),
        (b"OSError: [Errno 28] No space left on device", "the disk is full"),
        (b"noise\nERROR: No matching distribution found for x==1", "not offered for this machine"),
        (b"noise\nERROR: something new\nmore noise", "ERROR: something new"),
        (b"", "without a word"),
    ],
)
def test_many_lines_of_the_installer_become_one(setup, output, words):
    assert words in setup.why(output)


@pytest.fixture
def made(setup, monkeypatch):
    """An environment as a finished setup leaves it, with one package of two files."""
    packages = Path(setup.site_packages())
    (packages / "nice-1.0.dist-info").mkdir(parents=True)
    (packages / "nice-1.0.dist-info" / "RECORD").write_text("nice.py,sha256=x,1\nnice-1.0.dist-info/RECORD,,\n")
    (packages / "nice.py").write_text("")
    (Path(setup.VENV) / "bin").mkdir()
    Path(setup.PYTHON).write_text("")
    stamp = {"fingerprint": setup.fingerprint(setup.PANEL_LOCK), "packages": ["nice-1.0.dist-info"]}
    Path(setup.STAMP).write_text(json.dumps(stamp))
    assert setup.is_sound(setup.PANEL_LOCK)
    return packages


def test_a_finished_environment_is_left_alone(setup, made):
    assert setup.is_sound(setup.PANEL_LOCK)


def test_a_lost_file_means_a_new_environment(setup, made):
    (made / "nice.py").unlink()
    assert not setup.is_sound(setup.PANEL_LOCK)
    assert not Path(setup.VENV).exists()


def test_a_lost_package_means_a_new_environment(setup, made):
    shutil.rmtree(made / "nice-1.0.dist-info")
    assert not setup.is_sound(setup.PANEL_LOCK)


def test_a_new_lock_means_another_installation(setup, made):
    with open(setup.PANEL_LOCK, "a") as lock:
        lock.write("# changed\n")
    assert not setup.is_sound(setup.PANEL_LOCK)
    assert Path(setup.VENV).exists(), "what fits can stay"


def test_an_interrupted_installation_is_not_sound(setup, made):
    Path(setup.STAMP).unlink()
    assert not setup.is_sound(setup.PANEL_LOCK)
