"""Messages a second: a channel that declares a rate is never asked for more, by any number of workers and machines.

All of them stand in one line, which is one row: from when on the next turn is free. Whoever wants to hand something
over takes the next turn in a statement of its own, waits until it has come, and hands over at once. Who comes too late
(a slow commit, a machine that stood still) takes another; who is killed has wasted one. So whatever goes wrong, turns
are lost and never doubled. Turns lie a little further apart than the rate asks, which is what they may be late.

A worker that finds somebody waiting in the line already leaves: one that waits is enough, the others have better things
to do, and the ticker rings again. Channels without a rate do nothing of all this.
"""

from __future__ import annotations

import time
from functools import partial

from sqlalchemy import text
from sqlalchemy.orm import Session

from panel.db import connection_of, writing
from panel.journeys.engine.persisting import persist

MOMENT = 0.25  # seconds: what is taken in hand at once, so that the last look at it is not old when it goes
TURNS = 25  # a second; a quicker channel gets several messages a turn, a slower one fewer turns
# Of the second (of the time of one message, if that is longer): how late a message may be at its provider. Half of it
# is for us, the other half for what lies between.
GRACE = 0.05
PREPARE = 0.05  # seconds that the last look and the mark take, as a rule; twice as much is left for them where it can
ROOM = 5.0  # seconds; nobody waits longer for the first turn: the ticker comes by
FAR = 60.0  # seconds; a line that is longer than it can be is one whose clock was set back

_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
_TAKE = """
INSERT INTO channel_lines (channel, free_at) VALUES (:channel, {now} + :lead + :step)
ON CONFLICT (channel) DO UPDATE SET free_at = :step + CASE
  WHEN channel_lines.free_at > {now} + :far OR channel_lines.free_at < {now} + :lead THEN {now} + :lead
  ELSE channel_lines.free_at END
WHERE channel_lines.free_at <= {now} + :room OR channel_lines.free_at > {now} + :far
RETURNING free_at, free_at - :step - {now}
"""
_GIVE_BACK = "UPDATE channel_lines SET free_at = free_at - :step WHERE channel = :channel AND free_at = :mine"


class Line:
    """One worker's place in a channel's line, for one batch. `rate`: messages a second, None for no limit.

    Needs an application context. In this order: `enter`, then `leave` or `wait`, then `turn` before each hand-over
    (`at_most` says of how many).
    """

    def __init__(self, channel: str, rate: float | None) -> None:
        self.channel = channel
        self.rate = rate if rate is not None and rate > 0 else None
        if self.rate is None:
            return
        self.at_once = max(1, int(self.rate / TURNS))
        span = max(1.0, 1 / self.rate)
        self.grace = span * GRACE
        # As many turns lie within a second as the rate allows, even if the first is late and the last is not.
        self.step = (span + self.grace) / max(1, int(self.rate / self.at_once + 1e-9))
        self.free_at = 0  # where the line ended when our turn was taken
        self.mine: float | None = None  # when our turn comes, by this process's own clock; None: it was used

    def enter(self) -> bool:
        """Take the first turn; False when somebody else is waiting for one."""
        if self.rate is None:
            return True
        with writing() as session:
            return self._take(session, lead=PREPARE, room=min(self.step, ROOM) + PREPARE)

    def share(self, limit: int) -> int:
        """How many messages to take in hand, of at most `limit`."""
        return limit if self.rate is None else min(limit, max(self.at_once, int(self.rate * MOMENT)))

    def at_most(self, size: int) -> int:
        """How many of a batch of `size` may be handed over in one turn."""
        return size if self.rate is None else min(size, self.at_once)

    def leave(self) -> None:
        """Nothing is to be handed over: give the turn back, unless others stand behind it already."""
        if self.rate is None:
            return
        with writing() as session:
            known = {"channel": self.channel, "step": _micros(self.step), "mine": self.free_at}
            connection_of(session).execute(text(_GIVE_BACK), known)

    def wait(self) -> None:
        """Sleep until shortly before the turn: then comes the last look at the messages, and what it takes."""
        if self.rate is not None and self.mine is not None:
            _sleep_until(self.mine - 2 * PREPARE)

    def turn(self) -> None:
        """Return when, and only when, the next messages may be handed over, at once."""
        if self.rate is None:
            return
        lead = 0.0
        while True:
            if self.mine is None:
                persist(partial(self._take, lead=lead))
            assert self.mine is not None
            _sleep_until(self.mine)
            late, self.mine = time.monotonic() - self.mine, None
            if late <= self.grace / 2:
                return
            # Whatever made us late may do so again: the next turn leaves more room for it.
            lead = min(max(lead * 2, GRACE / 2), ROOM)

    def _take(self, session: Session, *, lead: float = 0.0, room: float | None = None) -> bool:
        connection = connection_of(session)
        far = FAR + 50 * self.step
        known = {
            "channel": self.channel,
            "step": _micros(self.step),
            "lead": _micros(lead),
            "far": _micros(far),
            "room": _micros(far if room is None else room),
        }
        if connection.dialect.name == "postgresql":
            # A line that a falling server forgot is one that was empty by the time it is back.
            connection.execute(text("SET LOCAL synchronous_commit = off"))
            row = connection.execute(text(_TAKE.format(now=_NOW)), known).first()
            here = time.monotonic()
        else:
            # The write lock is ours by now, so nobody waits between this look at the clock and the row.
            here = time.monotonic()
            row = connection.execute(text(_TAKE.format(now=":now")), known | {"now": time.time_ns() // 1000}).first()
        if row is None:
            return False
        self.free_at, until = row
        self.mine = here + until / 1e6
        return True


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
