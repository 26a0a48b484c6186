"""What a journey says about its tests, in the words of `panel.experiments`, which does not know journeys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from panel.experiments import assigning, queries
from panel.experiments.assigning import Divided
from panel.experiments.rules import Arm, key_of
from panel.journeys.language.program import BRANCH_KEYS
from panel.journeys.models import JourneyVersion

Step = Mapping[str, Any]
# What a step says is compared by where it stands, not by how the program names it and its neighbours.
_NOT_SAID = frozenset({"id", "key", "named", "path", "line", "name", "next", "first", "do", *BRANCH_KEYS})


def divided(resolved: Mapping[str, Any], step: Step, version_id: int) -> Divided:
    return Divided(
        journey_id=resolved["id"],
        split_id=str(step.get("key") or step["id"]),
        variants=tuple(Arm(key_of(one["name"]), one["share"]) for one in step["variants"]),
        hold_out=step["hold_out"],
        fingerprint=fingerprint(resolved, step),
        version_id=version_id,
        plan=plan(step),
    )


def fingerprint(resolved: Mapping[str, Any], step: Step) -> str:
    """What is tested: the variants with their shares and steps, the goal, the measure. Not when it is decided (`plan`).

    A share belongs to it: contacts who came under other shares came at another time, and to throw the two together
    would compare times of the year instead of variants.
    """
    below = f"{step['path']}/split/variants/"
    steps = {
        one["path"].removeprefix(below): _said(one)
        for one in resolved["steps"].values()
        if one["path"].startswith(below)
    }
    arms = [(one["name"], one["share"]) for one in step["variants"]]
    said = [arms, step["hold_out"], step["goal"], step["measure"], steps]
    return sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def plan(step: Step) -> str:
    """When and how strictly a test is judged; not who decides, which may change at any time."""
    decide = step["decide"]
    said = [decide[key] for key in ("after", "at_least", "at_latest", "confidence")]
    return json.dumps(said, sort_keys=True, ensure_ascii=False)


def _said(step: Step) -> dict[str, Any]:
    said = {key: value for key, value in step.items() if key not in _NOT_SAID}
    for key in ("options", "variants"):  # of a branching step inside a variant
        if key in said:
            said[key] = [{name: value for name, value in one.items() if name not in _NOT_SAID} for one in said[key]]
    return said


def splits_of(resolved: Mapping[str, Any], version_id: int) -> dict[str, Divided]:
    found = [divided(resolved, step, version_id) for step in resolved["steps"].values() if step["verb"] == "split"]
    return {one.split_id: one for one in found}


def split_in(resolved: Mapping[str, Any], split_id: str) -> Step | None:
    """The step that makes this test; None when the text has none."""
    return next(
        (
            step
            for step in resolved["steps"].values()
            if step["verb"] == "split" and str(step.get("key") or step["id"]) == split_id
        ),
        None,
    )


def follow_version(session: Session, resolved: Mapping[str, Any], version_id: int, now: datetime) -> list[str]:
    """A version goes live; see `panel.experiments.assigning.follow_version`."""
    return assigning.follow_version(
        session, resolved["id"], splits_of(resolved, version_id), now, plan_of=_plans(session)
    )


def thrown_away(session: Session, journey_id: str, resolved: Mapping[str, Any]) -> dict[str, tuple[int, bool]]:
    """What publishing this text would do to tests that people came to and that are not decided: {split: (contacts
    counted until now, whether it begins anew)}; otherwise its split is gone and it ends."""
    splits, plan_of = splits_of(resolved, 0), _plans(session)
    found = {}
    for one in queries.newest(session, journey_id):
        if one.state not in ("running", "asked") or one.started_at is None:
            continue
        split = splits.get(one.split_id)
        newest = assigning.rounds_of(session, journey_id, one.split_id)[-1]
        if split is None or not assigning.goes_on(newest, split, plan_of):
            found[one.split_id] = (queries.entered(session, [one])[one.id], split is not None)
    return found


def _plans(session: Session) -> assigning.PlanOf:
    def plan_of(version_id: int, split_id: str) -> str | None:
        version = session.get(JourneyVersion, version_id)
        step = split_in(version.resolved, split_id) if version else None
        return plan(step) if step else None

    return plan_of
