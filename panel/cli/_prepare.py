"""Make an installation ready, in a short-lived process of its own: schema, owner, demo.

`python -m panel.cli._prepare [--no-demo]` prints one line of JSON:
{"owner": {"email", "password"} on the first start or null, "demo": how many contacts were loaded or null,
 "warnings": [text]}
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from panel import clock, migrations
from panel.cli._application import application
from panel.cli._language import language
from panel.db import db, reading, writing
from panel.installation.operations import set_setting
from panel.processes import lifeline
from panel.staff.models import Role, User
from panel.staff.operations import ensure_owner
from panel.staff.rules import RoleName

OWNER = "owner@example.com"


def prepare(*, demo: bool) -> dict[str, Any]:
    """Safe to run at every start: what is there already stays as it is."""
    found: dict[str, Any] = {"owner": None, "demo": None, "warnings": []}
    with application():
        migrations.upgrade(db.engine)
        with reading() as session:
            if session.scalar(select(User.id).where(User.active, User.roles.any(Role.name == RoleName.OWNER)).limit(1)):
                return found
    email = os.environ.get("PANEL_OWNER") or OWNER
    # With the pages: how a password is stored is theirs to say.
    with application(pages=True):
        with writing() as session:
            password = ensure_owner(session, email, language=language())
            if password is not None:
                found["owner"] = {"email": email, "password": password}
                # Decided once: a later start must never put invented contacts among real ones.
                set_setting(session, "demo", {"wanted": demo, "at": clock.now().isoformat()})
        if password is not None and demo:
            found["demo"] = _guarded(found, "demo", _load_demo)
    return found


def _load_demo() -> Any:
    load: Callable[[Session], Any] = importlib.import_module("panel.demo").load
    with writing() as session:
        return load(session)


def _guarded(found: dict[str, Any], what: str, do: Callable[[], Any]) -> Any:
    """A broken demo does not keep the panel from starting; it is said."""
    try:
        return do()
    except Exception as error:
        found["warnings"].append(f"{what}: {type(error).__name__}: {error}")
        return None


def main() -> int:
    lifeline.hold()
    try:
        found = prepare(demo="--no-demo" not in sys.argv)
    except OperationalError as error:
        sys.stderr.write(f"database: {str(error.orig).strip().splitlines()[0]}\n")
        return 3
    except ModuleNotFoundError as error:
        sys.stderr.write(f"module: {error.name}\n")
        return 4
    except OSError as error:
        sys.stderr.write(f"file: {error}\n")
        return 5
    sys.stdout.write(json.dumps(found, default=str) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
