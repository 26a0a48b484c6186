"""Messages that have gone out, with links, a pixel and an unsubscribe address."""

from tests.messages.conftest import channel, make_contact, make_message, make_template, now, renderer  # noqa: F401
