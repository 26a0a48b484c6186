"""Segments are counted as the networks bill them."""

from __future__ import annotations

import pytest

from plugins.sms.segments import BASIC, EXTENSION, count


@pytest.mark.parametrize(
    ("text", "coding", "units", "parts", "left"),
    [
        ("", "GSM-7", 0, 0, 160),
        ("a" * 160, "GSM-7", 160, 1, 0),
        ("a" * 161, "GSM-7", 161, 2, 145),
        ("a" * 306, "GSM-7", 306, 2, 0),
        ("a" * 307, "GSM-7", 307, 3, 152),
        ("€" * 80, "GSM-7", 160, 1, 0),
        ("a" * 159 + "€", "GSM-7", 161, 2, 145),  # 153 of the first part, then 6 letters and the two of the euro
        ("a" * 152 + "€" * 10, "GSM-7", 172, 2, 133),  # the first euro does not fit into the last place of part one
        ("ש" * 70, "UCS-2", 70, 1, 0),
        ("ש" * 71, "UCS-2", 71, 2, 63),
        ("ش" * 134, "UCS-2", 134, 2, 0),
        ("ش" * 135, "UCS-2", 135, 3, 66),
        ("😀" * 35, "UCS-2", 70, 1, 0),
        ("😀" * 36, "UCS-2", 72, 2, 61),  # 33 pairs fill 66 of 67; a pair is not torn apart
        ("Hello ש", "UCS-2", 7, 1, 63),
        ("Çà@£Δ\n", "GSM-7", 6, 1, 154),
        ("ç", "UCS-2", 1, 1, 69),
        ("`", "UCS-2", 1, 1, 69),
    ],
)
def test_parts_are_counted_as_they_are_billed(text, coding, units, parts, left):
    found = count(text)
    assert (found.coding, found.units, found.parts, found.left) == (coding, units, parts, left)


def test_the_character_that_makes_a_text_expensive_is_named():
    assert count("Price: 5€ “today”").forcing == ("“", "”")


def test_the_basic_alphabet_is_complete():
    assert len(BASIC) == 127, "128 places, one of them the escape"
    assert len(EXTENSION) == 10
    assert not BASIC & EXTENSION
