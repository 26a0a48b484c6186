"""Mails to colleagues: reminders, mentions and what else they asked for, through the business's own mail settings.

System mail: it stands in no contact's ledger, carries no tracking, and goes to a colleague's own address.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from flask import current_app
from sqlalchemy import ColumnElement, Connection, Update, and_, func, select, update
from sqlalchemy.orm import Session, aliased

from panel import clock
from panel.contacts.models import Contact
from panel.db import connection_of, writing
from panel.i18n import N_, translate
from panel.installation.queries import get_setting
from panel.issues.models import Issue
from panel.issues.operations import raise_issue, resolve_issue
from panel.plugin_manager import manager
from panel.sdk.channels import Channel, Deferred, Outgoing, Result, Sent, Slot, TemplateContent, Unknown
from panel.sdk.errors import Misconfigured, TryLater
from panel.staff.mails import wishes
from panel.staff.models import Notice, NoticeMail, User
from panel.staff.notices import NewNotice, notify_many
from panel.staff.people import Meant
from panel.staff.rules import may
from panel.tasks.models import Task

CHANNEL = "email"
ISSUE = "mail_to_colleagues"
EVERY = timedelta(minutes=15)  # at most one mail to a colleague in this time
AGAIN, AT_MOST, MAX_TRIES = timedelta(minutes=5), timedelta(hours=1), 48  # a mail server may be away for two days
IN_DOUBT = EVERY  # longer than any hand-over takes: whoever took it is gone
MOST_LINES = 40
# Told of a task: nothing is left to say when it is closed, put off or in other hands.
ABOUT_A_TASK = ("task", "reminder")


@dataclass(frozen=True)
class Letter:
    """What one colleague gets in one mail."""

    user_id: int
    address: str
    language: str
    subject: str
    text: str
    notice_ids: tuple[int, ...]
    taken_at: datetime


class GoneError(Exception):
    """Somebody else has it in hand by now."""


def due(connection: Connection, now: datetime) -> int:
    query = select(func.count()).select_from(NoticeMail).where(_is_due(now), _nothing_lately(NoticeMail.user_id, now))
    return int(connection.execute(query).scalar_one())


def run(limit_seconds: float, argument: str = "") -> bool:
    """Send what is due, one mail for each colleague."""
    send_due(clock.now())
    return False


def send_due(now: datetime) -> int:
    """For each colleague: take, commit, hand over, note. Needs an application context. Returns how many mails went out.

    What was taken and never begun (the worker died) is due again by itself after a quarter of an hour; what was begun
    may have arrived, and is not repeated.
    """
    with writing() as session:
        if get_setting(session, "sending_paused").get("since"):
            return 0
        _settle_doubt(session, now)
        users = list(
            session.scalars(
                select(NoticeMail.user_id)
                .where(_is_due(now), _nothing_lately(NoticeMail.user_id, now))
                .group_by(NoticeMail.user_id)
                .order_by(func.min(NoticeMail.due_at))
            )
        )
    sent = tried = 0
    for user_id in users:
        with writing() as session:
            letter = take(session, user_id, now)
        if letter is None:
            continue
        tried += 1
        try:
            result = _hand_over(letter)
        except GoneError:
            continue
        except (TryLater, Misconfigured) as error:
            result = Deferred(str(error))
        except (Exception, SystemExit) as error:  # the plugin's own bug, or ours: it may have gone out
            result = Unknown(f"{type(error).__name__}: {error}")
        with writing() as session:
            sent += _note(session, letter, result, now)
    channel = manager.current().channels().get(CHANNEL)
    if tried and channel is not None and hasattr(channel, "close"):
        channel.close()  # a connection is not kept for the next reminder
    return sent


def try_again(session: Session, now: datetime) -> None:
    """A person says that mails can go again: what was given up is tried anew. What may have arrived is not."""
    put_off = NoticeMail.state == "waiting", NoticeMail.claimed_at.is_(None), NoticeMail.tries > 0
    connection_of(session).execute(update(NoticeMail).where(*put_off).values(due_at=now))
    failed = NoticeMail.state == "failed"
    connection_of(session).execute(
        update(NoticeMail).where(failed).values(state="waiting", tries=0, due_at=now, claimed_at=None)
    )


def take(session: Session, user_id: int, now: datetime) -> Letter | None:
    """Everything that waits for this colleague and is still news to them, as one letter; None when there is nothing, or
    a mail went to them less than a quarter of an hour ago. Whoever takes it has a quarter of an hour for it."""
    connection = connection_of(session)
    # Two workers at once: the second one goes on to the next colleague.
    lock = select(User.id).where(User.id == user_id).with_for_update(key_share=True, skip_locked=True)
    if connection.execute(lock).first() is None:
        return None
    if connection.execute(select(User.id).where(User.id == user_id, ~_nothing_lately(user_id, now))).first():
        return None
    waiting = NoticeMail.user_id == user_id, NoticeMail.state == "waiting"
    query = (
        select(Notice, User, Contact.name, Contact.public_id, Task)
        .join(NoticeMail, NoticeMail.notice_id == Notice.id)
        .join(User, User.id == Notice.user_id)
        .outerjoin(Contact, Contact.id == Notice.contact_id)
        .outerjoin(Task, Task.id == Notice.task_id)
        .where(*waiting)
        .order_by(Notice.id)
    )
    rows = session.execute(query).all()
    news = [row for row in rows if _is_news(row.Notice, row.User, row.Task, now)]
    mine = update(NoticeMail).where(*waiting)
    old = {row.Notice.id for row in rows} - {row.Notice.id for row in news}
    if old:
        connection.execute(mine.where(NoticeMail.notice_id.in_(old)).values(state="seen"))
    if not news:
        return None
    ids = [row.Notice.id for row in news]
    connection.execute(
        mine.where(NoticeMail.notice_id.in_(ids)).values(
            claimed_at=now, due_at=now + IN_DOUBT, tries=NoticeMail.tries + 1
        )
    )
    return _letter(news[0].User, [(row.Notice, row.name or "", row.public_id) for row in news], now)


def _is_due(now: datetime) -> ColumnElement[bool]:
    return and_(NoticeMail.state == "waiting", NoticeMail.due_at <= now)


def _nothing_lately(user_id: Any, now: datetime) -> ColumnElement[bool]:
    """No mail to them is on its way, or went out (for all we know) in the last quarter of an hour."""
    other = aliased(NoticeMail)
    return ~(
        select(other.notice_id)
        .where(
            other.user_id == user_id,
            other.claimed_at > now - EVERY,
            other.state.in_(("waiting", "claimed", "sent", "unknown")),
        )
        .exists()
    )


def _is_news(notice: Notice, user: User, task: Task | None, now: datetime) -> bool:
    """Whether a colleague has not seen this in the panel meanwhile, and it still is so."""
    if notice.read_at is not None or not user.active:
        return False
    if task is None or notice.kind not in ABOUT_A_TASK:
        return True
    elsewhere = task.assignee_id is not None and task.assignee_id != user.id
    put_off = notice.kind == "reminder" and task.snoozed_until is not None and task.snoozed_until > now
    return task.state == "open" and not elsewhere and not put_off


def tell_of_issues(session: Session, now: datetime) -> int:
    """Trouble that is open becomes a notice for those who settle such things and asked to be told, once each."""
    asked = [one for one in session.scalars(select(User).where(User.active)) if "issue" in wishes(one.mailed)]
    people = [one.id for one in asked if may((role.name for role in one.roles), "issues.settle")]
    if not people:
        return 0
    since = now - timedelta(days=1)
    found = session.scalars(select(Issue).where(Issue.state == "open", Issue.last_seen >= since).limit(50)).all()
    told = [
        NewNotice(
            Meant(user_id=id_),
            one.sentence,
            one.params or {},
            "issue",
            dedupe_key=f"issue:{one.id}",
        )
        for one in found
        if one.key != ISSUE
        for id_ in people
    ]
    return notify_many(session, told, now=now)


def _letter(user: User, lines: Sequence[tuple[Notice, str, str | None]], now: datetime) -> Letter:
    said = [(_words(one, user.language), one, name, public_id) for one, name, public_id in lines]
    subject = said[0][0] if len(said) == 1 else translate(user.language, N_("%(n)s notices"), n=len(said))
    base = current_app.config["PANEL"].public_url.rstrip("/")
    parts = []
    for words, _, name, public_id in said[:MOST_LINES]:
        about = f"\n{name}\n{base}/admin/contact/{public_id}" if public_id else ""
        parts.append(words + about)
    if len(said) > MOST_LINES:
        more = translate(user.language, N_("%(n)s more stand in the panel:"), n=len(said) - MOST_LINES)
        parts.append(f"{more}\n{base}/admin/notices/")
    foot = translate(user.language, N_("You choose in your settings what comes by mail:"))
    text = "\n\n".join(parts) + f"\n\n--\n{foot}\n{base}/preferences\n"
    return Letter(user.id, user.email, user.language, subject[:150], text, tuple(one.id for one, _, _ in lines), now)


def _words(notice: Notice, language: str) -> str:
    values = {name: " ".join(str(value).split()) for name, value in (notice.params or {}).items()}
    try:
        return translate(language, notice.sentence, **values)
    except (KeyError, ValueError, TypeError):
        return notice.sentence


def _hand_over(letter: Letter) -> Result:
    channel = manager.current().channels().get(CHANNEL)
    if channel is None:
        return Deferred(N_("the email plugin is switched off"))
    key = f"staff-{secrets.token_hex(12)}"
    outgoing = Outgoing(letter.notice_ids[0], key, letter.address, payload(channel, letter, key), letter.language)
    return channel.send([outgoing], _Journal(letter))[0]


def payload(channel: Channel, letter: Letter, key: str) -> bytes:
    """The mail as bytes: written by the channel, its links as they are, no pixel."""
    direction = "rtl" if letter.language in ("he", "fa") else "ltr"
    body = html.escape(letter.text).replace("\n", "<br>\n")
    page = f'<div dir="{direction}">{_plain(body)}</div>'
    content = TemplateContent(_plain(letter.subject), page, _plain(letter.text), letter.language)
    skeleton = channel.compile(content)
    now = clock.now()

    def value(slot: Slot) -> str:
        if slot.name.startswith("link:"):
            return skeleton.links[int(slot.name.partition(":")[2])]
        given = {"message_id": key, "key": key, "date": format_datetime(now), "to": letter.address}
        return given.get(slot.name, "data:," if slot.name == "pixel" else "")

    def filled(seal: bytes) -> bytes:
        return skeleton.fill(
            [seal if one.coding == "seal" else channel.encode(one.coding, value(one)) for one in skeleton.slots]
        )

    bare = filled(b"")
    sealing: Any = getattr(channel, "seal", None)
    return filled(sealing(bare)) if sealing and any(one.coding == "seal" for one in skeleton.slots) else bare


def _plain(text: str) -> str:
    """Nothing in a notice is a merge field."""
    return text.replace("[[", "[\u2060[")


def _note(session: Session, letter: Letter, result: Result, now: datetime) -> int:
    mine = _taken(letter).where(NoticeMail.state.in_(("waiting", "claimed")))
    connection = connection_of(session)
    if isinstance(result, Sent):
        connection.execute(mine.values(state="sent"))
        resolve_issue(session, ISSUE)
        return 1
    state: Mapping[str, Any] = {"state": "failed"}
    if isinstance(result, Unknown):
        state = {"state": "unknown"}  # it may have arrived: never repeated by itself
    elif isinstance(result, Deferred):
        tries = connection.execute(
            select(func.max(NoticeMail.tries)).where(NoticeMail.notice_id.in_(letter.notice_ids))
        ).scalar_one()
        if tries < MAX_TRIES:
            after = result.after or min(AGAIN * 2 ** min(tries - 1, 8), AT_MOST)
            state = {"state": "waiting", "due_at": now + after, "claimed_at": None}
    connection.execute(mine.values(**state))
    raise_issue(
        session,
        ISSUE,
        code=ISSUE,
        sentence=N_("A mail to a colleague (%(address)s) did not go out: %(detail)s"),
        params={"address": letter.address, "detail": result.detail[:300]},
        now=now,
    )
    return 0


def _taken(letter: Letter) -> Update:
    """What this very letter holds, unless somebody else took it later."""
    return update(NoticeMail).where(
        NoticeMail.notice_id.in_(letter.notice_ids), NoticeMail.claimed_at == letter.taken_at
    )


def _settle_doubt(session: Session, now: datetime) -> None:
    gone = NoticeMail.state == "claimed", NoticeMail.claimed_at < now - IN_DOUBT
    connection_of(session).execute(update(NoticeMail).where(*gone).values(state="unknown"))


class _Journal:
    """Notes, and commits, that the text goes onto the wire now; what became of it is told by the answer."""

    def __init__(self, letter: Letter) -> None:
        self.letter = letter

    def begin(self, outgoing: Outgoing) -> None:
        with writing() as session:
            mine = _taken(self.letter).where(NoticeMail.state == "waiting").values(state="claimed")
            if connection_of(session).execute(mine).rowcount != len(self.letter.notice_ids):
                raise GoneError

    def accepted(self, outgoing: Outgoing, provider_id: str | None = None) -> None: ...
