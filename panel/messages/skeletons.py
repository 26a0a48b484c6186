"""Compiled messages in SQL: content-addressed, never changed, so that what was sent can be rebuilt byte for byte."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from panel.contacts.sets import among
from panel.db import connection_of
from panel.messages.models import Skeleton as Row
from panel.sdk.channels import Channel, Skeleton, Slot, TemplateContent
from panel.sdk.merge import FIELD, TemplateError

_LENGTH = struct.Struct(">I")
_KEPT = 512  # compiled forms a process keeps


def pack(segments: Collection[bytes]) -> bytes:
    """Segments as one value: each with its length before it."""
    return b"".join(_LENGTH.pack(len(segment)) + segment for segment in segments)


def unpack(body: bytes) -> tuple[bytes, ...]:
    """What `pack` packed. Raises ValueError on anything else."""
    segments, at = [], 0
    while at < len(body):
        if at + 4 > len(body):
            raise ValueError("a skeleton is cut off")
        (length,) = _LENGTH.unpack_from(body, at)
        at += 4 + length
        if at > len(body):
            raise ValueError("a skeleton is cut off")
        segments.append(body[at - length : at])
    return tuple(segments)


def dump_slot(slot: Slot) -> str:
    return f"{slot.coding}\t{slot.name}"


def load_slot(text: str) -> Slot:
    coding, _, name = text.partition("\t")
    return Slot(name, coding)


def address_of(skeleton: Skeleton) -> str:
    """The SHA-256 by which a skeleton is stored: over its bytes, its slots and its link targets."""
    hashed = hashlib.sha256(pack(skeleton.segments))
    hashed.update(json.dumps([[dump_slot(slot) for slot in skeleton.slots], list(skeleton.links)]).encode())
    return hashed.hexdigest()


class Step(NamedTuple):
    """One slot, taken apart once: what is asked for, which one, what stands there without a value."""

    kind: str  # field | link | pixel | unsubscribe | preferences | message_id | date | to | key | subject | seal
    name: str
    default: str | None
    coding: str


class Compiled:
    """A skeleton with its address and the plan for filling it."""

    def __init__(self, skeleton: Skeleton, channel: str, content: TemplateContent) -> None:
        self.skeleton = skeleton
        self.channel = channel
        self.content = content
        self.sha256 = address_of(skeleton)
        self.steps = [_step(slot) for slot in skeleton.slots]
        # A name or link that stands in several places is written once: the different steps, and each slot's among them.
        self.different = list(dict.fromkeys(self.steps))
        at = {step: number for number, step in enumerate(self.different)}
        self.places = [at[step] for step in self.steps]
        # A signature over the finished message, written into its first slot.
        self.seal = next((number for number, step in enumerate(self.different) if step.kind == "seal"), None)

    @cached_property
    def fields(self) -> frozenset[str]:
        """Identities of the merge fields it needs, those of the subject included."""
        names = {step.name for step in self.steps if step.kind == "field"}
        return frozenset(names | {match[1].strip() for match in FIELD.finditer(self.content.subject)})


def _step(slot: Slot) -> Step:
    kind, colon, rest = slot.name.partition(":")
    if not colon:
        return Step(kind, "", None, slot.coding)
    name, bar, default = rest.partition("|")
    return Step(kind, name, default if bar else None, slot.coding)


def _is_sound(skeleton: object) -> bool:
    return (
        isinstance(skeleton, Skeleton)
        and len(skeleton.segments) == len(skeleton.slots) + 1
        and all(isinstance(one, bytes) for one in skeleton.segments)
        and all(isinstance(one, Slot) for one in skeleton.slots)
        and all(isinstance(one, str) for one in skeleton.links)
    )


_compiled: dict[tuple[int, str, TemplateContent], tuple[Channel, Compiled]] = {}


def compile_cached(channel: Channel, content: TemplateContent) -> Compiled:
    """Compile, or take what this process compiled before.

    A channel whose compiled form depends on its settings (the sender's name, a signature) says so by a method
    `fingerprint() -> str`; a changed fingerprint compiles anew. Raises `TemplateError`.
    """
    try:
        fingerprint = getattr(channel, "fingerprint", None)
        place = (id(channel), fingerprint() if fingerprint else "", content)
        found = _compiled.get(place)
        if found is not None and found[0] is channel:
            return found[1]
        skeleton = channel.compile(content)
        if not _is_sound(skeleton):
            raise TypeError(f"{type(skeleton).__name__} is no compiled text")
    except TemplateError:
        raise
    except (Exception, SystemExit) as error:
        detail = f"{type(error).__name__}: {error}"[:300]
        raise TemplateError("channel_failed", channel=channel.name, detail=detail) from error
    compiled = Compiled(skeleton, channel.name, content)
    while len(_compiled) >= _KEPT:
        _compiled.pop(next(iter(_compiled)))
    _compiled[place] = (channel, compiled)
    return compiled


def not_stored(session: Session | Connection, compiled: Mapping[str, Compiled]) -> dict[str, Compiled]:
    """Those of the compiled that are not in the database yet."""
    if not compiled:
        return {}
    connection = connection_of(session)
    there = set(connection.execute(select(Row.sha256).where(among(connection, Row.sha256, list(compiled)))).scalars())
    return {sha256: one for sha256, one in compiled.items() if sha256 not in there}


def store(session: Session | Connection, compiled: Mapping[str, Compiled], now: datetime) -> None:
    """Keep these skeletons, by address; those already there are left alone."""
    connection = connection_of(session)
    rows = [
        {
            "sha256": sha256,
            "channel": one.channel,
            "body": pack(one.skeleton.segments),
            "slots": [dump_slot(slot) for slot in one.skeleton.slots],
            "links": list(one.skeleton.links),
            "created_at": now,
        }
        for sha256, one in compiled.items()
    ]
    if rows:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(dialect.insert(Row).on_conflict_do_nothing(index_elements=["sha256"]), rows)


def load(session: Session | Connection, sha256s: Collection[str]) -> dict[str, Skeleton]:
    """Stored skeletons by address; unknown ones are left out."""
    if not sha256s:
        return {}
    connection = connection_of(session)
    rows = connection.execute(
        select(Row.sha256, Row.body, Row.slots, Row.links).where(among(connection, Row.sha256, list(sha256s)))
    )
    return {
        sha256: Skeleton(unpack(body), tuple(load_slot(one) for one in slots), tuple(links))
        for sha256, body, slots, links in rows
    }
