"""How a channel's messages look: as it declares, or as what it shows suggests."""

from __future__ import annotations

from typing import get_args

from panel.sdk.channels import Channel, Preview, Shown

_KNOWN = frozenset(get_args(Preview))


def presentation(channel: Channel | None, shown: Shown) -> Preview:
    """mail, bubble, page or card. A channel that declares nothing, or is gone, is shown by what its message holds.

    A channel that declares pages and hands over no document is shown as a card: its text is there, its pages are not.
    """
    declared: Preview | None = getattr(channel, "preview", None)
    if declared in _KNOWN and declared is not None and (declared != "page" or shown.document):
        return declared
    if shown.document:
        return "page"
    if shown.html:
        return "mail"
    if channel is None or channel.address_kind == "phone":
        return "bubble"
    return "card"
