"""A small business to try things on: colleagues, fields, lists, templates, and sixty contacts with a past."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.operations import create_field, create_list, create_tag
from panel.demo.people import COLLEAGUES
from panel.demo.stories import load_people
from panel.demo.texts import load_templates
from panel.installation.operations import set_setting
from panel.installation.queries import get_setting
from panel.staff.models import User
from panel.staff.operations import create_user
from panel.timeline.models import CustomEventType

COMPANY = {
    "name": "Gan Nava גן נאווה",
    "address": "12 HaGefen St, Haifa, Israel",
    "country": "IL",
    "time_zone": "Asia/Jerusalem",
    "language": "en",
    "currency": "ILS",
}
# (identity, type, English, Hebrew, Persian)
FIELDS = (
    ("birthday", "date", "birthday", "יום הולדת", "تاریخ تولد"),
    ("customer_since", "date", "customer since", "לקוח מאז", "مشتری از"),
    ("city", "text", "city", "עיר", "شهر"),
    ("discount_code", "text", "discount code", "קוד הנחה", "کد تخفیف"),
    ("tax_id", "text", "tax id", "ח.פ.", "شناسه ملی"),
)
LISTS = ("Newsletter", "Programme", "VIP", "לקוחות חדשים", "مشتریان تازه")
TAGS = ("warm", "cold", "vip", "staff", "עובדים", "went quiet", "complaint open", "disputed invoice", "payment plan")
EVENTS = (
    ("billing.card_expired", {"en": "Card expired", "he": "תוקף הכרטיס פג", "fa": "کارت منقضی شد"}, ["card_id"]),
    ("billing.card_updated", {"en": "Card updated", "he": "הכרטיס עודכן", "fa": "کارت به‌روز شد"}, ["card_id"]),
)


def load(session: Session, now: datetime | None = None) -> int:
    """Load the demo once, in the caller's transaction. How many contacts it brought; 0 when it is there already.

    Needs an application context (passwords are hashed). Says so in the setting `demo_loaded`.
    """
    at = now or clock.now()
    if get_setting(session, "demo_loaded"):
        return 0
    if not get_setting(session, "company"):
        set_setting(session, "company", dict(COMPANY))
    session.flush()
    for handle, name, email, role, language in COLLEAGUES:
        if session.scalars(select(User.id).where(User.email == email)).first() is None:
            # Their one-time passwords are thrown away: somebody here must give them new ones before they can log in.
            create_user(session, email, name=name, role=role, language=language, handle=handle, by=None)
    for name, type_, english, hebrew, persian in FIELDS:
        create_field(session, name, type_, labels={"en": english, "he": hebrew, "fa": persian}, now=at)
    for name in LISTS:
        create_list(session, name, now=at)
    for name in TAGS:
        create_tag(session, name, now=at)
    for name, labels, fields in EVENTS:
        if session.get(CustomEventType, name) is None:
            session.add(CustomEventType(name=name, labels=labels, fields=fields))
    load_templates(session, None)
    count = load_people(session, at)
    set_setting(session, "demo_loaded", {"at": at.isoformat(), "contacts": count})
    return count
