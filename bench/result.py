"""One measured figure beside its floor."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Result:
    """`ratio` is figure / floor (for times: floor / figure), so that more is better and 1 is the floor itself."""

    name: str
    database: str
    figure: float
    unit: str
    floor: float
    floor_unit: str
    ratio: float
    peak_mb: float
    more: dict[str, Any] = field(default_factory=dict)
    note: str = ""  # what else the line should say

    def line(self) -> str:
        return (
            f"bench {self.name} {self.database}: {self.figure:,.4g} {self.unit}, "
            f"floor {self.floor:,.4g} {self.floor_unit}, ratio {self.ratio:.3g}, peak {self.peak_mb:.0f} MB"
            + (f"; {self.note}" if self.note else "")
        )

    def save(self) -> None:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}-{self.database}.json"
        path.write_text(json.dumps(asdict(self), indent=1, default=str) + "\n")


def peak_mb() -> float:
    """The most memory this process has held, in MB. (ru_maxrss would also count what the process that started it held.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
