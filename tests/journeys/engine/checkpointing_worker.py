"""A real worker that writes SQLite's log back after nearly every commit, so that `fsync` is called all the time.

`python -m tests.journeys.engine.checkpointing_worker NUMBER`
"""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import Engine, event

from panel import worker


@event.listens_for(Engine, "connect")
def _often(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA wal_autocheckpoint=2")


if __name__ == "__main__":
    sys.exit(worker.main(["worker", sys.argv[1]]))
