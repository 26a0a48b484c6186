"""Which events say that a person is there."""

from __future__ import annotations

# What only a person does; what a machine followed has a kind of its own (`machine_clicked`). Opens are not among them:
# mail programs load pictures by themselves.
SIGNS = frozenset(
    {"message_replied", "link_clicked", "form_submitted", "page_visited", "order_paid", "accounting.payment_received"}
)
OPEN = "message_opened"
# An open by the proxy of a mail service counts as an open of the message, and says little about the person.
NOT_A_PERSON = ("proxy", "machine")
