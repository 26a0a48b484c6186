"""The three ways an outside service fails. Anything else is a bug, logged with the plugin's name.

`UserError` is what the panel raises at a plugin: an expected refusal, with `.words(language)` for a person.
"""

from __future__ import annotations

from datetime import timedelta

from panel.errors import UserError

__all__ = ["Misconfigured", "NeverDeliverable", "TryLater", "UserError"]


class TryLater(Exception):
    """Busy, timed out before anything was handed over, rate limited. Certainly nothing was sent.

    `after` is how long the service asked us to wait; None lets the panel choose with growing pauses.
    """

    def __init__(self, reason: str = "", *, after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after


class NeverDeliverable(Exception):
    """This address or object will never work. `reason` is a code such as "no_such_mailbox"."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


class Misconfigured(Exception):
    """The connection itself is wrong (key revoked, sender not allowed). Pauses it and tells the owner once.

    `field` names the setting to look at, or is empty.
    """

    def __init__(self, field: str, detail: str = "") -> None:
        super().__init__(detail or field)
        self.field = field
        self.detail = detail
