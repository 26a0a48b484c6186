"""Everything that can stand on a timeline stands on it: each registered kind, in every language, with who and why."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import panel.web
from panel import clock
from panel.calendars import Reader
from panel.contacts.models import Contact
from panel.db import writing
from panel.i18n import LANGUAGES
from panel.sdk.events import EventType
from panel.timeline.operations import record
from panel.timeline.registry import types
from panel.web.timeline import items, queries
from panel.web.timeline.asking import KINDS
from tests.web.story import make_contact, make_journey

pytestmark = pytest.mark.databases("sqlite")
ICONS = frozenset(json.loads((Path(panel.web.__file__).parent / "assets/src/icons.json").read_text()))
VALUES: dict[str, Any] = {"number": 7, "money": "125.50", "date": "2026-03-01", "moment": "2026-03-01T08:00:00+00:00",
                          "yes_no": True}  # fmt: skip
CODES = {
    "channel": "email", "reason": "hard_bounce", "how": "form", "severity": "hard", "verdict": "human",
    "outcome": "sent", "by": "report", "because": "tag_added", "url": "https://example.com/x?y=1", "who": "support",
}  # fmt: skip


def data_of(kind: EventType) -> dict[str, Any]:
    return {one.name: VALUES.get(one.kind, CODES.get(one.name, f"value-{one.name}")) for one in kind.fields}


@pytest.fixture
def told(app, make_user):
    """One contact to whom one of everything happened, each by a colleague, and something of a plugin that is gone."""
    now = clock.now()
    user = make_user("owner", name="Dana Levi")
    with writing() as session:
        make_journey(session, now)
        contact_id = make_contact(session, now, "he")
        for number, kind in enumerate(types.all()):
            record(session, contact_id=contact_id, kind=kind.name, occurred_at=now - timedelta(minutes=number + 1),
                   data=data_of(kind), user_id=user.id)  # fmt: skip
        record(session, contact_id=contact_id, kind="gone.posted", occurred_at=now, data={"summary": "A parcel left"})
        return contact_id


def found(contact_id: int, language: str) -> dict[str, items.Item]:
    """The items by kind; the newest of each."""
    reader, shown, before = Reader(language, sees_amounts=True), {}, None
    with writing() as session:
        while True:
            page = queries.load(session, [contact_id], reader=reader, before=before)
            built = items.build(page.lines, page.facts, reader)
            assert len(built) == len(page.lines), "each line that stands alone is an item"
            for line, item in zip(page.lines, built, strict=True):
                shown.setdefault(line.kind, item)
            if page.older is None:
                return shown
            before = page.older


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_every_kind_has_an_icon_a_sentence_and_who_did_it(told, language):
    shown = found(told, language)
    for kind in types.all():
        if not kind.listed:
            continue
        item = shown[kind.name]
        assert kind.icon in ICONS, kind.name
        assert item.icon in ICONS, kind.name
        words = re.sub(r"<[^>]+>", "", str(item.title) + item.quote)
        assert words.strip(), kind.name
        assert "…" not in words, (kind.name, words)
        assert "%(" not in words, kind.name
        if language != "en":
            bare = re.sub(r"<bdi.*?</bdi>|<time.*?</time>", "", str(item.title))
            english = set(re.findall(r"[A-Za-z]{3,}", re.sub(r"<[^>]+>", "", bare))) - {"SMS", "API"}
            assert not english, (kind.name, english)
        assert item.why, kind.name
        assert "Dana Levi" in item.why or kind.name == "journey_entered", (kind.name, item.why)
        assert item.group in KINDS or item.group == "system", kind.name


@pytest.mark.parametrize("language", list(LANGUAGES))
def test_a_kind_of_a_plugin_that_is_gone_is_told_from_what_was_stored(told, language):
    item = found(told, language)["gone.posted"]
    assert "A parcel left" in item.title
    assert item.icon in ICONS


def test_the_page_shows_one_of_everything_and_each_kind_of_filter_finds_its_own(told, logged_in, app):
    with writing() as session:
        public_id = session.scalar(select(Contact.public_id).where(Contact.id == told))
    person = logged_in("support", language="en")
    seen, url = "", f"/admin/contact/{public_id}"
    while url:
        text = person.text(url)
        seen += text[text.index('id="timeline-days"') : text.index("<aside")]
        older = re.search(r'class="older"><a class="btn" href="([^"]+)"', text)
        url = older[1].replace("&amp;", "&") if older else ""
    assert (
        seen.count('<li class="item') == sum(kind.listed for kind in types.all()) + 4
    )  # three of the import, one gone
    with writing() as session:
        of = {
            name: {
                line.kind for line in queries.load(session, [told], asked=queries.Asked(kinds=(name,)), limit=200).lines
            }
            for name in KINDS
        }
    everything = set().union(*of.values())
    assert everything >= {kind.name for kind in types.all() if kind.listed}, "no kind is beyond every filter"
