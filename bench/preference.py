"""Is the preferred channel the right one? Contacts with a known taste, a history as a small business makes it, and the
share of contacts for whom the estimate names the channel they truly answer best, beside "always e-mail" and "the channel
of the last answer". Not a measure of speed: the figure is a share of right answers, the floor that of always e-mail.

Each simulated contact has its own chance of answering on e-mail, SMS and WhatsApp (Beta around 8 %, 20 % and 22 %), gets 2 to
40 messages over two years, three quarters of them by e-mail, and one in five changes taste halfway. Programs open six of ten
mails; "opens counted" is what would come of it if an open were taken for an answer. The same is told apart for contacts
with few messages (2 to 5), some (about 10) and many, and with everything sent evenly over the three channels.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from bench.result import Result, peak_mb
from panel.engagement.preference import AGES, OLDER, Average, Weighed, best, smoothed

CONTACTS = 20_000
CHANNELS = ("email", "sms", "whatsapp")
AVERAGE = {"email": 0.08, "sms": 0.20, "whatsapp": 0.22}
SPREAD = 3.0  # a small number: people differ much
SHARE = (0.75, 0.15, 0.10)
EVENLY = (1.0, 1.0, 1.0)
DAYS = 730
OPENED_BY_PROGRAMS = 0.6  # of mails
LENGTHS = {"few (2-5)": (2, 5), "some (8-12)": (8, 12), "many (20-40)": (20, 40)}
NAMES = (
    "estimate", "own answers only", "always email", "last channel", "last answer", "plain share", "opens counted",
)  # fmt: skip

History = list[tuple[int, str, bool, bool]]  # age in days, channel, answered, opened by a program; the oldest first
Person = tuple[dict[str, float], History]


def run(_url: str) -> Result:
    dice = random.Random(20261122)
    everybody = _measured([_person(dice) for _ in range(CONTACTS)])
    by_length = {
        name: _measured([_person(dice, bounds) for _ in range(CONTACTS // 4)])["right"]
        for name, bounds in LENGTHS.items()
    }
    evenly = {
        name: _measured([_person(dice, bounds, EVENLY) for _ in range(CONTACTS // 4)])["right"]
        for name, bounds in LENGTHS.items()
    }
    shares = everybody["right"]
    return Result(
        "preference",
        "none",
        shares["estimate"],
        "of contacts right",
        shares["always email"],
        "with always e-mail",
        shares["estimate"] / shares["always email"],
        peak_mb(),
        {**everybody, "contacts": CONTACTS, "right_by_length": by_length, "right_by_length_sent_evenly": evenly},
    )


def _measured(people: list[Person]) -> dict[str, Any]:
    """For how many each way is right, and how many answers a message would get by it."""
    base = _averages(people)
    right = dict.fromkeys(NAMES, 0)
    gain = dict.fromkeys((*NAMES, "perfect"), 0.0)
    known = known_right = 0
    for taste, history in people:
        truth = max(CHANNELS, key=taste.__getitem__)
        chosen = _chosen(history, base)
        if any(answer for _, _, answer, _ in history):
            known, known_right = known + 1, known_right + (chosen["own answers only"] == truth)
        for name, channel in chosen.items():
            right[name] += channel == truth
            gain[name] += taste[channel]
        gain["perfect"] += taste[truth]
    return {
        "right": {name: count / len(people) for name, count in right.items()},
        "answers_per_message": {name: total / len(people) for name, total in gain.items()},
        "with_an_answer": known / len(people),
        "right_where_preference_is_claimed": known_right / known,
    }


def _chosen(history: History, base: dict[str, Average]) -> dict[str, str]:
    return {
        "estimate": _estimate(history, base, guess=True),
        "own answers only": _estimate(history, base),
        "always email": "email",
        "last channel": history[-1][1],
        "last answer": next((channel for _, channel, answer, _ in reversed(history) if answer), "email"),
        "plain share": _plain(history),
        "opens counted": _plain([(age, channel, answer or opened, opened) for age, channel, answer, opened in history]),
    }


def _person(
    dice: random.Random, messages: tuple[int, int] = (2, 40), share: tuple[float, float, float] = SHARE
) -> Person:
    def taste() -> dict[str, float]:
        return {name: dice.betavariate(AVERAGE[name] * SPREAD, (1 - AVERAGE[name]) * SPREAD) for name in CHANNELS}

    now = taste()
    before = taste() if dice.random() < 0.2 else now
    history = []
    for age in sorted((dice.randrange(DAYS) for _ in range(dice.randint(*messages))), reverse=True):
        channel = dice.choices(CHANNELS, share)[0]
        chance = (before if age > DAYS / 2 else now)[channel]
        opened = channel == "email" and dice.random() < OPENED_BY_PROGRAMS
        history.append((age, channel, dice.random() < chance, opened))
    return now, history


def _averages(people: list[Person]) -> dict[str, Average]:
    counts = dict.fromkeys(CHANNELS, (0, 0))
    for _, history in people:
        for _, channel, answer, _ in history:
            sent, good = counts[channel]
            counts[channel] = (sent + 1, good + answer)
    return smoothed(counts)


def _estimate(history: History, base: dict[str, Average], *, guess: bool = False) -> str:
    seen: dict[str, Weighed] = {}
    for age, channel, answer, _ in history:
        weight = next((one for limit, one in AGES if timedelta(days=age) <= limit), OLDER)
        before = seen.get(channel, Weighed(0, 0))
        seen[channel] = Weighed(before.sent + weight, before.answered + weight * answer)
    return best(seen, base, guess=guess) or "email"  # nothing known: the order of the template


def _plain(history: History) -> str:
    """Answers by messages, without any caution."""
    shares = {}
    for name in CHANNELS:
        mine = [answer for _, channel, answer, _ in history if channel == name]
        shares[name] = sum(mine) / len(mine) if mine else 0
    return max(CHANNELS, key=lambda name: shares[name])
