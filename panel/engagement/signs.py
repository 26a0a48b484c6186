"""Which events say that a person is there, and which are only a machine's or an address's doing."""

from __future__ import annotations

# What only a person does. Opens are not among them: mail programs load pictures by themselves.
SIGNS = frozenset(
    {"message_replied", "link_clicked", "form_submitted", "page_visited", "order_paid", "accounting.payment_received"}
)
OPEN = "message_opened"
# These carry a verdict (person, proxy, machine); one without it was told to us and is taken at its word.
JUDGED = (OPEN, "link_clicked")
NOT_A_PERSON = ("proxy", "machine")
