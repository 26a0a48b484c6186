"""A small business to try things on: colleagues, fields, lists, templates, and sixty contacts with a past."""

from __future__ import annotations

from datetime import datetime
from secrets import token_hex

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
from panel.staff.operations import ensure_roles
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


def _load_colleagues(session: Session, at: datetime) -> None:
    """They have no passwords: somebody here must give them one before they can log in."""
    roles = ensure_roles(session)
    taken = set(session.scalars(select(User.email)))
    for handle, name, email, role, language in COLLEAGUES:
        if email not in taken:
            user = User(email=email, name=name, handle=handle, language=language, fs_uniquifier=token_hex(32))
            user.roles, user.created_at = [roles[role]], at
            session.add(user)


def load(session: Session, now: datetime | None = None) -> int:
    """Load the demo once, in the caller's transaction. How many contacts it brought; 0 when it is there already.

    Says so in the setting `demo_loaded`.
    """
    at = now or clock.now()
    if get_setting(session, "demo_loaded"):
        return 0
    if not get_setting(session, "company"):
        set_setting(session, "company", dict(COMPANY))
    session.flush()
    _load_colleagues(session, at)
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
