"""A refusal is understood however a telephone wrote it; an ordinary answer is not taken for one."""

from __future__ import annotations

import pytest

from plugins.sms.optout import is_opt_out

REFUSALS = [
    "הסר", "הסר.", " הסר ", "\u200fהסר\u200f", "הסר!!!", "«הסר»", "הָסֵר", "הסר...", 
    "הסירו", "הסר אותי", "הסירו אותי",
    "לא", "לא.", "\u202bלא\u202c", "תסירו אותי", "להסיר", "נא להסיר",
    "لغو", "لغو.", "\u200fلغو", "لَغو", "لغو۱۱", "لغو 11", "لغو١١", "لغـــو", "لغو\u200cاشتراک", 
    "لغو اشتراك", "لغو اشتراک…", "۱۱", "١١",
    "نمی\u200cخواهم", "نمي خواهم", "خیر", "خير", "إلغاء", "الغاء", "ﻟﻐﻮ",
    "STOP", "stop", "Stop.", "  S T O P  ", "ＳＴＯＰ", "STOP STOP", "Unsubscribe", "stop\n", 
    "\ufeffSTOP", "STOP!", "'stop'",
]  # fmt: skip
ANSWERS = [
    "", " ", "...", "כן", "לא הבנתי, מתי אתם פתוחים?", "תודה רבה", "הסרט היה מצוין", "לאה", "بله", "ممنون",
    "لغو نکنید لطفا",
    "خیریه", "yes", "no problem", "stopwatch", "When do you stop for lunch?", "11:30", "5", "🙂",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_understood(text):
    assert is_opt_out(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_an_ordinary_answer_is_not_a_refusal(text):
    assert not is_opt_out(text)


def test_a_business_adds_words_of_its_own():
    assert is_opt_out("די כבר", "די כבר, بسه")
    assert is_opt_out("بسه.", "די כבר، بسه")
    assert not is_opt_out("די כבר")
