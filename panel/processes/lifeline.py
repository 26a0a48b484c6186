"""No process of ours outlives its supervisor, not even one that was killed with -9."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

PARENT = "PANEL_SUPERVISOR"
# After its supervisor died, a process may finish the batch in its hands for this long.
LAST_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1


def tie(sign: int) -> None:
    """Let the kernel send `sign` to this process when its parent dies. Linux only; elsewhere it does nothing.

    The tie survives exec, so a supervisor calls it in the child before it starts another program.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, sign, 0, 0, 0)


def hold() -> None:
    """Called by each of our own processes when it starts: end with the supervisor named in the environment.

    Outside a supervisor it does nothing. The parent may have died before the tie was made, so look once after it;
    where the kernel offers no tie, keep looking.
    """
    parent = os.environ.get(PARENT)
    if not parent:
        return
    tie(signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("the supervisor is gone")
    threading.Thread(target=_watch, args=(int(parent),), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    if not sys.platform.startswith("linux"):
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST_SECONDS)
    # Still here: a provider that does not answer, a lock that does not come. What was begun is in the ledger.
    os._exit(1)
