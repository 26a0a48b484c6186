"""How many messages a worker takes in hand at a time: a big batch costs less a message, and is looked at for longer.

What is stored after the last look at a batch (a stop, an opt-out) finds its messages on their way. So a batch is what
goes out in a moment: fewer where the provider is slow, more where it is quick.
"""

from __future__ import annotations

from panel.journeys.engine.claiming import BATCH

MOMENT = 0.25  # seconds from the last look at a batch until the last of it is handed over
FEWEST, MOST = 20, 1000


class Pace:
    """The size of the next batch, by how long the last ones took."""

    def __init__(self) -> None:
        self.size = BATCH

    def took(self, count: int, seconds: float) -> None:
        """So many were handed over in so many seconds. Few at once say little about how quickly many would go."""
        fit = int(count * MOMENT / max(seconds, 1e-6))
        if fit < self.size or count >= self.size / 2:
            self.size = max(FEWEST, min(fit, MOST))
