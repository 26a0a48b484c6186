"""The migrations make exactly the tables that the models describe, on both databases."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask

from panel.db import Base, db
from panel.models import load_models


def test_the_migrations_end_where_the_models_are(app: Flask) -> None:
    load_models()
    with db.engine.connect() as connection:
        # The words of the search are made of what no model can say: FTS5, a tsvector kept by triggers.
        opts = {
            "compare_type": True,
            "include_name": lambda name, kind, parents: not (kind == "table" and name.startswith("contact_words")),
        }
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, Base.metadata) == []
