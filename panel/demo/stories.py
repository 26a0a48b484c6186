"""What happened to the demo's contacts in the last six months: varied, and the same on every machine."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from panel.consent.operations import opt_in, opt_out, suppress
from panel.contacts.operations import By, add_note, add_tag, create_contact, join_list
from panel.demo.people import NOTES, PEOPLE, TIME_ZONES, phone_of
from panel.sdk.context import NewContact
from panel.timeline.operations import NewEvent, record_many

DEMO = By("demo", starts_journeys=False)
_WORDING = {
    "en": "Yes, write to me about what is in season.",
    "he": "כן, כתבו לי על מה שבעונה.",
    "fa": "بله، دربارهٔ محصولات فصل برایم بنویسید.",
}
_LISTS = {"he": "לקוחות חדשים", "fa": "مشتریان تازه", "en": "Programme"}
_WAYS = ("form", "import", "manual", "api", "landing_page")


def load_people(session: Session, now: datetime) -> int:
    """Store the contacts with their histories; how many. Nothing of it starts a journey."""
    chance = random.Random(20261122)
    for number, somebody in enumerate(PEOPLE):
        _tell(session, number, somebody, now, chance)
    return len(PEOPLE)


def _tell(session: Session, number: int, somebody: tuple[str, ...], now: datetime, chance: random.Random) -> None:
    name, language, city, email, company, reference = somebody
    came = now - timedelta(days=chance.randint(6, 180), minutes=chance.randint(0, 900))
    phone = phone_of(number, language) if number % 7 != 5 or not email else ""
    fields = {"city": city, "time_zone": TIME_ZONES[language]}
    if company:
        fields["company"] = company
    if number % 3 == 0:
        fields["birthday"] = f"{1958 + number % 45}-{1 + number % 12:02}-{1 + number % 28:02}"
    if reference:
        fields["customer since"] = (came - timedelta(days=chance.randint(30, 1500))).date().isoformat()
    how = _WAYS[number % len(_WAYS)]
    contact_id = create_contact(
        session,
        NewContact(name=name, emails=[email] if email else [], phones=[phone] if phone else [],
                   reference=reference or None, language=language, fields=fields),
        how=how, detail={"demo": True}, by=DEMO, now=came, match=False,
    )  # fmt: skip
    if number % 4 != 3:
        for channel in ("email", "sms"):
            if (channel == "email" and email) or (channel == "sms" and phone and number % 2 == 0):
                opt_in(session, contact_id, channel, how="form", wording=_WORDING[language], source="demo",
                       proof={"page": "https://example.com/sign-up"}, now=came, by=DEMO)  # fmt: skip
        if number % 2 == 0:
            join_list(session, contact_id, "Newsletter", by=DEMO, now=came)
        if number % 5 == 1:
            join_list(session, contact_id, _LISTS[language], by=DEMO, now=came + timedelta(hours=3))
    _shop(session, contact_id, number, came, now, chance)
    if number % 6 == 2:
        at = came + (now - came) * 0.6
        add_note(session, contact_id, chance.choice(NOTES[language]), by=DEMO, now=at)
    if number == 19 or number == 47:
        opt_out(session, contact_id, "email", how="one_click", source="demo", now=came + (now - came) * 0.8, by=DEMO,
                address=email or None)  # fmt: skip
    if number == 33 and email:
        suppress(session, "email", email, "hard_bounce", contact_id=contact_id, source="demo",
                 now=came + (now - came) * 0.5, by=DEMO)  # fmt: skip


def _shop(session: Session, contact_id: int, number: int, came: datetime, now: datetime, chance: random.Random) -> None:
    """Orders and visits, and the tags that follow from them."""
    events: list[NewEvent] = []
    at, spent = came, 0
    orders = (0, 1, 2, 5, 0, 3)[number % 6]
    for order in range(orders):
        at += (now - at) * chance.uniform(0.15, 0.5)
        if at >= now - timedelta(hours=1):
            break
        page = {"page": "https://example.com/season"}
        events.append(_event(contact_id, "page_visited", at - timedelta(minutes=20), page))
        amount = chance.randint(40, 480)
        spent += amount
        data = {"amount": str(amount), "order": f"D{number:03}-{order + 1}", "currency": "ILS"}
        events.append(_event(contact_id, "order_paid", at, data))
    if number == 8:
        events.append(_event(contact_id, "complaint_opened", now - timedelta(days=4), {}))
    record_many(session, events)
    if spent > 600:
        add_tag(session, contact_id, "vip", by=DEMO, now=min(at + timedelta(minutes=1), now))
    if number == 8:
        add_tag(session, contact_id, "complaint open", by=DEMO, now=now - timedelta(days=4))
    if number == 21:
        add_tag(session, contact_id, "disputed invoice", by=DEMO, now=now - timedelta(days=9))


def _event(contact_id: int, kind: str, at: datetime, data: dict[str, str]) -> NewEvent:
    return NewEvent(contact_id, kind, at, data, source="demo", starts_journeys=False)
