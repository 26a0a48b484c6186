"""What of the journey language runs today. Anything else is refused at publishing, never accepted and ignored."""

from __future__ import annotations

from panel.journeys.engine.verbs import VERBS
from panel.journeys.language.program import Running

RUNNING = Running(
    verbs=frozenset(VERBS),
    triggers=frozenset(
        {"event", "contact_created", "joins_list", "leaves_list", "tag_added", "tag_removed", "form_submitted",
         "page_visited", "becomes_true", "manual", "date", "schedule"}
    ),
    conditions=frozenset(
        {"all", "any", "not", "field", "has_tag", "in_list", "in_segment", "in_journey", "happened", "not_happened",
         "message", "can_reach", "prefers", "rhythm", "check"}
    ),
    settings=frozenset(
        {"existing", "entry_limit", "sum", "if_already_in", "when_edited", "holidays", "earlier", "month_day",
         "preferred", "to"}
    ),
)  # fmt: skip
