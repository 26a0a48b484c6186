"""One contact with a life: messages in every state, a journey, notes, opens by people and by machines."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from panel.consent.models import Consent
from panel.contacts import operations
from panel.contacts.operations import By
from panel.db import next_ids
from panel.journeys.language import check
from panel.journeys.models import Enrolment, Journey, JourneyVersion
from panel.messages.models import Message
from panel.sdk.context import NewContact
from panel.timeline.operations import record
from panel.tracking.models import TrackingHit

PEOPLE = {
    "he": ("יעל", "כהן", "yael@example.co.il", "+972526234567", "לקוח חוזר", "לקוחות חדשים"),
    "fa": ("مریم", "احمدی", "maryam@example.ir", "+989123456789", "مشتری وفادار", "خبرنامه"),
    "en": ("Emma", "Wilson", "emma@example.com", "+442071234567", "VIP", "Newsletter"),
}
SUBJECTS = {
    "he": ("ברוכים הבאים!", "מתנה קטנה בשבילך", "תודה, מעולה! אפשר לשנות כתובת להזמנה 1234?"),
    "fa": ("خوش آمدید!", "هدیه‌ای کوچک برای شما", "عالی بود، ممنون! می‌شود نشانی سفارش 1234 را عوض کرد؟"),
    "en": ("Welcome!", "A small gift for you", "Great, thanks! Can I change the address of order 1234?"),
}
WELCOME = {"he": "ברוכים הבאים", "fa": "خوش‌آمدگویی", "en": "Welcome series"}
JOURNEY_TEXT = """language: 1
journeys:
  welcome:
    name: {name}
    purpose: marketing
    start_when:
      - joins_list: Newsletter
      - manual: yes
    review_after: 6 months
{more}    steps:
      - send: welcome_1
      - wait: 2 days
      - send: {{message: reminder, via: sms}}
"""


def make_journey(
    session: Session, now: datetime, *, name: str = "Welcome series", id_: str = "welcome", more: str = ""
) -> int:
    """A live journey with one version; returns the version's id."""
    journey = Journey(id=id_, name=name, state="live", created_at=now, updated_at=now)
    session.add(journey)
    session.flush()
    program = check(JOURNEY_TEXT.format(name=name, more=more)).journeys["welcome"].program
    assert program is not None
    version = JourneyVersion(
        journey_id=id_, number=7, sha256=f"{id_:0<64}", source_yaml="", resolved=program | {"id": id_}, published_at=now
    )
    session.add(version)
    session.flush()
    journey.live_version_id = version.id
    session.flush()
    return version.id


def make_contact(session: Session, now: datetime, language: str = "he") -> int:
    first, last, email, phone, tag, list_name = PEOPLE[language]
    operations.create_list(session, list_name)
    at = now - timedelta(days=40)
    contact_id = operations.create_contact(
        session,
        NewContact(
            name=f"{first} {last}", first_name=first, last_name=last, emails=[email], phones=[phone],
            language=language, reference="ABC-123" if language == "en" else f"ABC-{language}",
        ),
        how="import",
        detail={"file": "אנשי קשר.xlsx" if language == "he" else "contacts.xlsx", "row": 12},
        by=By(source="import:1"),
        now=at,
    )  # fmt: skip
    operations.join_list(session, contact_id, list_name, now=at + timedelta(minutes=2))
    operations.add_tag(session, contact_id, tag, now=at + timedelta(days=2))
    return contact_id


def add_message(
    session: Session,
    contact_id: int,
    at: datetime,
    *,
    status: str = "sent",
    channel: str = "email",
    subject: str | None = None,
    address: str = "yael@example.co.il",
    reason: str | None = None,
    journey_id: str | None = "welcome",
    kinds: tuple[tuple[str, timedelta, dict[str, Any]], ...] = (("message_sent", timedelta(0), {}),),
    **more: Any,
) -> int:
    """A row of the ledger with its lines on the timeline."""
    (id_,) = next_ids(session, "messages", 1)
    session.add(
        Message(
            id=id_, dedupe_key=f"test:{id_}", our_message_id=f"m{id_}@panel.test", contact_id=contact_id,
            channel=channel, journey_id=journey_id, step_id="send_welcome_1" if journey_id else None, address=address,
            subject=subject, status=status, reason=reason, planned_at=at, not_before=at,
            skeleton=("0" * 64) if status in ("sent", "delivered") else None, **more,
        )
    )  # fmt: skip
    session.flush()
    for kind, after, data in kinds:
        record(
            session, contact_id=contact_id, kind=kind, occurred_at=at + after,
            data={"channel": channel, "subject": subject, **data}, source="messages", message_id=id_,
        )  # fmt: skip
    return id_


def add_hit(session: Session, contact_id: int, message_id: int, at: datetime, kind: str, verdict: str) -> None:
    session.add(TrackingHit(message_id=message_id, contact_id=contact_id, kind=kind, at=at, verdict=verdict))
    session.flush()


def make_story(session: Session, now: datetime, language: str = "he") -> int:
    """A contact with everything on the timeline that a page must be able to show. Returns the contact's id."""
    contact_id = make_contact(session, now, language)
    welcome, gift, reply = SUBJECTS[language]
    version = make_journey(session, now - timedelta(days=50), name=WELCOME[language])
    (enrolment,) = next_ids(session, "enrolments", 1)
    session.add(
        Enrolment(
            id=enrolment, journey_id="welcome", version_id=version, contact_id=contact_id,
            entered_at=now - timedelta(days=3), status="active", step_id="wait_after_send_welcome_1",
            step_began_at=now - timedelta(days=1), phase="waiting", due_at=now + timedelta(hours=20),
            wait={"kind": "wait", "until": (now + timedelta(hours=20)).isoformat()},
        )
    )  # fmt: skip
    session.add(
        Consent(
            contact_id=contact_id, channel="email", state="opted_in", how="form", at=now - timedelta(days=40)
        )
    )  # fmt: skip
    session.flush()
    record(
        session, contact_id=contact_id, kind="journey_entered", occurred_at=now - timedelta(days=3),
        data={"journey": WELCOME[language], "journey_id": "welcome", "version": 7, "because": "joins_list"},
        source="journeys", enrolment_id=enrolment,
    )  # fmt: skip
    day, minute = timedelta(days=1), timedelta(minutes=1)
    first = add_message(
        session, contact_id, now - 3 * day, subject=welcome, status="delivered",
        kinds=(
            ("message_sent", timedelta(0), {}),
            ("message_delivered", minute, {}),
            ("link_clicked", 400 * minute, {"url": "https://example.com/gift?utm=1", "verdict": "human"}),
            ("message_replied", 500 * minute, {"text": reply}),
        ),
    )  # fmt: skip
    for after, kind, verdict in ((1, "open", "machine"), (2, "open", "machine"), (390, "open", "human"),
                                 (395, "open", "human"), (450, "open", "human"), (400, "click", "human")):  # fmt: skip
        add_hit(session, contact_id, first, now - 3 * day + after * minute, kind, verdict)
    add_message(session, contact_id, now - day, subject=gift, status="delivered",
                kinds=(("message_sent", timedelta(0), {}), ("message_delivered", minute, {})))  # fmt: skip
    add_message(
        session, contact_id, now - day - 3 * minute, channel="sms", status="failed", reason="failed_address",
        address="+972526234567", kinds=(("message_failed", timedelta(0), {"detail": "DLR 027: absent subscriber"}),),
    )  # fmt: skip
    add_message(
        session, contact_id, now - 2 * day, channel="sms", status="skipped", reason="no_consent",
        kinds=(("message_skipped", timedelta(0), {"reason": "no_consent"}),),
    )  # fmt: skip
    add_message(
        session, contact_id, now - 2 * day - minute, status="unknown", subject=gift,
        kinds=(("message_unknown", timedelta(0), {}),),
    )  # fmt: skip
    add_message(session, contact_id, now + 4 * timedelta(hours=1), status="queued", subject=gift,
                reason="postponed_hours", kinds=())  # fmt: skip
    operations.add_note(session, contact_id, "Prefers calls after five.\nהעדיפה שיחה בערב.", now=now - 2 * minute)
    form = {"form": "Contact us", "topic": "delivery", "message": "When do you open?"}
    record(session, contact_id=contact_id, kind="form_submitted", occurred_at=now - 5 * day, data=form, source="form")
    record(session, contact_id=contact_id, kind="order_paid", occurred_at=now - 10 * day,
           data={"amount": "1240.50", "currency": "ILS", "order": "A-1007"}, source="api")  # fmt: skip
    record(session, contact_id=contact_id, kind="oldplugin.letter_posted", occurred_at=now - 12 * day,
           data={"tracking_number": "RR-123-IL", "summary": "Letter to Haifa"}, source="oldplugin")  # fmt: skip
    return contact_id
