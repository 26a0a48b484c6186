"""What a server's answer means for the message it is about. Only a certain answer decides; see `smtp` for the rest."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal, NamedTuple

from panel.sdk.channels import Deferred, Failed
from panel.sdk.errors import Misconfigured

Phase = Literal["mail", "rcpt", "data", "body"]

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})\b")
# The address does not exist or may never be used again: asking for it again only harms our name.
_NO_SUCH_ADDRESS = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "2.1"})
_ADDRESS = frozenset(
    {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.9", "1.10", "2.0", "2.1", "2.2", "2.3", "4.4"}
)
# Microsoft's "your domain does not authenticate": the sender must be paused, no contact is to blame.
_OUR_FAULT = frozenset({"7.515", "7.8", "7.14", "7.30", "1.7", "1.8"})
_GREYLISTED = timedelta(minutes=5)


class Reply(NamedTuple):
    """One SMTP reply: its code and its text on one line."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """The subject and detail of the enhanced code: "1.1" of 5.1.1; empty when there is none."""
        found = _ENHANCED.match(self.text)
        return f"{int(found[2])}.{int(found[3])}" if found and found[1] == str(self.code)[0] else ""

    @property
    def words(self) -> str:
        return f"{self.code} {self.text}"[:300].strip()


def refused(reply: Reply, phase: Phase) -> Failed | Deferred | Misconfigured:
    """What a refusal (4xx or 5xx) means. Misconfigured is returned: the caller knows whether it may be raised."""
    if 400 <= reply.code < 500:
        return Deferred(reply.words, _GREYLISTED if phase == "rcpt" and reply.code in (450, 451) else None)
    code = reply.enhanced
    if code in _OUR_FAULT or (phase == "mail" and reply.code in (530, 535, 550, 553, 554)):
        return Misconfigured("password" if reply.code in (530, 535) else "from_address", reply.words)
    if phase == "rcpt" and not code and reply.code in (550, 551, 553):
        # A bare "550 no such user". Not certain enough to block the address for good.
        return Failed("failed_address", reply.words)
    if code in _ADDRESS and phase in ("rcpt", "body"):
        return Failed("failed_address", reply.words, suppress=code in _NO_SUCH_ADDRESS)
    return Failed("failed_provider", reply.words)
