"""Items: what stands on the timeline. `build` makes them from lines and facts; templates only print them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from panel import calendars
from panel.calendars import Reader
from panel.contacts.fields import BUILT_IN
from panel.i18n import N_, translate
from panel.sdk.events import EventType
from panel.timeline.queries import Cursor
from panel.web.timeline import noted, touches, words
from panel.web.timeline.chips import Chip, message_chips
from panel.web.timeline.facts import FOLDED, Facts, Line, MessageFact, OneHit

_TONES = {"neutral": "grey", "good": "green", "attention": "amber", "bad": "red"}
# Said in the title already, or of no use to a person.
_NOT_DETAILS = frozenset(
    {
        "because",
        "changes",
        "currency",
        "detail",
        "event",
        "fields",
        "journey",
        "judged_anew",
        "link_number",
        "status",
        "summary",
        "text",
        "version",
    }
)


@dataclass(frozen=True)
class Detail:
    label: str
    value: Markup


@dataclass(frozen=True)
class Item:
    """One thing on the timeline. `quote` is what somebody wrote, `why` says where it came from, `asides` are small
    remarks, `details` the folded rest. `message_id` is set when "show as sent" is possible."""

    key: str
    cursor: Cursor
    at: datetime
    icon: str
    tone: str
    group: str
    title: Markup
    quote: str = ""
    quote_by: str = ""
    why: Markup | None = None
    chips: tuple[Chip, ...] = ()
    asides: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()
    message_id: int | None = None
    evidence_id: int | None = None  # the message whose evidence can be shown
    is_strong: bool = False
    is_answer: bool = False  # they answered; one can answer them
    answer_by: str = ""  # the channel, when it is not known which message they answered
    went_wrong: bool = False  # it may be sent again
    note_id: int | None = None  # a note, who wrote it, and whether it is pinned or gone
    note_by: str = ""
    note_state: str = ""


@dataclass(frozen=True)
class Day:
    day: date
    words: str
    items: tuple[Item, ...] = field(default_factory=tuple)


def build(lines: Iterable[Line], facts: Facts, reader: Reader, *, without_machines: bool = False) -> list[Item]:
    """Turn a page of lines (newest first) into items. A message stands where its first line stands, once.

    `without_machines` leaves out what machines opened and clicked; it is never counted in any case.
    """
    items = []
    for line in lines:
        message = facts.messages.get(line.message_id) if line.message_id is not None else None
        if line.message_id is not None and line.kind in FOLDED:
            continue
        if message is None or not line.kind.startswith("message_"):
            items.append(_plain(line, facts, reader))
        elif _is_first(line, facts):
            items.append(_message(line, message, facts, reader, without_machines))
    return items


def by_day(items: Sequence[Item], reader: Reader, now: datetime) -> list[Day]:
    """Group items under the reader's days: "Today", "Yesterday", then dates."""
    today = now.astimezone(reader.zone).date()
    days: list[tuple[date, list[Item]]] = []
    for item in items:
        day = item.at.astimezone(reader.zone).date()
        if not days or days[-1][0] != day:
            days.append((day, []))
        days[-1][1].append(item)
    return [Day(day, day_words(day, today, reader), tuple(inside)) for day, inside in days]


def day_words(day: date, today: date, reader: Reader) -> str:
    shown = calendars.show_day(day, reader, "full")
    if day == today:
        return translate(reader.language, N_("Today")) + " · " + shown
    if day == today - timedelta(days=1):
        return translate(reader.language, N_("Yesterday")) + " · " + shown
    return shown


def _is_first(line: Line, facts: Facts) -> bool:
    story = facts.story.get(line.message_id or 0, ())
    firsts = [one.id for one in story if one.kind not in FOLDED and one.kind.startswith("message_")]
    return not firsts or firsts[0] == line.id


def _message(line: Line, message: MessageFact, facts: Facts, reader: Reader, without_machines: bool) -> Item:
    language = reader.language
    story = facts.story.get(message.id, (line,))
    chips, asides = message_chips(
        message, story, facts.touches.get(message.id, ()), line.occurred_at, reader, without_machines=without_machines
    )
    hits = [one for one in facts.hits.get(message.id, ()) if not (without_machines and one.verdict == "machine")]
    subject = message.subject or message.text or message.template or str(line.data.get("subject") or "")
    channel = words.channel_words(message.channel, language)
    title = Markup("<strong>{}</strong>").format(channel)
    if subject:
        title += Markup(' <span class="item-subject">{}</span>').format(words.isolated(_short(subject)))
    reply = next((one for one in reversed(story) if one.kind == "message_replied" and one.data.get("text")), None)
    tone = next((chip.tone for chip in chips if chip.is_trouble), "blue" if message.can_be_shown else "grey")
    return Item(
        key=f"m{message.id}",
        cursor=Cursor(line.occurred_at, line.id),
        at=line.occurred_at,
        icon=words.channel_icon(message.channel),
        tone=tone,
        group="messages",
        title=title,
        quote=str(reply.data["text"]) if reply else "",
        quote_by=translate(language, N_("Reply")) if reply else "",
        why=_message_why(message, line, language),
        chips=tuple(chips),
        asides=tuple(asides),
        details=_evidence(message, story, hits, reader),
        evidence_id=message.id,
        message_id=message.id if message.can_be_shown else None,
        is_strong=True,
        is_answer=any(one.kind == "message_replied" for one in story),
        went_wrong=not message.is_test and message.status in ("failed", "bounced", "skipped", "cancelled"),
    )


def _message_why(message: MessageFact, line: Line, language: str) -> Markup | None:
    if message.journey_id:
        name = message.journey or message.journey_id
        return words.fill(language, N_("From the journey %(journey)s"), {"journey": name})
    if message.written_by:
        return words.fill(language, N_("Written by %(name)s"), {"name": message.written_by})
    if line.person:
        return words.fill(language, N_("Sent by %(name)s"), {"name": line.person})
    return None


def _evidence(
    message: MessageFact, story: Sequence[Line], hits: Sequence[OneHit], reader: Reader
) -> tuple[Detail, ...]:
    """Everything we hold about a message: the answer to "I never got it"."""
    language = reader.language
    found = []
    if message.address:
        found.append(Detail(translate(language, N_("To")), words.left_to_right(message.address)))
    if message.step_id:
        found.append(Detail(translate(language, N_("Step")), words.left_to_right(message.step_id)))
    for line in story:
        if hits and line.kind in _TOUCHES and ("link_number" in line.data or not line.data.get("url")):
            continue  # each hit is told below, with its link and verdict
        kind = STORY_LABELS.get(line.kind)
        if kind is None:
            continue
        said = Markup("{}").format(_long_time(line.occurred_at, reader))
        more = line.data.get("url") or line.data.get("detail")
        if more:
            said += Markup(" · ") + (words.left_to_right(more) if line.data.get("url") else words.isolated(more))
        found.append(Detail(translate(language, kind), said))
    links = {line.data["link_number"]: str(line.data.get("url")) for line in story if "link_number" in line.data}
    for hit in hits:
        label = translate(language, touches.KINDS.get(hit.kind, hit.kind))
        found.append(Detail(label, touches.hit_words(hit, links, reader)))
    if message.settled_by:
        found.append(
            Detail(translate(language, N_("Settled by")), words.isolated(words.how_words(message.settled_by, language)))
        )
    return tuple(found)


_TOUCHES = frozenset({"message_opened", "link_clicked", "machine_opened", "machine_clicked"})
STORY_LABELS = {
    "message_sent": N_("Sent"),
    "message_delivered": N_("Delivered"),
    "message_opened": N_("Opened"),
    "link_clicked": N_("Clicked"),
    "message_replied": N_("Replied"),
    "message_bounced": N_("Came back"),
    "message_failed": N_("Failed"),
    "message_skipped": N_("Not sent"),
    "message_unknown": N_("In doubt"),
    "message_settled": N_("Settled"),
    "message_complained": N_("Spam complaint"),
}


def _long_time(moment: datetime, reader: Reader) -> Markup:
    local = moment.astimezone(reader.zone)
    return Markup('<time datetime="{}"><bdi>{}</bdi></time>').format(
        local.isoformat(timespec="seconds"), calendars.show_moment(moment, reader)
    )


def _plain(line: Line, facts: Facts, reader: Reader) -> Item:
    language = reader.language
    kind = facts.types.get(line.kind)
    at = Cursor(line.occurred_at, line.id)
    if line.kind == "note_added":
        return Item(
            f"e{line.id}", at, line.occurred_at, "note", "amber", "notes",
            noted.title_of(line.data, language),
            quote="" if line.data.get("gone") else str(line.data.get("text") or "…"), why=_by(line, reader),
            asides=noted.remarks_of(line.data, reader),
            details=tuple(Detail(label, text) for label, text in noted.before_of(line.data, reader)),
            note_id=line.id, note_state=noted.state_of(line.data), note_by=line.person or "",
        )  # fmt: skip
    if kind is None:
        return _unknown_kind(line, facts, reader)
    declared = {one.name: one for one in kind.fields}
    values = {
        name: words.value_words(declared.get(name), name, value, line.data, reader)
        for name, value in (dict(line.data) | _renamed(line, reader.language)).items()
    }
    return Item(
        key=f"e{line.id}",
        cursor=at,
        at=line.occurred_at,
        icon=kind.icon,
        tone="blue" if kind.group == "journeys" else _TONES[kind.tone],
        group=kind.group,
        title=words.fill(language, kind.sentence, values),
        why=_by(line, reader),
        details=_details(line, kind, reader),
        is_answer=line.kind == "message_replied",
        answer_by=str(line.data.get("channel") or "") if line.kind == "message_replied" else "",
    )


def _renamed(line: Line, language: str) -> dict[str, Any]:
    """Values that are better said than stored: a journey by its present name, changed fields by their labels."""
    found: dict[str, Any] = {}
    if line.kind.startswith("journey_") and line.journey:
        found["journey"] = line.journey
    changes = line.data.get("changes")
    if line.kind == "contact_updated" and isinstance(changes, Mapping):
        found["fields"] = [BUILT_IN[name].label(language) if name in BUILT_IN else name for name in changes]
    return found


def _details(line: Line, kind: EventType, reader: Reader) -> tuple[Detail, ...]:
    labels = {one.name: one for one in kind.fields}
    found: list[Detail] = []
    changes = line.data.get("changes")
    if isinstance(changes, dict):
        found += [_change(name, change, reader) for name, change in changes.items()]
    values = _as_typed(line.data) if kind.group == "forms" else line.data
    for name, value in values.items():
        hidden = _is_ours(name) if kind.group == "forms" else _is_hidden(name, value)
        if hidden or f"%({name})s" in kind.sentence:
            continue
        label = translate(reader.language, labels[name].label) if name in labels else name.replace("_", " ")
        found.append(Detail(label, words.value_words(labels.get(name), name, value, line.data, reader)))
    return tuple(found)


def _as_typed(data: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody filled in, every field by its own name, whether we know it or not and also when it was left empty;
    a form may send its fields in a group of their own."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        if name in ("fields", "answers", "values") and isinstance(value, Mapping):
            found.update({str(inner): typed for inner, typed in value.items()})
        elif name != "changes":
            found[name] = value
    return found


def _is_ours(name: str) -> bool:
    return name in ("summary", "event", "form_id", "page_id")


def _is_hidden(name: str, value: Any) -> bool:
    return name in _NOT_DETAILS or name.endswith("_id") or value in (None, "", [], {})


def _change(name: str, change: Any, reader: Reader) -> Detail:
    label = BUILT_IN[name].label(reader.language) if name in BUILT_IN else name.replace("_", " ")
    if isinstance(change, (list, tuple)) and len(change) == 2:
        before, after = (words.value_words(None, "", one, {}, reader) for one in change)
        return Detail(label, words.fill(reader.language, N_("%(after)s (before: %(before)s)"),
                                        {"after": after, "before": before}))  # fmt: skip
    return Detail(label, words.value_words(None, "", change, {}, reader))


def _unknown_kind(line: Line, facts: Facts, reader: Reader) -> Item:
    """An event whose plugin is gone, or that the business named itself: what was stored still tells the story."""
    labels = facts.custom.get(line.kind)
    if labels:
        label = labels.get(reader.language) or labels.get("en") or next(iter(labels.values()), "")
    else:
        label = line.kind.replace(".", " · ").replace("_", " ")
    title = Markup("<strong>{}</strong>").format(words.isolated(label or line.kind))
    summary = line.data.get("summary")
    if isinstance(summary, str) and summary:
        title += Markup(' <span class="item-subject">{}</span>').format(words.veiled(_short(summary), reader))
    details = tuple(
        Detail(name.replace("_", " "), words.value_words(None, name, value, line.data, reader))
        for name, value in line.data.items()
        if not _is_hidden(name, value)
    )
    return Item(f"e{line.id}", Cursor(line.occurred_at, line.id), line.occurred_at, "point", "grey", "system", title,
                why=_by(line, reader), details=details)  # fmt: skip


def _by(line: Line, reader: Reader) -> Markup | None:
    """Who or what caused it: a file and its row, a trigger, a journey, a colleague."""
    language = reader.language
    detail = line.data.get("detail")
    place = detail if isinstance(detail, Mapping) else line.data
    if isinstance(place.get("file"), str):
        row = place.get("row")
        sentence = N_("From the file %(file)s, row %(row)s") if row else N_("From the file %(file)s")
        number = words.value_words(None, "row", row, {}, reader)
        return words.fill(language, sentence, {"file": place["file"], "row": number})
    if line.kind == "journey_entered":
        return _because(line, language)
    if line.journey and line.enrolment_id is not None and not line.kind.startswith("journey_"):
        return words.fill(language, N_("By the journey %(journey)s"), {"journey": line.journey})
    if line.person:
        return words.fill(language, N_("By %(name)s"), {"name": line.person})
    return None


def _because(line: Line, language: str) -> Markup | None:
    because = line.data.get("because")
    if because == "manual":
        if line.person:
            return words.fill(language, N_("Started by %(name)s"), {"name": line.person})
        return Markup(escape(translate(language, N_("Started by hand"))))
    if not isinstance(because, str) or not because:
        return None
    return words.fill(language, N_("Because: %(reason)s"), {"reason": words.trigger_words(because, language)})


def _short(text: str, length: int = 120) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
