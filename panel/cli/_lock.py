"""One supervisor per instance folder. The kernel lets the lock go when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any


class InstanceLock:
    def __init__(self, instance: Path) -> None:
        self.path = instance / "up.lock"
        self._file = open(self.path, "a+", encoding="utf-8")  # noqa: SIM115 - held open as long as the lock

    def take(self) -> dict[str, Any] | None:
        """None when the lock is ours now, else what its holder wrote about itself."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            except ValueError:
                found = {}
            self._file.close()
            return found
        return None

    def write(self, about: dict[str, Any]) -> None:
        self._file.seek(0)
        self._file.truncate()
        json.dump(about, self._file)
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> InstanceLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
