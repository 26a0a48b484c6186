"""Make or mend the environment: `python3 -I panel/cli/_setup.py run|test|force|python`.

Runs under the machine's own Python, before anything is installed, so it uses the standard library only, and its syntax
is one that a Python too old to run the panel can still read: it has to say so. Every failure is one clear line; the
installer's own words are in .venv/setup.log.
"""

# ruff: noqa: UP031 - an old Python must be able to read this far

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "nava-setup.json")
LOG = os.path.join(VENV, "setup.log")
PANEL_LOCK = os.path.join(ROOT, "requirements", "panel.lock")
TEST_LOCK = os.path.join(ROOT, "requirements", "test.lock")
NODE_LOCK = os.path.join(ROOT, "requirements", "node.lock")


class SetupError(Exception):
    """What is wrong and what to do, in one line."""


def main(goal):
    if sys.version_info < OLDEST:
        raise SetupError(
            "Python %d.%d or newer is needed; this is %s. Install it, or name it: make run PYTHON=/path/to/python3.11"
            % (OLDEST[0], OLDEST[1], sys.version.split()[0])
        )
    # Two makes at once must not build the same environment.
    with open(os.path.join(ROOT, "pyproject.toml")) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        lock = TEST_LOCK if goal == "test" or was_for_tests() else PANEL_LOCK
        if goal == "force" or not is_sound(lock):
            install(lock)
        build_assets()
        if goal == "test":
            find_chromium()


def was_for_tests():
    """An environment that once got the test tools keeps them, or `make run` and `make test` would undo each other."""
    return bool(read_stamp().get("test"))


def read_stamp():
    try:
        with open(STAMP) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def fingerprint(lock):
    """Changes when the environment must be made anew: another lock, another place, another Python."""
    digest = hashlib.sha256()
    with open(lock, "rb") as stream:
        digest.update(stream.read())
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as stream:
        # How the tools are set does not change what is installed.
        digest.update(stream.read().split(b"\n[tool.")[0])
    return digest.hexdigest() + ":" + ROOT + ":" + sys.version.split()[0]


def is_sound(lock):
    """True when the last setup came to its end and every file it installed is still there."""
    stamp = read_stamp()
    if stamp.get("fingerprint") != fingerprint(lock):
        return False
    broken = missing_files(stamp.get("packages", []))
    if broken:
        say("the environment is incomplete (%s); making it anew" % broken[0])
        shutil.rmtree(VENV, ignore_errors=True)
        return False
    return os.path.exists(PYTHON)


def site_packages():
    return os.path.join(VENV, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")


def missing_files(packages):
    """Which of the installed packages (their folders' names) lack a file of their own record."""
    base = site_packages()
    found = []
    for package in packages:
        try:
            with open(os.path.join(base, package, "RECORD"), encoding="utf-8") as record:
                names = [line.split(",")[0].strip('"') for line in record]
        except OSError:
            found.append(package.replace(".dist-info", ""))
            continue
        for name in names:
            if not name.endswith(".pyc") and not os.path.exists(os.path.join(base, name)):
                found.append(package.replace(".dist-info", ""))
                break
    return found


def install(lock):
    make_environment()
    say("installing the locked packages (half a minute to two minutes) ...")
    pip("install", "--require-hashes", "-r", lock)
    # The panel itself, without its own dependencies (the lock has them) and without a hidden download of build tools.
    pip("install", "--no-deps", "--no-build-isolation", "-e", ROOT)
    packages = sorted(name for name in os.listdir(site_packages()) if name.endswith(".dist-info"))
    with open(STAMP, "w") as stream:
        json.dump({"fingerprint": fingerprint(lock), "test": lock == TEST_LOCK, "packages": packages}, stream)
    say("installed %d packages into .venv" % len(packages))


def make_environment():
    if os.path.exists(VENV) and not works(PYTHON, "-m", "pip", "--version"):
        say("the environment in .venv does not work; making it anew")
        shutil.rmtree(VENV, ignore_errors=True)
    if not os.path.exists(VENV):
        if not works(sys.executable, "-c", "import venv, ensurepip"):
            raise SetupError(
                "this Python has no venv module. On Debian and Ubuntu: apt-get install python%d.%d-venv"
                % sys.version_info[:2]
            )
        try:
            done = run([sys.executable, "-m", "venv", VENV])
        except OSError as error:
            raise SetupError("no environment can be made in %s: %s" % (ROOT, error.strerror)) from error
        if done.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            raise SetupError("no environment can be made in %s: %s" % (ROOT, last_line(done.stdout)))


def pip(*arguments):
    environment = dict(os.environ, PANEL_SKIP_FRONTEND="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    environment.pop("PYTHONPATH", None)
    done = run([PYTHON, "-m", "pip", "--retries", "2", *arguments], env=environment)
    with open(LOG, "ab") as log:
        log.write(done.stdout)
    if done.returncode:
        raise SetupError("%s (the installer's own words: %s)" % (why(done.stdout), os.path.relpath(LOG)))


def why(output):
    """pip's many lines in one."""
    text = output.decode("utf-8", "replace")
    if "No space left" in text:
        return "the disk is full"
    unreachable = ("NewConnectionError", "ConnectTimeout", "Read timed out", "Name or service not known", "ProxyError")
    if any(word in text for word in unreachable) or "Failed to establish" in text or "Connection refused" in text:
        return "the package index cannot be reached; is this machine online?"
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in text:
        return "a downloaded package differs from what requirements/ names; nothing of it was installed"
    if "No matching distribution found" in text:
        return "a locked package is not offered for this machine: " + last_line(output)
    return last_line(output) or "pip failed without a word"


def build_assets():
    if not shutil.which("npm") and not os.environ.get("PANEL_SKIP_FRONTEND") and not assets_are_built():
        pip("install", "--require-hashes", "-r", NODE_LOCK)
    done = run([PYTHON, os.path.join(ROOT, "hatch_build.py")], cwd=ROOT)
    line = last_line(done.stdout)
    if done.returncode or "up to date" not in line:
        say(line)


def assets_are_built():
    done = run(
        [PYTHON, "-c", "import hatch_build as h; print(h._read(h.DIST / '.stamp') == h.sources_hash())"], cwd=ROOT
    )
    return last_line(done.stdout) == "True"


def find_chromium():
    """The browser of the tests; Debian's, when we may install it."""
    names = [os.environ.get("PANEL_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    if any(name and shutil.which(name) for name in names):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing Chromium for the tests ...")
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        run(["apt-get", "update"], env=quiet)
        done = run(["apt-get", "install", "-y", "--no-install-recommends", "chromium"], env=quiet)
        if done.returncode == 0 and shutil.which("chromium"):
            return
        raise SetupError("Chromium could not be installed: " + last_line(done.stdout))
    raise SetupError("the tests need Chromium: apt-get install chromium, or set PANEL_CHROMIUM to its path")


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)


def works(*command):
    try:
        return run(list(command)).returncode == 0
    except OSError:
        return False


def last_line(output):
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [""])[-1]


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "run")
    except (SetupError, OSError) as trouble:
        sys.exit("nava: %s" % trouble)
    except KeyboardInterrupt:
        sys.exit("nava: stopped; run it again to go on")
