"""Background work. RQ only rings bells: a job says "look again" and carries no state; the truth is in SQL.

To ring, after your commit: `panel.jobs.wake("advance")`. To be rung, add a line to `panel.jobs.drains.DRAINS`.
"""

from panel.jobs.bells import use, wake

__all__ = ["use", "wake"]
