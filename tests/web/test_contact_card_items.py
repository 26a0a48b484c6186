"""From lines of the event table to what stands on the screen: plain data in, items out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from panel.calendars import Reader
from panel.timeline.registry import types
from panel.web.timeline.chips import message_chips
from panel.web.timeline.facts import Facts, Line, MessageFact, Touch
from panel.web.timeline.items import build, by_day

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ENGLISH = Reader("en", time_zone="Asia/Jerusalem", sees_amounts=True)
KNOWN = {one.name: one for one in types.all()}


def line(id_: int, kind: str, minutes: float = 0, message_id: int | None = None, **data: Any) -> Line:
    return Line(id_, 1, NOW + timedelta(minutes=minutes), kind, data=data, message_id=message_id)


def message(**given: Any) -> MessageFact:
    return MessageFact(**{"id": 7, "channel": "email", "status": "delivered", "subject": "A gift"} | given)


def facts(story: list[Line], touches: tuple[Touch, ...] = (), **given: Any) -> Facts:
    return Facts(messages={7: message(**given)}, story={7: story}, touches={7: touches}, types=KNOWN)


def touch(kind: str, verdict: str, count: int, *, judged: bool = True) -> Touch:
    return Touch(7, kind, verdict, count, NOW, NOW + timedelta(hours=7, minutes=20), judged)


def test_a_message_is_one_item_with_its_life_folded_beneath():
    story = [
        line(1, "message_sent", 0, 7),
        line(2, "message_delivered", 1, 7),
        line(4, "link_clicked", 9, 7, url="https://example.com"),
        line(5, "message_replied", 30, 7, text="Thanks!"),
    ]
    shown = facts(story, (touch("open", "human", 3), touch("open", "machine", 2), touch("click", "human", 1)))
    (item,) = build(list(reversed(story)), shown, ENGLISH)
    assert item.key == "m7"
    assert item.at == NOW
    assert [chip.code for chip in item.chips] == ["delivered", "opened", "clicked", "replied"]
    assert item.chips[1].times == "×3"
    assert item.quote == "Thanks!"
    assert "2 opens by a security scanner, not counted" in item.asides


def test_opens_by_machines_alone_leave_no_chip():
    story = [line(1, "message_sent", 0, 7)]
    (item,) = build(story, facts(story, (touch("open", "machine", 1),), status="sent"), ENGLISH)
    assert [chip.code for chip in item.chips] == ["sent"]
    assert item.asides == ("1 open by a security scanner, not counted",)


def test_what_another_service_told_us_counts_only_without_hits_of_our_own():
    story = [line(1, "message_sent", 0, 7)]
    told = touch("open", "human", 1, judged=False)
    (item,) = build(story, facts(story, (told,)), ENGLISH)
    assert "opened" in [chip.code for chip in item.chips]
    (item,) = build(story, facts(story, (told, touch("open", "machine", 1))), ENGLISH)
    assert "opened" not in [chip.code for chip in item.chips]


@pytest.mark.parametrize(
    ("status", "reason", "kind", "icon", "tone"),
    [
        ("failed", "failed_address", "message_failed", "alert-triangle", "red"),
        ("bounced", "bounced_hard", "message_bounced", "mail-x", "red"),
        ("skipped", "opted_out", "message_skipped", "bell-off", "choice"),
        ("skipped", "skipped_limit", "message_skipped", "player-skip-forward", "outline"),
        ("sent", None, "message_complained", "flag", "complaint"),
        ("unknown", "unknown", "message_unknown", "help-circle", "doubt"),
        ("held", "held_missing_field", "message_sent", "hand-stop", "amber"),
    ],
)
def test_trouble_has_its_own_icon_and_word_and_a_failure_never_looks_like_a_choice(status, reason, kind, icon, tone):
    story = [line(1, kind, 0, 7)]
    chips, _ = message_chips(message(status=status, reason=reason), story, (), NOW, ENGLISH)
    chip = next(one for one in chips if one.is_trouble or one.code == "skipped")
    assert (chip.icon, chip.tone) == (icon, tone)
    assert chip.words


def test_a_doubt_stands_where_the_message_left_and_says_how_it_was_settled():
    story = [line(1, "message_unknown", 0, 7), line(2, "message_settled", 60, 7, outcome="arrived", by="person")]
    (item,) = build(list(reversed(story)), facts(story, status="sent", reason="settled_sent"), ENGLISH)
    assert item.at == NOW
    assert "settled" in [chip.code for chip in item.chips]


def test_a_plugin_that_is_gone_leaves_no_blank():
    (item,) = build([line(3, "oldplugin.letter_posted", tracking="RR1", summary="Letter to Haifa")], Facts(), ENGLISH)
    assert "letter posted" in item.title
    assert "Letter to Haifa" in item.title
    assert [(one.label, str(one.value)) for one in item.details] == [("tracking", "<bdi>RR1</bdi>")]


def test_the_businesss_own_kind_is_called_as_the_business_calls_it():
    shown = Facts(custom={"billing.card_expired": {"en": "Card expired", "he": "כרטיס פג תוקף"}})
    (item,) = build([line(3, "billing.card_expired")], shown, replace(ENGLISH, language="he"))
    assert "כרטיס פג תוקף" in item.title


def test_an_import_says_its_file_and_row():
    arrived = line(3, "contact_created", how="import", detail={"file": "אנשים.xlsx", "row": 12})
    (item,) = build([arrived], Facts(types=KNOWN), ENGLISH)
    assert "<bdi>אנשים.xlsx</bdi>" in str(item.why)
    assert "12" in str(item.why)


def test_a_change_shows_before_and_after_under_the_fields_own_names():
    changed = line(3, "contact_updated", fields="first_name", changes={"first_name": ["דנה", "דינה"]})
    (item,) = build([changed], Facts(types=KNOWN), ENGLISH)
    assert "first name" in item.title
    assert [one.label for one in item.details] == ["first name"]
    assert "before" in item.details[0].value


def test_days_begin_at_the_readers_midnight():
    # 22:30 UTC on the 21st is half past midnight of the 22nd in Jerusalem.
    late = [line(1, "tag_added", -810, tag="VIP"), line(2, "tag_added", -15 * 60, tag="new")]
    days = by_day(build(late, Facts(types=KNOWN), ENGLISH), ENGLISH, NOW)
    assert [day.day.isoformat() for day in days] == ["2026-11-22", "2026-11-21"]
    assert days[0].words.startswith("Today")
    assert days[1].words.startswith("Yesterday")
    tehran = by_day(build(late, Facts(types=KNOWN), ENGLISH), Reader("fa", "solar_hijri", "local", "Asia/Tehran"), NOW)
    assert "۱۴۰۵" in tehran[0].words


def test_nothing_a_person_wrote_is_markup():
    evil = "<img src=x onerror=alert(1)>"
    story = [line(1, "message_sent", 0, 7), line(2, "message_replied", 3, 7, text=evil)]
    lines = [
        line(5, "form_submitted", form=evil, question=evil),
        line(6, evil, x=evil),
        line(8, "tag_added", tag=evil),
        *reversed(story),
    ]
    for item in build(lines, facts(story, subject=evil), ENGLISH):
        shown = [item.title, item.why or "", *(detail.value for detail in item.details)]
        assert not any("<img" in str(one) for one in shown)
