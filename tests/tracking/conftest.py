"""Messages that have gone out, with links, a pixel and an unsubscribe address."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.messages.models import Message
from tests.messages.conftest import channel, make_contact, make_message, make_template, now, renderer  # noqa: F401

THREE_LINKS = (
    '<a href="https://a.test/">a</a> <a href="https://b.test/?x=1&amp;y=2">b</a> <a href="https://c.test/">c</a>'
)


@pytest.fixture
def sent(session, renderer, now, make_contact, make_template, make_message):  # noqa: F811
    """A marketing mail with three links that went out an hour before `now`."""

    def make(**given) -> Message:
        contact = given.pop("contact_id", None) or make_contact()
        given = {"status": "sent", "purpose": "marketing", **given}
        message = make_message(contact, make_template("links", any=THREE_LINKS), **given)
        (result,) = renderer.render([message])
        message.skeleton, message.values = result.skeleton_sha256, result.values
        message.content_sha256, message.address = result.content_sha256, result.address
        message.wire_at = now - timedelta(hours=1)
        if message.status == "sent":
            message.sent_at = message.wire_at
        session.flush()
        return message

    return make
