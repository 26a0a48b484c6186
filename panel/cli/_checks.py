"""What `panel doctor` looks at. Each check returns findings: what it saw and, when that is not well, what to do."""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from panel import clock, migrations
from panel.config import Config
from panel.db import db, reading
from panel.i18n import N_, translate
from panel.jobs import drains, heartbeats
from panel.jobs.broker import connect, redis_url

LEAST_DISK, LITTLE_DISK = 200 * 2**20, 2**30
NEEDED = ("alembic", "cryptography", "flask_admin", "flask_security", "pluggy", "rq", "waitress", "yaml")


@dataclass(frozen=True)
class Finding:
    """`state` "warn" is worth knowing, "bad" means that something does not work. `sentence` and `fix` are msgids."""

    name: str
    state: Literal["good", "warn", "bad"]
    sentence: str
    params: dict[str, Any] = field(default_factory=dict)
    fix: str = ""

    def words(self, language: str) -> str:
        return translate(language, self.sentence, **self.params)

    def fix_words(self, language: str) -> str:
        return translate(language, self.fix, **self.params) if self.fix else ""


def good(name: str, sentence: str, **params: Any) -> Finding:
    return Finding(name, "good", sentence, params)


def bad(name: str, sentence: str, fix: str, **params: Any) -> Finding:
    return Finding(name, "bad", sentence, params, fix)


def warn(name: str, sentence: str, fix: str, **params: Any) -> Finding:
    return Finding(name, "warn", sentence, params, fix)


def examine(config: Config) -> list[Finding]:
    """Run all checks in an application context. A check that breaks is a finding too, and stops no other."""
    found: list[Finding] = []
    for check in CHECKS:
        name = check.__name__.removeprefix("check_")
        try:
            found += check(config)
        except Exception as error:
            found.append(
                bad(
                    name,
                    N_("This could not be examined: %(error)s"),
                    N_("Report it with this line."),
                    error=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                )
            )
    return found


def check_python(_config: Config) -> Iterable[Finding]:
    version = sys.version.split()[0]
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        yield bad(
            "python",
            N_("The installation is not complete: %(missing)s is missing."),
            N_("Run: make setup"),
            missing=", ".join(missing),
        )
    else:
        yield good("python", N_("Python %(version)s, all packages are there."), version=version)
    try:
        other = importlib.metadata.version("panel")
    except importlib.metadata.PackageNotFoundError:
        return
    yield bad(
        "import_name",
        N_("Another package called “panel” (%(version)s) uses the same import name; one of the two is broken."),
        N_("Run: pip uninstall panel, then: make setup"),
        version=other,
    )


def check_instance(config: Config) -> Iterable[Finding]:
    probe = config.instance / ".writable"
    try:
        probe.write_text("")
        probe.unlink()
        yield good("instance", N_("The folder %(folder)s can be written."), folder=config.instance)
    except OSError as error:
        yield bad(
            "instance",
            N_("The folder %(folder)s cannot be written (%(reason)s)."),
            N_("Give it to the user who runs Nava, or choose another: PANEL_INSTANCE."),
            folder=config.instance,
            reason=error.strerror,
        )
    key = config.instance / "secret_key"
    if not key.exists() or len(key.read_text().strip()) < 32:
        yield bad(
            "secret_key",
            N_("The secret key in %(file)s is missing or too short."),
            N_("Put back the one from your backup: without it stored passwords of services cannot be read."),
            file=key,
        )
    elif key.stat().st_mode & 0o077:
        yield warn(
            "secret_key",
            N_("Other users of this machine can read the secret key %(file)s."),
            N_("Run: chmod 600 %(file)s"),
            file=key,
        )
    else:
        yield good("secret_key", N_("The secret key is there, for its owner only."))


def check_disk(config: Config) -> Iterable[Finding]:
    free = shutil.disk_usage(config.instance).free
    params = {"gb": f"{free / 2**30:.1f}", "folder": config.instance}
    if free < LEAST_DISK:
        yield bad(
            "disk", N_("Only %(gb)s GB are free for %(folder)s."), N_("Make room before anything stops."), **params
        )
    elif free < LITTLE_DISK:
        yield warn("disk", N_("Only %(gb)s GB are free for %(folder)s."), N_("Make room soon."), **params)
    else:
        yield good("disk", N_("%(gb)s GB are free."), **params)


def check_database(_config: Config) -> Iterable[Finding]:
    try:
        with db.engine.connect() as connection:
            kind = connection.dialect.name
            query = "SELECT sqlite_version()" if kind == "sqlite" else "SHOW server_version"
            version = connection.scalar(text(query))
        have, newest = migrations.level(db.engine), migrations.newest()
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        yield bad(
            "database",
            N_("The database cannot be reached: %(reason)s"),
            N_("Start it, or correct PANEL_DATABASE_URL."),
            reason=reason,
        )
        return
    yield good("database", N_("%(kind)s %(version)s answers."), kind=kind, version=version)
    if have == newest:
        yield good("schema", N_("The tables are the newest (%(level)s)."), level=have)
    else:
        yield bad(
            "schema",
            N_("The tables are at %(level)s, this version needs %(newest)s."),
            N_("Run: panel db upgrade"),
            level=have or "-",
            newest=newest,
        )


def check_broker(config: Config) -> Iterable[Finding]:
    url = redis_url(config)
    try:
        version = connect(url).info("server").get("valkey_version") or connect(url).info("server")["redis_version"]
    except (redis.RedisError, OSError) as error:
        yield bad(
            "broker",
            N_("The broker does not answer (%(reason)s)."),
            N_("Start Nava with: make run. With a broker of your own, correct PANEL_REDIS_URL."),
            reason=str(error).splitlines()[0],
        )
        return
    yield good("broker", N_("The broker answers (%(version)s)."), version=version)


def check_processes(_config: Config) -> Iterable[Finding]:
    try:
        with reading() as session:
            signs = heartbeats.signs(session, clock.now())
    except SQLAlchemyError:
        signs = []  # no tables yet, or no database: its own check says so
    for kind, alive, silent, fix in (
        (
            "worker",
            N_("%(count)s workers are at work."),
            N_("No worker is at work: nothing is sent."),
            N_("Start Nava with: make run, or a worker alone: panel worker"),
        ),
        (
            "ticker",
            N_("The ticker is at work."),
            N_("The ticker is not at work: nothing that waits goes on."),
            N_("Start Nava with: make run, or the ticker alone: panel ticker"),
        ),
    ):
        failed = sum(int(sign.data.get("failed", 0)) for sign in signs if sign.kind == kind and sign.alive)
        if failed:
            yield warn(
                kind,
                N_("Background jobs that failed since the workers started: %(count)s."),
                N_("The reasons are in the log file (logs/panel.log); report them."),
                count=failed,
            )
        count = sum(1 for sign in signs if sign.kind == kind and sign.alive)
        yield good(kind, alive, count=count) if count else bad(kind, silent, fix)


def check_work(_config: Config) -> Iterable[Finding]:
    missing = drains.missing()
    if missing:
        yield bad(
            "work",
            N_("Some background work cannot be started: %(names)s."),
            N_("Run: make setup"),
            names=", ".join(missing),
        )
    else:
        yield good("work", N_("All background work can be started."))


def check_plugins(_config: Config) -> Iterable[Finding]:
    manager = importlib.import_module("panel.plugin_manager.manager").current()
    broken = [info for info in manager.loaded if info.problem is not None]
    for info in broken:
        yield bad(
            "plugins",
            N_("The plugin %(plugin)s is broken: %(problem)s"),
            N_("See: panel plugins check"),
            plugin=info.id,
            problem=info.problem.words("en"),
        )
    if not broken:
        names = ", ".join(info.id for info in manager.loaded if info.state == "on")
        yield good("plugins", N_("Plugins that are on: %(names)s."), names=names or "-")


def check_assets(_config: Config) -> Iterable[Finding]:
    folder = Path(__file__).parents[1] / "web" / "static" / "dist"
    if (folder / "manifest.json").exists():
        yield good("assets", N_("The browser code is built."))
    else:
        yield warn("assets", N_("The browser code is not built; pages look plain."), N_("Run: make assets"))


CHECKS: tuple[Callable[[Config], Iterable[Finding]], ...] = (
    check_python,
    check_instance,
    check_disk,
    check_database,
    check_broker,
    check_processes,
    check_work,
    check_plugins,
    check_assets,
)
