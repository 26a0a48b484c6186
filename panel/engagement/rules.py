"""The rules of engagement as they are set here: read, checked, written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.db import connection_of
from panel.engagement.score import DEFAULT_HALF_LIFE, DEFAULT_POINTS, HALF_LIVES, MOST_POINTS, Rules
from panel.errors import UserError
from panel.i18n import N_
from panel.installation.models import Setting
from panel.installation.operations import set_setting
from panel.staff.audit import record_audit
from panel.staff.models import User

SETTING = "engagement_rules"


def rules(session: Session) -> Rules:
    """The rules that hold: those a colleague wrote, else the ones we begin with."""
    value: dict[str, Any] | None = (
        connection_of(session).execute(select(Setting.value).where(Setting.name == SETTING)).scalar()
    )
    if not value:
        return Rules()
    return Rules(dict(value.get("points") or {}), int(value.get("half_life") or DEFAULT_HALF_LIFE))


def save(session: Session, points: Mapping[str, float], half_life: int, *, by: User | None) -> Rules:
    """Write the rules down; they hold from the next look on, for the past too. Kinds with 0 points are left out.

    Raises UserError when a number is out of bounds.
    """
    low, high = HALF_LIVES
    if not low <= half_life <= high:
        raise UserError(
            "half_life_out_of_bounds", N_("The half-life is between %(low)s and %(high)s days"), low=low, high=high
        )
    if any(abs(value) > MOST_POINTS for value in points.values()):
        raise UserError("points_out_of_bounds", N_("Points lie between -%(most)s and %(most)s"), most=MOST_POINTS)
    kept = {kind: value for kind, value in sorted(points.items()) if value}
    set_setting(session, SETTING, {"points": kept, "half_life": half_life})
    detail = {"points": kept, "half_life": half_life}
    record_audit(session, action="engagement_rules_changed", user=by, subject="engagement", detail=detail)
    return Rules(kept, half_life)


def are_default(current: Rules) -> bool:
    return dict(current.points) == dict(DEFAULT_POINTS) and current.half_life == DEFAULT_HALF_LIFE
