"""Starting a journey for one contact by hand: which ones offer it, and what came of it, in words."""

from __future__ import annotations

from sqlalchemy.orm import Session

from panel import clock
from panel.i18n import N_, current_language, translate
from panel.journeys import reasons
from panel.journeys.engine.entry import Candidate, consider
from panel.journeys.engine.programs import LiveJourney, live


def startable(session: Session, language: str) -> list[tuple[str, str, str]]:
    """Live journeys that a person may start: (id, name, what it is for)."""
    found = [one for one in live(session) if one.state == "live" and one.program.can_start_by_hand]
    named = [(one.id, _name(one), str(one.program.resolved.get("description") or "")) for one in found]
    return sorted(named, key=lambda entry: entry[1].casefold())


def start_by_hand(session: Session, contact_id: int, journey_id: str, user_id: int) -> str | None:
    """Let the contact in through the same gates as any other start. None when it is inside, else why not, in words."""
    language = current_language()
    journey = next((one for one in live(session) if one.id == journey_id), None)
    if journey is None or not journey.program.can_start_by_hand:
        return translate(language, N_("This journey cannot be started by hand."))
    candidate = Candidate(journey, contact_id, "manual", clock.now(), user_id=user_id)
    (outcome,) = consider(session, [candidate], clock.now())
    return None if outcome.code == "entered" else reasons.entry_words(outcome.code, language)


def _name(journey: LiveJourney) -> str:
    return str(journey.program.resolved.get("name") or journey.id)
