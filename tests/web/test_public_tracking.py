"""/o/, /c/, /u/ and /p/ as the world meets them: by mail programs, people, scanners and attackers."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from panel.consent.operations import opt_in
from panel.consent.queries import state_many
from panel.db import db
from panel.messages.models import Message
from panel.messages.rendering import Renderer
from panel.messages.tokens import Addresses, Tokens
from panel.timeline.models import Event
from panel.tracking.models import TrackingHit
from tests.messages.conftest import channel, make_contact, make_message, make_template  # noqa: F401
from tests.tracking.test_rules import CHROME

SCANNERS = [
    CHROME,
    "Mozilla/5.0",
    "Barracuda Sentinel (EE)",
    "Mozilla/5.0 (compatible; bingbot/2.0)",
    "Mozilla/5.0 (Windows NT 10.0) SafeLinks",
    "python-requests/2.32",
    "GoogleImageProxy",
    "",
]


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


class Sent:
    """A mail that went out, and its public addresses as paths."""

    def __init__(self, message: Message, secret: str) -> None:
        addresses = Addresses("", secret)
        self.message = message
        self.contact_id = message.contact_id
        self.pixel = addresses.pixel(message.id)
        self.links = [addresses.link(message.id, n) for n in range(3)]
        self.unsubscribe = addresses.unsubscribe(message.id)
        self.personal = addresses.personal(message.id)


@pytest.fixture
def sent(app, session: Session, channel, now, make_contact, make_template, make_message):  # noqa: F811
    def make(language: str = "en") -> Sent:
        html = '<a href="https://a.test/">a</a> <a href="https://b.test/?x=1&amp;y=2#z">b</a>'
        contact = make_contact(language=language)
        version = make_template(f"links {language}", **{language: html})
        message = make_message(contact, version, status="sent", purpose="marketing", wire_at=now, sent_at=now)
        renderer = Renderer(session, {"email": channel}, "http://panel.test", app.config["SECRET_KEY"], now=now)
        (result,) = renderer.render([message])
        message.skeleton, message.values = result.skeleton_sha256, result.values
        message.content_sha256, message.address, message.language = result.content_sha256, result.address, language
        opt_in(session, contact, "email", how="form", now=now)
        session.commit()
        return Sent(message, app.config["SECRET_KEY"])

    return make


def count(model) -> int:
    return db.session.scalar(select(func.count()).select_from(model))


def everything() -> tuple[int, ...]:
    db.session.rollback()
    return (
        count(TrackingHit),
        count(Event),
        db.session.scalar(select(func.count()).where(Message.status == "cancelled")),
    )


def consent_of(sent: Sent, name: str = "email") -> str | None:
    db.session.rollback()
    return state_many(db.session(), [sent.contact_id], name).get(sent.contact_id)


def test_the_pixel_is_an_uncached_image_that_other_sites_may_show(client: FlaskClient, sent):
    answer = client.get(sent().pixel, headers={"User-Agent": CHROME})
    assert answer.status_code == 200
    assert answer.mimetype == "image/gif"
    assert answer.data.startswith(b"GIF89a")
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in answer.headers
    assert count(TrackingHit) == 1


def test_a_link_leads_to_its_target_exactly(client, sent):
    mail = sent()
    answer = client.get(mail.links[1], headers={"User-Agent": CHROME})
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://b.test/?x=1&y=2#z")
    assert "Set-Cookie" not in answer.headers
    assert client.get(mail.links[2]).status_code == 404  # the mail has two links
    db.session.rollback()
    assert db.session.get(Message, mail.message.id).first_clicked_at is not None


def test_a_head_request_is_kept_as_a_machines(client, sent):
    mail = sent()
    client.head(mail.pixel, headers={"User-Agent": CHROME})
    client.head(mail.links[0], headers={"User-Agent": CHROME})
    assert {(one.verdict, one.reason) for one in db.session.scalars(select(TrackingHit))} == {
        ("machine", "head_request")
    }


def redirects() -> list[str]:
    """Open-redirect payloads: the shared corpus where it is checked out, and the usual ones always."""
    always = [
        "https://evil.test",
        "//evil.test",
        "/\\evil.test",
        "javascript:alert(1)",
        "%2f%2fevil.test",
        "@evil.test",
    ]
    folder = Path(__file__).parents[3] / "shared/corpora/redirect"
    lines = [line for path in sorted(folder.glob("*.txt")) for line in path.read_text(errors="replace").splitlines()]
    return always + sorted({line.strip() for line in lines if line.strip()})


@pytest.mark.databases("sqlite")
def test_no_address_leads_anywhere_but_to_stored_targets(client, sent):
    from urllib.parse import quote

    path = sent().links[0]
    for payload in redirects():
        for attack in (f"/c/{quote(payload, safe='')}", f"{path}?url={quote(payload)}", f"{path}/{quote(payload)}"):
            answer = client.get(attack, headers={"User-Agent": CHROME})
            place = answer.headers.get("Location", "")
            assert place in ("", "https://a.test/") or answer.status_code == 308, (attack, place)


@pytest.mark.databases("sqlite")
def test_a_token_changed_in_any_way_opens_nothing(client, sent):
    mail = sent()
    app_key = "someone else's secret"
    tried = 0
    for path in (mail.pixel, mail.links[0], mail.unsubscribe, mail.personal):
        letter, token = re.match(r"/(\w)/([^.]+)", path).groups()
        ending = ".gif" if letter == "o" else ""
        raw = base64.urlsafe_b64decode(token)
        changed = [token[:n] for n in range(len(token))] + [token + "A", token + "=", " " + token, token.lower()]
        for bit in range(len(raw) * 8):
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << bit % 8
            changed.append(base64.urlsafe_b64encode(bytes(flipped)).decode())
        changed += [other.split("/")[2].removesuffix(".gif") for other in
                    (mail.pixel, mail.links[0], mail.unsubscribe, mail.personal) if other != path]  # fmt: skip
        changed += [
            Tokens(app_key).make(name, mail.message.id) for name in ("open", "click", "unsubscribe", "personal")
        ]
        for one in changed:
            if one in (token, "preview"):
                continue
            tried += 1
            method = client.post if letter in "up" and tried % 2 else client.get
            assert method(f"/{letter}/{one}{ending}").status_code in (404, 405, 308), one
    assert tried > 600
    assert everything()[0] == 0
    assert consent_of(mail) == "opted_in"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("agent", SCANNERS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_at_the_unsubscribe_page_changes_nothing_whoever_looks(client, sent, agent, method):
    mail = sent()
    before = everything()
    answer = client.open(mail.unsubscribe, method=method, headers={"User-Agent": agent, "Sec-Purpose": "prefetch"})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert everything() == before
    assert consent_of(mail) == "opted_in"


@pytest.mark.parametrize(
    "options",
    [
        {"data": {"List-Unsubscribe": "One-Click"}},
        {"data": {"List-Unsubscribe": "One-Click"}, "content_type": "multipart/form-data"},
        {"data": b"List-Unsubscribe=One-Click", "content_type": "application/x-www-form-urlencoded"},
        {"data": b""},
        {"data": {"List-Unsubscribe": "One-Click"}, "environ_base": {"SERVER_PROTOCOL": "HTTP/1.0"}},
        {
            "data": {"List-Unsubscribe": "One-Click"},
            "headers": {"Sec-Fetch-Site": "cross-site", "Origin": "https://m.test"},
        },
    ],
)
def test_the_button_of_mail_programs_acts_at_once_without_cookie_or_redirect(client, sent, options):
    mail = sent()
    for _ in range(2):
        answer = client.post(mail.unsubscribe, **options)
        assert answer.status_code == 200
        assert "Location" not in answer.headers
        assert "Set-Cookie" not in answer.headers
    assert consent_of(mail) == "opted_out"
    kinds = [one.kind for one in db.session.scalars(select(Event).where(Event.contact_id == mail.contact_id))]
    assert kinds.count("unsubscribed") == 1


def test_unsubscribing_stops_what_waits_in_the_same_moment(client, session, sent, make_message):  # noqa: F811
    mail = sent()
    for _ in range(50):
        make_message(mail.contact_id, None, status="queued", purpose="marketing")
    session.commit()
    assert client.post(mail.unsubscribe, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    left = select(func.count()).where(Message.contact_id == mail.contact_id, Message.status == "queued")
    db.session.rollback()
    assert db.session.scalar(left) == 0


def test_it_still_answers_after_the_contact_was_erased(client, session, sent):
    from panel.contacts.operations import erase

    mail = sent()
    erase(session, mail.contact_id)
    session.commit()
    assert client.post(mail.unsubscribe, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert client.get(mail.unsubscribe).status_code == 200


@pytest.mark.parametrize(
    ("language", "direction", "button"),
    [("en", "ltr", "Unsubscribe"), ("he", "rtl", "הסרה"), ("fa", "rtl", "لغو اشتراک")],
)
def test_the_page_speaks_the_contacts_language_and_acts_on_the_button(client, sent, language, direction, button):
    mail = sent(language)
    page = client.get(mail.unsubscribe).text
    assert f'<html lang="{language}" dir="{direction}">' in page
    assert button in page
    answer = client.post(mail.unsubscribe, data={"action": "unsubscribe"})
    assert answer.status_code == 200
    assert 'role="status"' in answer.text
    assert f'lang="{language}"' in answer.text
    assert consent_of(mail) == "opted_out"


def test_another_language_can_be_chosen_on_the_page(client, sent):
    assert '<html lang="fa" dir="rtl">' in client.get(sent("he").unsubscribe + "?language=fa").text


def test_the_page_does_not_tell_a_stranger_the_whole_address(client, session, sent):
    mail = sent()
    page = client.get(mail.unsubscribe).text
    assert mail.message.address not in page
    assert "…@example.org" in page


def test_preferences_can_be_taken_back_and_given_again(client, sent):
    mail = sent()
    assert client.post(mail.personal, data={"action": "save"}).status_code == 200
    assert consent_of(mail) == "opted_out"
    assert client.post(mail.personal, data={"action": "save", "channel": "email"}).status_code == 200
    assert consent_of(mail) == "opted_in"
    from panel.consent.queries import suppressed_many

    assert suppressed_many(db.session(), "email", [mail.message.address]) == {}


@pytest.mark.parametrize("path", ["/u/x", "/p/x", "/c/x", "/u/" + "A" * 24])
def test_an_address_that_leads_nowhere_says_so_and_sets_nothing(client, path):
    for answer in (client.get(path), client.post(path) if path[1] != "c" else client.get(path)):
        assert answer.status_code == 404
        assert "Set-Cookie" not in answer.headers
