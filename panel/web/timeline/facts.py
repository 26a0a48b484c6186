"""What the timeline is built from, as plain data: lines of the event table and what is known about their messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from panel.sdk.events import EventType

# These never stand alone when they belong to a message: they fold beneath it.
FOLDED = frozenset(
    {
        "message_delivered",
        "message_opened",
        "link_clicked",
        "machine_opened",
        "machine_clicked",
        "message_replied",
        "message_bounced",
        "message_complained",
        "message_settled",
    }
)
# A message is shown where the first of these happened.
ANCHORS = frozenset({"message_sent", "message_failed", "message_skipped", "message_unknown"})


@dataclass(frozen=True)
class Line:
    """One event. `person` is the name of the colleague who did it, `journey` the name of the journey it concerns."""

    id: int
    contact_id: int
    occurred_at: datetime
    kind: str
    source: str = "panel"
    data: Mapping[str, Any] = field(default_factory=dict)
    message_id: int | None = None
    enrolment_id: int | None = None
    person: str | None = None
    journey: str | None = None


@dataclass(frozen=True)
class MessageFact:
    """What the ledger says about a message now. `journey` is the journey's name, `template` the template's."""

    id: int
    channel: str
    status: str
    contact_id: int = 0
    reason: str | None = None
    subject: str | None = None
    address: str | None = None
    journey_id: str | None = None
    journey: str | None = None
    step_id: str | None = None
    template: str | None = None
    text: str | None = None
    planned_at: datetime | None = None
    not_before: datetime | None = None
    settled_by: str | None = None
    can_be_shown: bool = False
    is_test: bool = False
    written_by: str | None = None  # the colleague who wrote it


@dataclass(frozen=True)
class Touch:
    """Opens or clicks of one message, counted: `kind` open | click, `verdict` human | proxy | machine.

    `is_judged` False counts event lines for which no raw hit is known (a report of another service).
    """

    message_id: int
    kind: str
    verdict: str
    count: int
    first_at: datetime
    last_at: datetime
    is_judged: bool = True


@dataclass(frozen=True)
class OneHit:
    """One load of the pixel or one followed link, as it came. `link` counts from 0; None for an open."""

    kind: str
    at: datetime
    verdict: str
    reason: str
    agent: str
    link: int | None


@dataclass(frozen=True)
class Facts:
    """Everything besides the lines themselves that a page of the timeline needs."""

    messages: Mapping[int, MessageFact] = field(default_factory=dict)
    story: Mapping[int, Sequence[Line]] = field(default_factory=dict)  # all lines of a message, oldest first
    touches: Mapping[int, Sequence[Touch]] = field(default_factory=dict)
    hits: Mapping[int, Sequence[OneHit]] = field(default_factory=dict)  # the latest of a page's, oldest first
    types: Mapping[str, EventType] = field(default_factory=dict)
    custom: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # the business's own kinds -> labels
