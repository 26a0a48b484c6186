"""A text is compiled once; every value at its place, every link followed, nothing else changed."""

from __future__ import annotations

import pytest

from panel.sdk.channels import TemplateContent
from panel.sdk.merge import TemplateError
from plugins.sms.text import compile_text, encode_value, show_text


def compiled(text):
    return compile_text(TemplateContent(text=text))


def test_merge_fields_become_slots():
    skeleton = compiled("שלום [[first_name|חבר]], קוד [[given.code]]")
    assert [slot.name for slot in skeleton.slots] == ["field:first_name|חבר", "field:given.code"]
    assert skeleton.fill([encode_value("דנה"), encode_value("A1")]).decode() == "שלום דנה, קוד A1"


@pytest.mark.parametrize(
    ("text", "links", "around"),
    [
        ("See https://shop.example/a.", ("https://shop.example/a",), ["See ", "."]),
        ("(http://x.example) and https://y.example/?q=1", ("http://x.example", "https://y.example/?q=1"), None),
        ("לפרטים: https://shop.example/מבצע!", ("https://shop.example/מבצע",), ["לפרטים: ", "!"]),
        ("https://x.example\u200f sent", ("https://x.example",), None),
        ("no link: shop.example, ftp://x", (), None),
        ("https://x.example/[[code]]", (), None),
        ("Go: https://x.example/a [[code]]", ("https://x.example/a",), None),
    ],
)
def test_links_become_slots_and_their_punctuation_stays(text, links, around):
    skeleton = compiled(text)
    assert skeleton.links == links
    values = [
        skeleton.links[int(slot.name[5:])].encode() if slot.name.startswith("link:") else b"[[code]]"
        for slot in skeleton.slots
    ]
    assert skeleton.fill(values).decode() == text
    if around:
        assert [segment.decode() for segment in skeleton.segments] == around


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_text_is_refused(text):
    with pytest.raises(TemplateError) as caught:
        compiled(text)
    assert caught.value.code == "sms_without_text"


def test_a_value_cannot_break_the_text():
    assert encode_value("a\r\nb\x00\x1b[2Jc").decode() == "a b[2Jc"
    assert encode_value("e\u0301").decode() == "é"
    assert encode_value("می\u200cخواهم").decode() == "می\u200cخواهم", "a joiner of Persian spelling is no filling"


def test_a_stored_text_is_shown_with_its_parts():
    shown = show_text(("ש" * 71).encode())
    assert (shown.text, shown.parts) == ("ש" * 71, 2)
