"""What the filter bar of a timeline offers and says: plain values for `timeline/filters.html`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from panel.calendars import Reader
from panel.i18n import N_
from panel.web.timeline import words
from panel.web.timeline.asking import KINDS, Asked, chosen

TABS = (
    ("all", N_("All")),
    *((name, KINDS[name]) for name in ("messages", "engagement", "journeys", "forms", "notes")),
)
_DAYS = {"gregorian": "22.11.2026", "solar_hijri": "1405/9/1", "hebrew": "22.11.2026"}


def bar(asked: Asked, reader: Reader, journeys: Mapping[str, str], hands: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """`journeys`: id -> name of those the contact was in; `hands`: the colleagues, as ("user:7", name)."""
    people = {int(key.removeprefix("user:")): name for key, name in hands if key.startswith("user:")}
    return {
        "asked": asked,
        "filters": TABS,
        "kinds": KINDS,
        "channel_choices": [(name, words.channel_words(name, reader.language)) for name in words.CHANNELS],
        "journey_choices": journeys,
        "people_choices": people,
        "chosen": chosen(asked, reader, journeys, people),
        "day_example": _DAYS.get(reader.calendar, _DAYS["gregorian"]),
    }
