"""Images of a message that lie elsewhere, fetched only when a person asks, by the panel and without saying for whom."""

from __future__ import annotations

import base64
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from panel.sdk import outbound

MOST = 20
LARGEST = 2 * 1024 * 1024
SECONDS = 8.0
_BEGINNINGS = ((b"\x89PNG\r\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))


@dataclass
class Fetched:
    """`loaded`: address to `data:` address. `own`: left out because the address was made for this contact alone, so
    that asking for it would look like the contact. `failed`: no image came."""

    loaded: dict[str, str] = field(default_factory=dict)
    own: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def fetch(addresses: Collection[str], same_for_everybody: Collection[str], *, allow_local: bool = False) -> Fetched:
    """Fetch the images whose address is the same in everybody's message. No cookie, no referrer, no name goes along.

    At most MOST images of LARGEST bytes, all within SECONDS; what is not an image by its first bytes is not shown.
    """
    found = Fetched()
    end = time.monotonic() + SECONDS
    for address in addresses:
        if address not in same_for_everybody:
            found.own.append(address)
            continue
        left = end - time.monotonic()
        image = _image(address, left, allow_local) if left > 0 and len(found.loaded) < MOST else None
        if image is None:
            found.failed.append(address)
        else:
            found.loaded[address] = image
    return found


def _image(address: str, seconds: float, allow_local: bool) -> str | None:
    try:
        answer = outbound.request(
            "GET", address, headers={"Accept": "image/*"}, timeout=seconds, allow_local=allow_local, max_answer=LARGEST
        )
    except (outbound.NotSentError, outbound.NoAnswerError):
        return None
    if answer.status != 200 or not answer.complete:
        return None
    kind = next((name for start, name in _BEGINNINGS if answer.body.startswith(start)), None)
    return f"data:image/{kind};base64,{base64.b64encode(answer.body).decode()}" if kind else None
