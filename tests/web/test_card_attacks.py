"""Hostile strings in every place of a contact's page, in a real browser under the real policy: none becomes markup.

The suite tries a slice of the shared collection; `CARD_ATTACKS=all pytest tests/web/test_card_attacks.py` tries all of
it, a few minutes. A page with strings is compared with a page with words in the same places: no element and no
attribute may be there that harmless words do not bring, no script may run, nothing may be asked for elsewhere.
"""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from panel import clock
from panel.contacts.models import (
    Contact,
    ContactList,
    ContactTag,
    Field,
    FieldValue,
    ListMember,
    Tag,
)
from panel.db import next_ids, writing
from panel.journeys.models import Enrolment, Journey, JourneyVersion
from panel.messages import skeletons
from panel.messages.models import Message
from panel.sdk.channels import Skeleton, TemplateContent, digest
from panel.tasks.models import Task
from panel.timeline.operations import record
from panel.tracking.models import TrackingHit
from tests.web.story import add_message, make_journey

pytestmark = pytest.mark.databases("sqlite")

CORPORA = Path(os.environ.get("PANEL_CORPORA", Path(__file__).parents[3] / "shared" / "corpora"))
ALL = os.environ.get("CARD_ATTACKS") == "all"
SLICE = 105  # strings tried in the suite
ON_A_PAGE = 7  # with four items each they fill one page of a timeline
ALWAYS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "javascript:alert(1)",
    "</title><script>alert(1)</script>",
    "</textarea><iframe srcdoc='<script>alert(1)</script>'>",
    "{{ config }}{% raw %}${7*7}",
    "<a href=javascript:alert(1)>x</a><base href=https://evil.test>",
    "--><!--><script>alert(1)</script>",
    "%(detail)s %s %(x)d <b>%</b>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<meta http-equiv=refresh content='0;url=https://evil.test'>",
    "data:text/html,<script>alert(1)</script>",
)
# What a page consists of, and what in it could act.
LOOK = r"""() => {
  const parts = new Set(), bad = [], acts = /^[\s\x00-\x1f]*(javascript|data|vbscript|file):/i;
  for (const e of document.querySelectorAll("*")) {
    parts.add(e.localName);
    for (const a of e.attributes) {
      parts.add(e.localName + " " + a.name);
      if (/^on/i.test(a.name) || a.name === "srcdoc") bad.push(e.localName + " " + a.name);
      if (/^(href|src|action|formaction|data|poster|background|ping|xlink:href)$/i.test(a.name) && acts.test(a.value))
        bad.push(`${e.localName} ${a.name}=${a.value.slice(0, 60)}`);
    }
  }
  return {parts: [...parts], bad, scripts: document.scripts.length, headings: document.querySelectorAll("h1").length,
          items: document.querySelectorAll("#timeline-days .item").length};
}"""


def strings() -> list[str]:
    """The shared collection where it is checked out, and some that are always tried; each once, in its order."""
    found: list[str] = [*ALWAYS]
    for path in sorted((CORPORA / "xss").glob("*.txt")):
        found += [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    expected = CORPORA / "xss" / "dompurify_expect.json"
    if expected.exists():
        found += [one["payload"] for one in json.loads(expected.read_text())]
    return list(dict.fromkeys(one.replace("\0", "") for one in found))


def tried() -> list[str]:
    every = strings()
    if ALL or len(every) <= SLICE:
        return every
    rest = every[len(ALWAYS) :]
    step = len(rest) / (SLICE - len(ALWAYS))
    return [*ALWAYS, *(rest[int(n * step)] for n in range(SLICE - len(ALWAYS)))]


def chunks(texts: Sequence[str], size: int) -> Iterator[list[str]]:
    rest = iter(texts)
    while chunk := list(islice(rest, size)):
        yield chunk


_number = 0


def unique(text: str, length: int) -> str:
    """The string with a number behind it: names of tags and lists are there once."""
    global _number  # noqa: PLW0603
    _number += 1
    return f"{text[: length - 8]} {_number}"


def plant(session: Session, texts: Sequence[str], now: datetime) -> str:
    """A contact with these strings in every place where somebody's words can come to stand. Gives its public id."""
    (contact_id,) = next_ids(session, "contacts", 1)
    public_id = f"p{contact_id:025}"
    first = texts[0]
    session.add(
        Contact(id=contact_id, public_id=public_id, name=first[:300], company=texts[-1][:200], language="en",
                reference=unique(first, 120), created_at=now, updated_at=now)
    )  # fmt: skip
    session.flush()
    record(session, contact_id=contact_id, kind="contact_created", occurred_at=now - timedelta(days=90),
           data={"how": "import", "detail": {"file": first, "row": 3}}, source="import:1")  # fmt: skip
    form: dict[str, Any] = {"form": first}
    for n, text in enumerate(texts):
        at = now - timedelta(minutes=n)
        rows = [
            Contact(public_id=f"a{contact_id:019}{n:06}", name=text[:300], merged_into_id=contact_id, created_at=at,
                    updated_at=at),
            tag := Tag(name=unique(text, 120), created_at=at),
            joined := ContactList(name=unique(text, 120), created_at=at),
            known := Field(
                name=unique("f", 20).replace(" ", "_"),
                labels=dict.fromkeys(("en", "he", "fa"), text),
                created_at=at,
            ),
            Task(contact_id=contact_id, title=text[:300], text=text, assignee_role="support", asked_for=text[:200],
                 due_at=at, created_at=at),
        ]  # fmt: skip
        session.add_all(rows)
        session.flush()
        session.add_all([
            ContactTag(tag_id=tag.id, contact_id=contact_id, added_at=at),
            ListMember(list_id=joined.id, contact_id=contact_id, joined_at=at),
            FieldValue(contact_id=contact_id, field_id=known.id, text=text),
        ])  # fmt: skip
        journey_id = unique("j", 20).replace(" ", "_")
        version_id = make_journey(session, at, id_=journey_id, name="x")
        session.get_one(Journey, journey_id).name = text[:200]
        version = session.get_one(JourneyVersion, version_id)
        version.resolved = json.loads(json.dumps(version.resolved).replace('"reminder"', json.dumps(text)))
        (enrolment,) = next_ids(session, "enrolments", 1)
        later = now + timedelta(days=1)
        session.add(
            Enrolment(id=enrolment, journey_id=journey_id, version_id=version_id, contact_id=contact_id, entered_at=at,
                      status="active", step_id="wait_after_send_welcome_1", step_began_at=at, phase="waiting",
                      due_at=later, wait={"kind": "wait", "until": later.isoformat()})
        )  # fmt: skip
        session.flush()
        record(session, contact_id=contact_id, kind="journey_entered", occurred_at=at, source="journeys",
               data={"journey": text, "journey_id": journey_id, "version": 7, "because": text},
               enrolment_id=enrolment)  # fmt: skip
        record(session, contact_id=contact_id, kind="page_visited", occurred_at=at, source=text[:40],
               data={"page": text, "title": text, "referrer": text, "url": text})  # fmt: skip
        record(session, contact_id=contact_id, kind="note_added", occurred_at=at, data={"text": text})
        add_message(
            session, contact_id, at, status="failed", reason="failed_provider", subject=text, address=text[:320],
            provider=text[:60], journey_id=journey_id,
            kinds=(("message_failed", timedelta(0), {"detail": text, "reason": text}),
                   ("link_clicked", timedelta(seconds=5), {"url": text, "verdict": "human"}),
                   ("message_replied", timedelta(seconds=9), {"text": text})),
        )  # fmt: skip
        form |= {text: text, f"more {n}": {text: [text]}}
    record(session, contact_id=contact_id, kind="form_submitted", occurred_at=now, data=form, source="form")
    record(session, contact_id=contact_id, kind=f"oldplugin.{'made_up'}", occurred_at=now,
           data={"summary": first, first: first}, source=first[:40])  # fmt: skip
    record(session, contact_id=contact_id, kind="contact_updated", occurred_at=now,
           data={"changes": {text: [text, text] for text in texts}}, source="api")  # fmt: skip
    return public_id


class _Mail:
    """Stands for a channel while a skeleton is stored."""

    name = "email"

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton

    def compile(self, content: TemplateContent) -> Skeleton:
        return self._skeleton


def store_sent(
    session: Session, payload: bytes, channel: str, subject: str, now: datetime, links: Sequence[str] = ()
) -> int:
    """A message in the ledger with these bytes; its id."""
    contact_id = session.scalars(select(Contact.id).where(Contact.merged_into_id.is_(None)).limit(1)).one()
    compiled = skeletons.Compiled(Skeleton((payload,), (), tuple(links)), channel, TemplateContent())
    skeletons.store(session, {compiled.sha256: compiled}, now)
    (id_,) = next_ids(session, "messages", 1)
    session.add(
        Message(id=id_, dedupe_key=f"attack:{id_}", our_message_id=f"m{id_}@panel.test", contact_id=contact_id,
                channel=channel, address="a@example.com", provider=subject[:60], subject=subject, status="sent",
                skeleton=compiled.sha256, values=[], content_sha256=digest(payload), planned_at=now, not_before=now,
                sent_at=now, wire_at=now, provider_message_id=subject[:200])
    )  # fmt: skip
    session.flush()
    for n in range(len(links)):
        session.add(TrackingHit(message_id=id_, contact_id=contact_id, kind="click", link=n, at=now, verdict="human",
                                reason=subject[:40], user_agent=subject))  # fmt: skip
    return id_


def mail(texts: Sequence[str]) -> bytes:
    """One mail whose subject, text, headers and file names are these strings."""
    made = EmailMessage()
    made["Subject"] = " ".join(texts[0].split())
    for n, text in enumerate(texts):
        made[f"X-Try-{n}"] = " ".join(text.split())
    made.set_content("\n".join(texts))
    made.add_alternative("\n".join(texts), subtype="html")
    for text in texts[:5]:
        made.add_attachment(b"x", maintype="text", subtype="x", filename=" ".join(text.split()))
    return made.as_bytes()


# What is loaded after the page is a part of it.
LOADED = "() => [...document.querySelectorAll('[data-load]')].every((part) => part.dataset.loading === 'done')"


class Watch:
    """Everything that a page did that it should not have done."""

    def __init__(self, page: Any, server: str) -> None:
        self.page, self.server = page, server
        self.faults: list[str] = []
        self.allowed: dict[str, set[str]] = {}
        page.on("dialog", self._dialog)
        page.on("popup", lambda popup: self.faults.append(f"window: {popup.url}"))
        page.on("request", self._request)
        page.on("response", self._response)
        page.on("console", self._console)

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, line: Any) -> None:
        if line.type in ("error", "warning") or "xss" in line.text.lower():
            self.faults.append(f"console: {line.text[:200]}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.server + "/"):
            self.faults.append(f"request: {request.url[:200]}")

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url[:200]}")

    def open(self, path: str) -> dict[str, Any]:
        self.page.goto(self.server + path)
        self.page.wait_for_function(LOADED)
        return self.page.evaluate(LOOK)

    def learn(self, kind: str, path: str) -> dict[str, Any]:
        """What a harmless page of this kind consists of."""
        seen = self.open(path)
        self.allowed.setdefault(kind, set()).update(seen["parts"])
        return seen

    def judge(self, kind: str, path: str, like: dict[str, Any], what: Sequence[str]) -> None:
        seen = self.open(path)
        extra = set(seen["parts"]) - self.allowed[kind]
        where = f"{path} {list(what)!r:.600}"
        assert not extra, f"{sorted(extra)} in {where}"
        assert not seen["bad"], f"{seen['bad']} in {where}"
        for name in ("scripts", "items", "headings"):
            assert seen[name] == like[name], f"{name}: {seen[name]}, not {like[name]} in {where}"
        assert self.faults == [], where


def harmless(size: int, start: str = "word") -> list[str]:
    return [f"{start}{n}" for n in range(size)]


@pytest.fixture
def watch(browse: Callable[..., Any], live_server: str) -> Watch:
    return Watch(browse("/admin/", role="owner"), live_server)


def test_no_string_in_any_place_of_the_card_becomes_more_than_words(watch, app):
    now = clock.now()
    every = tried()
    assert len(every) >= len(ALWAYS)
    with writing() as session:
        learned = [plant(session, harmless(ON_A_PAGE, start), now) for start in ("word ", "https://shop.test/")]
        short = {size: plant(session, harmless(size), now) for size in {len(every) % ON_A_PAGE} - {0}}
    like = {ON_A_PAGE: [watch.learn("card", f"/admin/contact/{one}") for one in learned][0]}
    like |= {size: watch.learn("card", f"/admin/contact/{one}") for size, one in short.items()}
    for chunk in chunks(every, ON_A_PAGE):
        with writing() as session:
            public_id = plant(session, chunk, now)
        watch.judge("card", f"/admin/contact/{public_id}", like[len(chunk)], chunk)
    watch.open("/admin/contacts/")
    watch.open("/admin/messages/")
    assert watch.faults == []


def test_no_string_in_a_message_acts_when_it_is_shown_as_it_was_sent(watch, app):
    now = clock.now()
    every = tried()
    tabs = ("desktop", "text", "headers", "links", "proof")
    with writing() as session:
        plant(session, harmless(1), now)
        plain = [
            store_sent(session, mail(texts), "email", texts[0], now, texts)
            for texts in (
                harmless(40),
                harmless(40, "https://shop.test/"),
                [*harmless(39), '<img src="https://shop.test/a.png">'],
            )
        ]
        texts_plain = [
            store_sent(session, "\n".join(texts).encode(), "sms", texts[0], now, texts)
            for texts in (harmless(40), harmless(40, "https://shop.test/"), ["ש"])
        ]
    likes = {tab: [watch.learn(tab, f"/messages/{one}/as-sent?view={tab}") for one in plain][0] for tab in tabs}
    like = [watch.learn("message", f"/messages/{one}/as-sent") for one in texts_plain][0]
    for chunk in chunks(every, 40):
        with writing() as session:
            as_mail = store_sent(session, mail(chunk), "email", chunk[0], now, chunk)
            as_text = store_sent(session, "\n".join(chunk).encode(), "sms", chunk[0], now, chunk)
            bodies = []
            for text in chunk:
                body = EmailMessage()
                body["Subject"] = "x"
                body.set_content(text, subtype="html")
                bodies.append(store_sent(session, body.as_bytes(), "email", "x", now))
        for tab in tabs:
            watch.judge(tab, f"/messages/{as_mail}/as-sent?view={tab}", likes[tab], chunk)
        watch.judge("message", f"/messages/{as_text}/as-sent", like, chunk)
        # Each string as the body of a mail, all of the chunk's frames on one page of ours.
        watch.page.evaluate(
            """(ids) => Promise.all(ids.map((id) => new Promise((done) => {
              const frame = document.createElement("iframe");
              frame.setAttribute("sandbox", ""); frame.src = `/messages/${id}/as-sent/frame`; frame.onload = done;
              document.querySelector("main").append(frame);
            })))""",
            bodies,
        )
        for frame in watch.page.frames[1:]:
            seen = frame.evaluate(LOOK)
            # A picture inside the mail itself is shown; it can do nothing.
            bad = [one for one in seen["bad"] if not one.startswith("img src=data:image/")]
            assert not bad, (bad, chunk)
            assert not {"script", "iframe", "object", "embed", "form", "svg", "math", "link", "input"} & set(
                seen["parts"]
            )
            assert "a href" not in seen["parts"]
        assert watch.faults == [], chunk


FORMULAS = (
    "=1+1",
    '=HYPERLINK("https://evil.test","x")',
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "=cmd|' /C calc'!A0",
    "\n=1+1",
    "＝1+1",
)


def test_no_formula_comes_alive_in_a_file_of_the_timeline(logged_in, app):
    with writing() as session:
        public_id = plant(session, FORMULAS, clock.now())
    person = logged_in()
    answer = person.get(f"/admin/timeline-file/{public_id}.csv")
    assert answer.status_code == 200
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    assert any("HYPERLINK" in cell for row in rows for cell in row)
    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), row
    book = person.get(f"/admin/timeline-file/{public_id}.xlsx")
    with zipfile.ZipFile(io.BytesIO(book.data)) as inside:
        sheets = [inside.read(name).decode() for name in inside.namelist() if name.startswith("xl/worksheets/")]
        assert sheets
        assert not [one for one in sheets if "<f>" in one or "<f " in one or "<hyperlink" in one]
