"""A worker in a process of its own, with drains that write down what they do: `python -m tests.jobs.process URL`."""

import sys
import time
from pathlib import Path

from panel.jobs import work
from panel.jobs.drains import DRAINS, Drain


def slice_of_work(limit_seconds, file=""):
    """A third of a second of work, begun and ended in the file."""
    with Path(file).open("a") as out:
        out.write("begin\n")
        out.flush()
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass
        out.write("end\n")
    return True


def short_work(limit_seconds, file=""):
    with Path(file).open("a") as out:
        out.write("done\n")
    return False


OURS = {
    "long": Drain("long", "tests.jobs.process:slice_of_work"),
    "short": Drain("short", "tests.jobs.process:short_work"),
}

if __name__ == "__main__":
    DRAINS.update(OURS)
    work.run(sys.argv[1])
