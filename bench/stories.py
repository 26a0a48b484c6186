"""What the benches send: one template, and a live journey that sends it."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy.orm import Session

from panel.journeys.language import check
from panel.journeys.models import Journey, JourneyVersion
from panel.messages.models import Template, TemplateForm, TemplateVersion


def publish_with_letter(session: Session, text: str, journey_id: str, now: datetime) -> JourneyVersion:
    """Store the template `letter` and the journey of `text` (a whole file) as live; returns its version."""
    program = check(text).journeys[journey_id].program
    assert program is not None
    template = Template(name="letter", created_at=now, updated_at=now)
    session.add(template)
    session.flush()
    letter = TemplateVersion(template_id=template.id, number=1, created_at=now)
    letter.forms = [TemplateForm(channel="email", subject="Hello", text="Hello [[first name|you]]")]
    session.add(letter)
    session.flush()
    template.current_version_id = letter.id
    journey = Journey(id=journey_id, name=program["name"], state="live", created_at=now, updated_at=now)
    session.add(journey)
    session.flush()
    version = JourneyVersion(
        journey_id=journey_id, number=1, sha256=hashlib.sha256(text.encode()).hexdigest(), source_yaml=text,
        resolved=program, published_at=now,
    )  # fmt: skip
    session.add(version)
    session.flush()
    journey.live_version_id = version.id
    return version
