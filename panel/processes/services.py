"""The list of the plugins' services: whoever knows the plugins writes it, the supervisor reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# By `<plugin>.<name>`: what stands behind `python -m`.
Services = Mapping[str, Sequence[str]]


def services_file(instance: Path) -> Path:
    return instance / "services.json"


def write_services(instance: Path, services: Services) -> bool:
    """Write the list when it differs from the one there; says whether it did."""
    path = services_file(instance)
    text = json.dumps({name: list(command) for name, command in sorted(services.items())})
    with suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            return False
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return True


class ServicesReader:
    """Reads the list again when its file changed."""

    def __init__(self, instance: Path) -> None:
        self.path = services_file(instance)
        self._seen: tuple[int, int] | None = None

    def changed(self) -> Services | None:
        """The list when it is new since the last call, else None."""
        try:
            stat = self.path.stat()
            if (stat.st_mtime_ns, stat.st_size) == self._seen:
                return None
            self._seen = (stat.st_mtime_ns, stat.st_size)
            found: Services = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found
