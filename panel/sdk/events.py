"""Event types: each kind of line on the timeline states its icon, its sentence, how it is shown and erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Group = Literal["messages", "engagement", "journeys", "forms", "notes", "money", "profile", "consent", "system"]
Erase = Literal["keep", "drop_values"]


@dataclass(frozen=True)
class EventField:
    """A value an event carries, usable in journeys as `event.<name>`. `kind`: text | number | money | date | moment |
    yes_no."""

    name: str
    label: str
    kind: str = "text"
    personal: bool = True  # dropped when the contact is erased


@dataclass(frozen=True)
class EventType:
    """One kind of event.

    `sentence` is an English msgid whose `%(name)s` slots are the event's data, e.g. "Joined the list %(list)s".
    `icon` is a Tabler icon name. `tone`: neutral | good | attention | bad. `erase` says what erasing a contact does:
    "keep" (nothing personal inside) or "drop_values" (every personal field is emptied, the line stays).
    `fresh_within`: when the source has been silent longer than this, its absence proves nothing (language rule 2d.10).
    `starts` lists whether journeys may use it as a trigger. `listed` False keeps it off the timeline unless asked for.
    """

    name: str
    label: str
    sentence: str
    icon: str = "point"
    group: Group = "system"
    fields: Sequence[EventField] = ()
    tone: Literal["neutral", "good", "attention", "bad"] = "neutral"
    erase: Erase = "drop_values"
    fresh_within: timedelta | None = None
    starts: bool = True
    listed: bool = True
