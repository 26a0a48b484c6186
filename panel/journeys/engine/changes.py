"""Which events can change the answer to a condition: after these it is asked again, of a run as of everybody."""

from __future__ import annotations

from collections.abc import Mapping

from panel.engagement.signs import SIGNS
from panel.journeys.engine.conditions import DATE_COMES, Condition, walk

# What comes back about a message, and what a step that tries to reach somebody looks at again after.
ABOUT_MESSAGES = frozenset(
    {"message_delivered", "message_opened", "link_clicked", "message_replied", "message_bounced", "message_failed"}
)
# A field may be the score, or the address that is the contact's first of its kind.
_FIELDS = frozenset({"contact_updated", "score_changed", "address_first"})
# Beside the events that a test counts.
_CHANGES: Mapping[str, frozenset[str]] = {
    "has_tag": frozenset({"tag_added", "tag_removed"}),
    "in_list": frozenset({"list_joined", "list_left"}),
    "field": _FIELDS,
    DATE_COMES: frozenset({"contact_updated"}),
    "in_segment": frozenset({"segment_entered", "segment_left"}),
    "in_journey": frozenset({"journey_entered", "journey_ended"}),
    "prefers": frozenset({"channel_pinned", "channel_unpinned"}),
    "rhythm": SIGNS,
    "message": ABOUT_MESSAGES,
    "can_reach": frozenset({"consent_given", "opted_out", "unsubscribed", "address_suppressed", "suppression_lifted",
                            "address_first", "address_broken", "address_works", "contact_updated", "message_bounced",
                            "message_complained"}),
}  # fmt: skip


def kinds_of(condition: Condition) -> frozenset[str]:
    """The kinds of events that can change what `condition` says of somebody."""
    kinds: set[str] = set()
    for one in walk(condition):
        kinds |= _CHANGES.get(one["test"], frozenset())
        if one["test"] in ("happened", "not_happened"):
            kinds.add(one["event"])
            if one.get("within") or one.get("where"):
                kinds.add("contact_updated")  # another clock, or a field that the lines compare
    return frozenset(kinds)
