"""What of the journey language runs today. Anything else is refused when it is published, never accepted and ignored."""

from __future__ import annotations

from panel.journeys.engine.verbs import VERBS

STEPS = frozenset(VERBS)
TRIGGERS = frozenset(
    {"event", "contact_created", "joins_list", "leaves_list", "tag_added", "tag_removed", "form_submitted",
     "page_visited", "manual"}
)  # fmt: skip
CONDITIONS = frozenset(
    {"all", "any", "not", "field", "has_tag", "in_list", "in_journey", "happened", "not_happened", "message",
     "can_reach"}
)  # fmt: skip
# Settings whose values are limited for now: the value that runs, by key.
CHANNELS_REFUSED = frozenset({"preferred"})
