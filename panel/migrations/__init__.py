"""One Alembic history for SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, text

from panel.db import write_intent

if TYPE_CHECKING:
    # Every process asks for the level, few need the rest of it.
    from alembic.config import Config


def settings() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest schema, in one transaction. Does nothing when it is there already."""
    from alembic import command

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
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(settings()).get_current_head()


def revisions() -> list[str]:
    """All revisions that this code knows, the newest first."""
    from alembic.script import ScriptDirectory

    return [one.revision for one in ScriptDirectory.from_config(settings()).walk_revisions()]
