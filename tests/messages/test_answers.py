"""An answer says on the wire which message it answers, so that mail programs show them together."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.databases("sqlite")


def test_an_answer_names_the_message_it_answers(renderer, make_contact, make_message):
    contact = make_contact()
    own_words = {"subject": "Re: Hello", "text": "Yes, of course."}
    answer = make_message(contact, inline=own_words, rules={"answers": 1, "answers_key": "m1.abc"})
    other = make_message(contact, inline=own_words)
    answered, alone = renderer.render([answer, other])
    assert b"\r\nIn-Reply-To: <m1.abc@nava.test>\r\nReferences: <m1.abc@nava.test>\r\n" in answered.payload
    assert b"In-Reply-To" not in alone.payload
