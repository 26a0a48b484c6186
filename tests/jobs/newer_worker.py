"""A worker of a version that is one migration newer: `python -m tests.jobs.newer_worker worker NUMBER`.

NEWER_MIGRATIONS is the folder of that migration.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from alembic.config import Config

from panel import migrations, worker
from tests.fixtures.processes import die_with_parent

_settings = migrations.settings
MIGRATION = '''"""A column that this version does not know"""

import sqlalchemy as sa
from alembic import op

revision = "newer"
down_revision = "{head}"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("newer", sa.String(20), nullable=False, server_default="yes"))
'''


def write_migration(folder: Path) -> None:
    """The newer version's migration, in a folder of its own."""
    folder.mkdir()
    (folder / "newer.py").write_text(MIGRATION.format(head=migrations.newest()))


def newer(folder: Path) -> Config:
    """The settings of the version that has it."""
    config = _settings()
    places = (Path(migrations.__file__).parent / "versions", folder)
    config.set_main_option("version_locations", os.pathsep.join(map(str, places)))
    return config


if __name__ == "__main__":
    die_with_parent()
    migrations.settings = lambda: newer(Path(os.environ["NEWER_MIGRATIONS"]))
    sys.exit(worker.main(sys.argv[1:]))
