"""The wire journal: a worker's own note of every hand-over, on local disk, so that a killed worker leaves little doubt.

One small append-only file per process. `B <message> <token>` stands before the first byte that could cause delivery,
`A <message> <token> <provider id>` after the provider's yes was read. A written line survives SIGKILL (it is in the
page cache); it may not survive a power cut, so a journal of an earlier boot is not believed.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from panel.journeys.engine import crash
from panel.sdk.channels import Outgoing

ID_LENGTH = 12
FORGOTTEN_SECONDS = 7 * 86_400


def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")[:12]
    except OSError:
        return "unknown"


def pid_space() -> str:
    """Which namespace our process ids belong to: in another container the same number is another process."""
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "0"


def process_start(pid: int) -> str | None:
    """When the process began, in clock ticks since boot; None when there is no such process.

    Field 22 of /proc/<pid>/stat (proc(5)); a pid that was given to another process shows another value.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    # A zombie (killed, not yet waited for) does nothing any more.
    return None if fields[0] in ("Z", "X") else fields[19]


class WireJournal:
    """The journal of this process. `token()` gives attempt tokens that lead back to it."""

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_hex(ID_LENGTH // 2)
        folder.mkdir(parents=True, exist_ok=True)
        self.pid = os.getpid()
        self.path = folder / f"{self.id}-{boot_id()}-{pid_space()}-{self.pid}-{process_start(self.pid)}.wire"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        self._tokens: dict[int, str] = {}

    def token(self) -> str:
        return self.id + secrets.token_hex(10)

    def expect(self, tokens: Mapping[int, str]) -> None:
        """The messages about to be handed over, with their attempt tokens."""
        self._tokens = dict(tokens)

    def begin(self, outgoing: Outgoing) -> None:
        self._write(f"B {outgoing.message_id} {self._tokens[outgoing.message_id]}\n")
        crash.point("mid_body")

    def accepted(self, outgoing: Outgoing, provider_id: str | None = None) -> None:
        crash.point("after_answer")
        self._write(f"A {outgoing.message_id} {self._tokens[outgoing.message_id]} {provider_id or ''}\n")

    def clear(self) -> None:
        """Everything noted so far is committed in the ledger."""
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        os.close(self._file)
        self.path.unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        os.write(self._file, line.encode())


@dataclass
class DeadJournal:
    """What a dead worker of this boot left: its id, the attempts it began, and those it saw accepted."""

    path: Path
    id: str
    begun: set[str] = field(default_factory=set)
    accepted: dict[str, str] = field(default_factory=dict)


def dead_journals(folder: Path) -> Iterator[DeadJournal]:
    """The journals of dead workers that we can tell to be dead: of this boot and this process namespace.

    Any other is left alone (its worker may live in another container or on another host), and removed after a week.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.wire")):
        parts = path.stem.split("-")
        if len(parts) != 5:
            continue
        id_, boot, space, pid, start = parts
        if (boot, space) != (boot_id(), pid_space()):
            if time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
                path.unlink(missing_ok=True)
            continue
        if process_start(int(pid)) == start:
            continue
        journal = DeadJournal(path, id_)
        for line in path.read_text(errors="replace").splitlines(keepends=True):
            words = line.rstrip("\n").split(" ")
            if words[0] == "B" and len(words) >= 3:
                journal.begun.add(words[2])
            elif words[0] == "A" and len(words) >= 3 and line.endswith("\n"):
                journal.accepted[words[2]] = words[3] if len(words) > 3 else ""
        yield journal
