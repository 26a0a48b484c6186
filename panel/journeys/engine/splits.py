"""What a journey says about its tests, in the words of `panel.experiments`, which does not know journeys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from panel.experiments import assigning
from panel.experiments.assigning import Divided
from panel.experiments.rules import Arm, key_of
from panel.journeys.language.program import BRANCH_KEYS

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
    )


def fingerprint(resolved: Mapping[str, Any], step: Step) -> str:
    """What is tested: the variants with their shares and steps, the goal, the measure. Not when it is decided.

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


def _said(step: Step) -> dict[str, Any]:
    said = {key: value for key, value in step.items() if key not in _NOT_SAID}
    for key in ("options", "variants"):  # of a branching step inside a variant
        if key in said:
            said[key] = [{name: value for name, value in one.items() if name not in _NOT_SAID} for one in said[key]]
    return said


def splits_of(resolved: Mapping[str, Any], version_id: int) -> dict[str, Divided]:
    found = [divided(resolved, step, version_id) for step in resolved["steps"].values() if step["verb"] == "split"]
    return {one.split_id: one for one in found}


def follow_version(session: Session, resolved: Mapping[str, Any], version_id: int, now: datetime) -> list[str]:
    """A version goes live; see `panel.experiments.assigning.follow_version`."""
    return assigning.follow_version(session, resolved["id"], splits_of(resolved, version_id), now)
