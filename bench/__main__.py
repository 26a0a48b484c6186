"""`python -m bench [NAME ...]`: run the measurements and print one line each.

Each runs on SQLite and on a real PostgreSQL (from the test extra), every pair in a process of its own so that its peak
of memory is its own. BENCH_DATABASES=sqlite keeps to one.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.databases import postgresql, sqlite

NAMES = {
    "advance": "advance",
    "send": "send",
    "timeline": "timeline",
    "import": "imports",
    "crash": "crash",
    "simulate": "simulate",
    "preference": "preference",
    "audiences": "audiences",
    "two": "two",
    "waiting": "waiting",
    "poison": "poison",
    "rq": "rq",
}


def main(arguments: list[str]) -> int:
    if len(arguments) == 3 and arguments[0] == "--one":
        return one(arguments[1], arguments[2])
    names = [name for argument in arguments for name in argument.split()] or list(NAMES)
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"There is no bench called {unknown[0]}. There are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    databases = (os.environ.get("BENCH_DATABASES") or "sqlite postgresql").split()
    failed = 0
    for name in names:
        for database in databases:
            failed |= subprocess.run([sys.executable, "-m", "bench", "--one", name, database], check=False).returncode
    return failed


def one(name: str, database: str) -> int:
    module = importlib.import_module(f"bench.{NAMES[name]}")
    with tempfile.TemporaryDirectory(prefix="panel-bench-") as folder:
        open_database = postgresql if database == "postgresql" else sqlite
        with open_database(Path(folder)) as url:
            result = module.run(url)
    result.save()
    print(result.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
