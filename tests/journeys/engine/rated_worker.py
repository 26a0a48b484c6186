"""A real worker whose e-mail channel writes down when it was asked for what.

`python -m tests.journeys.engine.rated_worker NUMBER`
Each line of the file RATED_LOG is a moment in nanoseconds and a message's key. RATED_RATE is what the channel declares,
RATED_SLOW how many seconds an answer takes.
"""

from __future__ import annotations

import os
import sys
import time

from panel import worker
from panel.plugin_manager.manager import PluginManager
from panel.sdk.channels import ChannelFacts, Outgoing, Sent
from panel.sdk.testing import RecordingChannel
from tests.fixtures.processes import die_with_parent


def main() -> int:
    die_with_parent()
    log = os.open(os.environ["RATED_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    slow = float(os.environ.get("RATED_SLOW", "0"))

    def answer(outgoing: Outgoing) -> Sent:
        os.write(log, f"{time.time_ns()} {outgoing.key}\n".encode())
        time.sleep(slow)
        return Sent(f"p{outgoing.message_id}")

    facts = ChannelFacts(batch_size=50, rate=float(os.environ["RATED_RATE"]))
    channel = RecordingChannel(facts=facts, answer=answer)
    PluginManager.channels = lambda _self: {"email": channel}  # type: ignore[method-assign]
    return worker.main(["worker", sys.argv[1]])


if __name__ == "__main__":
    sys.exit(main())
