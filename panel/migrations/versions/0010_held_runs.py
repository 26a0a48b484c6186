"""Runs of one contact paused by hand: a run held with a reason of its own, so nothing changes in the tables"""

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Who paused it, when and why stands in the run's `data` and on the timeline."""
