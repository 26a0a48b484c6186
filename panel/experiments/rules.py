"""Who gets which variant. Pure.

The bucket of a contact is the SHA-256 of the UTF-8 bytes of "<journey>/<split>/<contact id>" (the id in decimal), read
as one big-endian number, modulo 10,000. Journeys and splits are ASCII words without a slash, so no two triples share
their bytes. The variants take the buckets in the order of the text, each as many as its share in basis points; what is
left is the hold-out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

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
