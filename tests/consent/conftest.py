"""The people of the contacts' tests are the people here."""

from tests.contacts.conftest import make_contact, now

__all__ = ["make_contact", "now"]
