"""Digits that stand in a translation follow the reader's choice; what is filled in stays as it was written."""

from __future__ import annotations

import pytest

from panel.i18n import ngettext, set_language, set_latin_digits, translate


@pytest.fixture
def latin():
    set_language("fa")
    set_latin_digits(True)
    yield
    set_latin_digits(False)
    set_language("en")


def test_a_translation_has_the_digits_of_its_language():
    assert "۳۰" in translate("fa", "nothing in the last 30 days")


def test_a_reader_who_chose_latin_digits_reads_them_everywhere(latin):
    assert "30" in translate("fa", "nothing in the last 30 days")
    many = ngettext("once in the last 30 days", "%(n)s times in the last 30 days", 2)
    assert "30" in many
    assert not set("۰۱۲۳۴۵۶۷۸۹") & set(many)


def test_what_somebody_wrote_keeps_its_own_digits(latin):
    assert "کوچهٔ ۱۲" in translate("fa", "The journey calls it: %(reason)s.", reason="کوچهٔ ۱۲")
