"""Who gets which variant, when a test is looked at, and what follows. Pure.

The bucket of a contact is the SHA-256 of the UTF-8 bytes of "<journey>/<split>/<contact id>" (the id in decimal), read
as one big-endian number, modulo 10,000. Journeys and splits are ASCII words without a slash, so no two triples share
their bytes. The variants take the buckets in the order of the text, each as many as its share in basis points; what is
left is the hold-out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

BUCKETS = 10_000
HOLD_OUT = ""  # the key of those who get nothing
_KEY_LENGTH = 120  # of the column that stores it


@dataclass(frozen=True)
class Arm:
    """A variant (or the hold-out, whose key is "") and its share in basis points."""

    key: str
    share: int


def key_of(name: str) -> str:
    """What is stored for a variant of this name."""
    return name[:_KEY_LENGTH]


def issue_key(journey_id: str, split_id: str, round_: int) -> str:
    """Of the issue by which a round asks for a decision."""
    return f"experiment:{journey_id}:{split_id}:{round_}"


def uncounted_key(journey_id: str, split_id: str, round_: int) -> str:
    """Of the issue that a round cannot be counted."""
    return f"{issue_key(journey_id, split_id, round_)}:uncounted"


def bucket_of(journey_id: str, split_id: str, contact_id: int) -> int:
    """0 to 9,999; the same on every machine and for ever."""
    digest = sha256(f"{journey_id}/{split_id}/{contact_id}".encode()).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def arm_of(bucket: int, variants: Sequence[Arm]) -> str:
    """The key of the variant that a bucket falls into, or HOLD_OUT."""
    end = 0
    for variant in variants:
        end += variant.share
        if bucket < end:
            return variant.key
    return HOLD_OUT


# --- when it is looked at, and what follows ---------------------------------------------------------------------------

Look = Literal["planned", "last"]


def look_due(now: datetime, planned_at: datetime, last_at: datetime, *, has_looked: bool, enough: bool) -> Look | None:
    """Which of the two looks is due. `enough`: every variant has as many contacts as it needs whose time is over."""
    if now >= last_at:
        return "last"
    return "planned" if now >= planned_at and enough and not has_looked else None


@dataclass(frozen=True)
class Decision:
    """`state` of the experiment from now on, and what everybody gets who arrives (None: they are still divided)."""

    state: Literal["winner", "no_winner", "asked"]
    winner: str | None = None


def decide(
    look: Look, winner: str | None, *, below_hold_out: bool, policy: str, if_no_winner: str, first: str
) -> Decision | None:
    """What a look brings about; None: the test goes on until its last look."""
    if winner is not None:
        # A winner that does worse than sending nothing is not for a machine to choose.
        return Decision("winner", winner) if policy == "automatic" and not below_hold_out else Decision("asked")
    if look == "planned":
        return None
    if if_no_winner == "keep_first":
        return Decision("no_winner", first)
    return Decision("no_winner") if if_no_winner == "keep_splitting" else Decision("asked")
