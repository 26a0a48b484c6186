"""Holiday calendars: on which days `holidays: skip` in a journey sends nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class HolidayCalendar:
    """`calendar: <name>` in the allowed hours of a journey.

    `holiday` gives the name of the holiday of a day, None on ordinary days. It is asked often, for any day of any year:
    it must be quick, must not go out to the network, and must always answer the same. `name` is small letters, digits
    and _. The names of holidays are English texts marked with N_; the panel shows them in the reader's language.
    """

    name: str
    label: str
    holiday: Callable[[date], str | None]

    def is_holiday(self, day: date) -> bool:
        return self.holiday(day) is not None
