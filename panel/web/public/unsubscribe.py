"""/u/<token> and /p/<token>: refusing messages, and choosing which to get.

Looking (GET, HEAD) never changes anything: scanners follow every link. A POST acts at once. The POST that mail programs
send for their own button (RFC 8058) carries no cookie and is answered without a redirect; the token is all the proof
there is, so our check for forms does not apply to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Flask, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue

from panel.consent.queries import state_many
from panel.contacts.models import ContactAddress
from panel.contacts.queries import canonical
from panel.db import reading, writing
from panel.i18n import LANGUAGES, N_, current_language, direction, gettext, set_language
from panel.messages.facts import company
from panel.messages.models import Message
from panel.messages.tokens import Purpose
from panel.plugin_manager import manager
from panel.tracking.operations import network_of, subscribe, unsubscribe
from panel.web.public.hooks import leave_transaction
from panel.web.public.tracking import gone, headers_of_public, read_token

blueprint = Blueprint("unsubscribe", __name__)

ONE_CLICK = "List-Unsubscribe=One-Click"
STOP = N_("Stop %(channel)s messages to me.")
WANT = N_("Send me %(channel)s messages.")
CHANNEL_WORDS = {
    "email": N_("email"),
    "sms": N_("text message"),
    "whatsapp": N_("WhatsApp"),
    "letter": N_("letter"),
}


@dataclass(frozen=True)
class Choice:
    """One channel on the page. `is_on`: the contact agreed to it and has not refused since."""

    channel: str
    words: str
    address: str
    is_on: bool


@dataclass(frozen=True)
class Person:
    """Whose page it is, as far as the page needs to know."""

    message_id: int
    channel: str
    language: str
    company: str
    choices: tuple[Choice, ...]

    @property
    def channel_words(self) -> str:
        return channel_words(self.channel)


def channel_words(channel: str) -> str:
    known = CHANNEL_WORDS.get(channel)
    if known:
        return gettext(known)
    offered = manager.current().channels().get(channel)
    return gettext(offered.label) if offered else channel


@blueprint.route("/u/<token>", methods=["GET", "POST"])
def page(token: str) -> ResponseReturnValue:
    """The unsubscribe page of one message's channel."""
    message_id = _message_id("unsubscribe", token)
    if message_id is None:
        return gone()
    if request.method == "POST" and "action" not in request.form:
        return _one_click(message_id)
    return _page(message_id)


@blueprint.route("/p/<token>", methods=["GET", "POST"])
def personal(token: str) -> ResponseReturnValue:
    """The contact's own page: the same choices, without an unsubscribe button in front."""
    message_id = _message_id("personal", token)
    return gone() if message_id is None else _page(message_id, is_personal=True)


@blueprint.get("/u/preview")
def preview() -> ResponseReturnValue:
    """Where the links of a template's preview lead."""
    return gone(200)


def _message_id(purpose: Purpose, token: str) -> int | None:
    # A colleague who is logged in was looked up already; on SQLite that transaction would make our own wait for ever.
    leave_transaction()
    found = read_token(purpose, token)
    return found[0] if found else None


def _one_click(message_id: int) -> ResponseReturnValue:
    """RFC 8058: act, answer 200, no redirect, no cookie; the same again changes nothing."""
    with writing() as session:
        done = unsubscribe(session, message_id, how="one_click", wording=ONE_CLICK, proof=_proof())
    if not done:
        return gone()
    return Response("unsubscribed\n", 200, headers=headers_of_public(), mimetype="text/plain")


def _page(message_id: int, *, is_personal: bool = False) -> ResponseReturnValue:
    person = _person(message_id)
    if person is None:
        return gone()
    wanted = request.args.get("language", "")
    set_language(wanted if wanted in LANGUAGES else person.language)
    done = ""
    if request.method == "POST":
        action = request.form.get("action")
        if action == "unsubscribe":
            done = _stop(person, [person.channel])
        elif action == "save":
            done = _save(person, set(request.form.getlist("channel")))
        language = current_language()
        person = _person(message_id) or person
        set_language(language)
    body = render_template(
        "public/unsubscribe.html",
        person=person,
        done=done,
        is_personal=is_personal,
        is_on=any(one.is_on for one in person.choices if one.channel == person.channel),
        direction=direction(current_language()),
        language=current_language(),
        languages=LANGUAGES,
    )
    return Response(body, 200, headers=headers_of_public())


def _stop(person: Person, channels: list[str]) -> str:
    with writing() as session:
        for channel in channels:
            wording = gettext(STOP, channel=channel_words(channel))
            unsubscribe(
                session, person.message_id, how="preference_page", wording=wording, proof=_proof(), channel=channel
            )
    return "stopped"


def _save(person: Person, wanted: set[str]) -> str:
    stop = [one.channel for one in person.choices if one.is_on and one.channel not in wanted]
    if stop:
        _stop(person, stop)
    with writing() as session:
        for one in person.choices:
            if one.channel in wanted and not one.is_on:
                wording = gettext(WANT, channel=one.words)
                subscribe(session, person.message_id, one.channel, wording=wording, proof=_proof())
    return "saved"


def _proof() -> dict[str, str]:
    return {
        "network": network_of(current_app.config["SECRET_KEY"], request.remote_addr or ""),
        "user_agent": request.headers.get("User-Agent", "")[:200],
        "page": request.path.split("/")[1],
    }


def _person(message_id: int) -> Person | None:
    with reading() as session:
        message = session.get(Message, message_id)
        if message is None:
            return None
        contact_id = canonical(session, message.contact_id)
        us = company(session)
        rows = session.query(ContactAddress).filter_by(contact_id=contact_id).order_by(ContactAddress.position.desc())
        addresses = {row.kind: row.shown or row.value for row in rows}
        offered = {name: one.address_kind for name, one in manager.current().channels().items()}
        choices = tuple(
            Choice(
                name,
                channel_words(name),
                masked(addresses.get(kind, "")),
                state_many(session, [contact_id], name).get(contact_id) == "opted_in",
            )
            for name, kind in offered.items()
            if kind in addresses
        )
        language = message.language or us.language
        return Person(message.id, message.channel, language if language in LANGUAGES else "en", us.name, choices)


def masked(address: str) -> str:
    """Enough to know one's own address by, not enough to learn somebody else's."""
    if "@" in address:
        local, _, domain = address.partition("@")
        return f"{local[:2]}…@{domain}"
    return f"…{address[-4:]}" if len(address) > 5 else ""


def install(app: Flask) -> None:
    """Add the pages; they prove themselves by their token, and mail programs post without one of ours."""
    app.extensions["csrf"].exempt(blueprint)
    app.register_blueprint(blueprint)
