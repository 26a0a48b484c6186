"""Alembic's entry: uses the connection handed over by `panel.migrations.upgrade`."""

from alembic import context

from panel.db import Base
from panel.models import load_models

load_models()
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
