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
from sqlalchemy import Connection, func, select, update
from sqlalchemy.orm import Session

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

CHANNEL = "email"
ISSUE = "mail_to_colleagues"
MAX_TRIES = 6
AGAIN = timedelta(minutes=5)
IN_DOUBT = timedelta(minutes=15)  # longer than any hand-over takes: whoever claimed it is gone


@dataclass(frozen=True)
class Letter:
    """What one colleague gets in one mail."""

    user_id: int
    address: str
    language: str
    subject: str
    text: str
    notice_ids: tuple[int, ...]


def due(connection: Connection, now: datetime) -> int:
    query = select(func.count()).select_from(NoticeMail).where(NoticeMail.state == "waiting", NoticeMail.due_at <= now)
    return int(connection.execute(query).scalar_one())


def run(limit_seconds: float, argument: str = "") -> bool:
    """Send what is due, one mail for each colleague."""
    send_due(clock.now())
    return False


def send_due(now: datetime) -> int:
    """Claim, commit, hand over, note. Needs an application context. Returns how many mails went out."""
    with writing() as session:
        if get_setting(session, "sending_paused").get("since"):
            return 0
        _settle_doubt(session, now)
        letters = claim(session, now)
    sent = 0
    for letter in letters:
        try:
            result = _hand_over(letter)
        except (TryLater, Misconfigured) as error:
            result = Deferred(str(error))
        except Exception as error:  # the plugin's own bug, or ours: it may have gone out
            result = Unknown(f"{type(error).__name__}: {error}")
        with writing() as session:
            sent += _note(session, letter, result, now)
    channel = manager.current().channels().get(CHANNEL)
    if letters and channel is not None and hasattr(channel, "close"):
        channel.close()  # a connection is not kept for the next reminder
    return sent


def claim(session: Session, now: datetime) -> list[Letter]:
    """Take all that waits for colleagues who have something due; nobody else will take it."""
    waiting = NoticeMail.state == "waiting"
    users = select(NoticeMail.user_id).where(waiting, NoticeMail.due_at <= now)
    mine = (
        update(NoticeMail)
        .where(waiting, NoticeMail.user_id.in_(users))
        .values(state="claimed", claimed_at=now, tries=NoticeMail.tries + 1)
        .returning(NoticeMail.notice_id)
    )
    taken = list(connection_of(session).execute(mine).scalars())
    if not taken:
        return []
    query = (
        select(Notice, User, Contact.name, Contact.public_id)
        .join(User, User.id == Notice.user_id)
        .outerjoin(Contact, Contact.id == Notice.contact_id)
        .where(Notice.id.in_(taken))
        .order_by(Notice.id)
    )
    by_user: dict[int, tuple[User, list[tuple[Notice, str, str | None]]]] = {}
    for notice, user, name, public_id in session.execute(query):
        by_user.setdefault(user.id, (user, []))[1].append((notice, name or "", public_id))
    return [_letter(user, lines) for user, lines in by_user.values()]


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


def _letter(user: User, lines: Sequence[tuple[Notice, str, str | None]]) -> Letter:
    said = [(_words(one, user.language), one, name, public_id) for one, name, public_id in lines]
    subject = said[0][0] if len(said) == 1 else translate(user.language, N_("%(n)s notices"), n=len(said))
    base = current_app.config["PANEL"].public_url.rstrip("/")
    parts = []
    for words, _, name, public_id in said:
        about = f"\n{name}\n{base}/admin/contact/{public_id}" if public_id else ""
        parts.append(words + about)
    foot = translate(user.language, N_("You choose in your settings what comes by mail:"))
    text = "\n\n".join(parts) + f"\n\n--\n{foot}\n{base}/preferences\n"
    return Letter(user.id, user.email, user.language, subject[:150], text, tuple(one.id for one, _, _ in lines))


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
    return channel.send([outgoing], _Journal())[0]


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
    mine = update(NoticeMail).where(NoticeMail.notice_id.in_(letter.notice_ids), NoticeMail.state == "claimed")
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
            state = {"state": "waiting", "due_at": now + (result.after or AGAIN)}
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


def _settle_doubt(session: Session, now: datetime) -> None:
    gone = NoticeMail.state == "claimed", NoticeMail.claimed_at < now - IN_DOUBT
    connection_of(session).execute(update(NoticeMail).where(*gone).values(state="unknown"))


class _Journal:
    """The claim is the journal: nothing more is known of a mail whose hand-over was cut short."""

    def begin(self, outgoing: Outgoing) -> None: ...

    def accepted(self, outgoing: Outgoing, provider_id: str | None = None) -> None: ...
