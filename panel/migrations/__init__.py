"""One Alembic history for SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from panel.db import write_intent


def settings() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema, in one transaction. Does nothing when it is there already."""
    config = settings()
    if level(engine) == newest():
        return
    token = write_intent.set(True)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        write_intent.reset(token)


def level(engine: Engine) -> str | None:
    """The revision the database is at; None when it is empty."""
    with engine.connect() as connection:
        # Not by alembic's own context, which says something in the log each time: workers ask all the time.
        if not inspect(connection).has_table("alembic_version"):
            return None
        level: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return level


def newest() -> str | None:
    return ScriptDirectory.from_config(settings()).get_current_head()


def revisions() -> list[str]:
    """All revisions that this code knows, the newest first."""
    return [one.revision for one in ScriptDirectory.from_config(settings()).walk_revisions()]
