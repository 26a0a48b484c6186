"""The application without its pages."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from sqlalchemy import text

from panel import config as configuration
from panel.bare import bare_app
from panel.db import db


def test_an_application_that_is_let_go_closes_its_connections(database_url: str, tmp_path: Path) -> None:
    found = configuration.load({"PANEL_INSTANCE": str(tmp_path / "instance"), "PANEL_DATABASE_URL": database_url})
    app = bare_app(found)
    with app.app_context():
        db.session.execute(text("SELECT 1"))
        pool = db.engine.pool
    known = weakref.ref(app)
    del app
    gc.collect()
    assert known() is None
    assert pool.checkedin() == 0  # type: ignore[attr-defined]
