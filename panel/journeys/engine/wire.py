"""The wire journal: a worker's own note of every hand-over, on local disk, so that a killed worker leaves little doubt.

One small append-only file per process. `B <message> <token>` stands before the first byte that could cause delivery,
`A <message> <token> <provider id>` after the provider's yes was read. A written line survives SIGKILL (it is in the
page cache); it may not survive a power cut, so a journal of an earlier boot is not believed.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from flask import current_app

from panel.journeys.engine import crash
from panel.sdk.channels import Deferred, Outgoing, Result, Sent, Unknown

log = logging.getLogger(__name__)
ID_LENGTH = 12
BATCH_DIGITS = 8
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


class NotBegunError(Exception):
    """This message must not be handed over by us: our hold on it is gone, or we could not note it. Nothing was sent."""


class WireJournal:
    """The journal of this process. The attempt tokens of its batches lead back to it."""

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_hex(ID_LENGTH // 2)
        self.disk_said: str | None = None  # why it could not be written, until somebody has been told
        folder.mkdir(parents=True, exist_ok=True)
        self.pid = os.getpid()
        self.path = folder / f"{self.id}-{boot_id()}-{pid_space()}-{self.pid}-{process_start(self.pid)}.wire"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
        self._torn = False
        self._batches = 0
        self.expect({})

    def batch(self) -> str:
        """What the attempt tokens of the next batch begin with; a message's id behind it makes each its own."""
        self._batches += 1
        return f"{self.id}{self._batches % 16**BATCH_DIGITS:0{BATCH_DIGITS}x}"

    def expect(
        self,
        tokens: Mapping[int, str],
        *,
        hold: float = math.inf,
        renew: Callable[[Collection[int]], None] | None = None,
        since: float | None = None,
    ) -> None:
        """The messages about to be handed over, with their attempt tokens.

        Each may be begun for `hold` seconds from `since` (a monotonic moment, default now). After that `renew` is asked
        with the ids that are still to come; it raises when they are no longer ours.
        """
        self.tokens = dict(tokens)
        self.begun: set[int] = set()
        self.answers: dict[int, str | None] = {}
        self._hold, self._renew = hold, renew
        self._until = (time.monotonic() if since is None else since) + hold

    def still_ours(self) -> None:
        """Raises NotBegunError when others may have taken what is still to come: this process slept, or was slow."""
        if time.monotonic() <= self._until:
            return
        since = time.monotonic()
        try:
            if self._renew is not None:
                self._renew(self.tokens.keys() - self.begun)
        except Exception as error:
            raise NotBegunError(f"the lease was over: {error}"[:300]) from error
        self._until = since + self._hold

    def begin(self, outgoing: Outgoing) -> None:
        """Raises NotBegunError when this message must not be handed over; the channel lets it pass."""
        self.still_ours()
        try:
            self._write(f"B {outgoing.message_id} {self.tokens[outgoing.message_id]}\n")
        except OSError as error:
            self.disk_said = f"the wire journal cannot be written: {error.strerror}"
            raise NotBegunError(self.disk_said) from error
        self.begun.add(outgoing.message_id)
        crash.point("mid_body")

    def accepted(self, outgoing: Outgoing, provider_id: str | None = None) -> None:
        crash.point("after_answer")
        self.answers[outgoing.message_id] = provider_id
        try:
            self._write(f"A {outgoing.message_id} {self.tokens[outgoing.message_id]} {provider_id or ''}\n")
        except OSError as error:
            # We know it, and we tell it at the end of this hand-over; only our death in between would leave a doubt.
            log.warning("the wire journal cannot be written: %s", error.strerror)

    def verdict(self, outgoing: Outgoing, said: str) -> Result:
        """The honest result of a message whose hand-over ended without one."""
        if outgoing.message_id in self.answers:
            return Sent(self.answers[outgoing.message_id], said)
        return Unknown(said) if outgoing.message_id in self.begun else Deferred(said)

    def clear(self) -> None:
        """Everything noted so far is committed in the ledger."""
        os.ftruncate(self._file, 0)

    def close(self) -> None:
        os.close(self._file)
        self.path.unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        # After half a line (a full disk) the next one begins on a line of its own.
        data = b"\n" * self._torn + line.encode()
        self._torn = True
        if os.write(self._file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False


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
        try:
            if (boot, space) != (boot_id(), pid_space()):
                if time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
                    path.unlink(missing_ok=True)
                continue
            if process_start(int(pid)) == start:
                continue
            said = path.read_text(errors="replace")
        except FileNotFoundError:
            continue  # its worker ended well, or another has settled it, since we looked into the folder
        journal = DeadJournal(path, id_)
        for line in said.splitlines(keepends=True):
            words = line.rstrip("\n").split(" ")
            if words[0] == "B" and len(words) >= 3:
                journal.begun.add(words[2])
            elif words[0] == "A" and len(words) >= 3 and line.endswith("\n"):
                journal.accepted[words[2]] = words[3] if len(words) > 3 else ""
        yield journal


def living_journals(folder: Path) -> set[str]:
    """The ids of the journals whose workers live, as far as we can see them."""
    found = set()
    for path in folder.glob("*.wire"):
        id_, boot, space, pid, start = (path.stem.split("-") + [""] * 5)[:5]
        if (boot, space) == (boot_id(), pid_space()) and pid.isdigit() and process_start(int(pid)) == start:
            found.add(id_)
    return found


def wire_folder() -> Path:
    """Where the workers of this installation keep their journals."""
    return Path(current_app.instance_path) / "wire"


def wire_journal() -> WireJournal:
    """This process's own journal. Needs an application context."""
    return _journal_of(os.getpid(), str(wire_folder()))


@cache
def _journal_of(_pid: int, folder: str) -> WireJournal:
    return WireJournal(Path(folder))
