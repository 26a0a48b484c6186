"""Is the preferred channel the right one? Contacts with a known taste, a history as a small business makes it, and the
share of contacts for whom the estimate names the channel they truly answer best, beside "always e-mail" and "the channel
of the last answer". Not a measure of speed: the figure is a share of right answers, the floor that of always e-mail.

Each simulated contact has its own chance of answering on e-mail, SMS and WhatsApp (Beta around 8 %, 20 % and 22 %), gets 2 to
40 messages over two years, three quarters of them by e-mail, and one in five changes taste halfway.
"""

from __future__ import annotations

import random
from datetime import timedelta

from bench.result import Result, peak_mb
from panel.engagement.preference import AGES, OLDER, Average, Weighed, best, smoothed

CONTACTS = 20_000
CHANNELS = ("email", "sms", "whatsapp")
AVERAGE = {"email": 0.08, "sms": 0.20, "whatsapp": 0.22}
SPREAD = 3.0  # a small number: people differ much
SHARE = (0.75, 0.15, 0.10)
DAYS = 730


def run(_url: str) -> Result:
    dice = random.Random(20261122)
    people = [_person(dice) for _ in range(CONTACTS)]
    base = _averages(people)
    names = ("estimate", "own answers only", "always email", "last channel", "last answer", "plain share")
    right = dict.fromkeys(names, 0)
    gain = dict.fromkeys((*names, "perfect"), 0.0)
    known = known_right = 0
    for taste, history in people:
        truth = max(CHANNELS, key=taste.__getitem__)
        chosen = {
            "estimate": _estimate(history, base, guess=True),
            "own answers only": (own := _estimate(history, base)),
            "always email": "email",
            "last channel": history[-1][1],
            "last answer": next((channel for _, channel, answer in reversed(history) if answer), "email"),
            "plain share": _plain(history),
        }
        if any(answer for *_, answer in history):
            known, known_right = known + 1, known_right + (own == truth)
        for name, channel in chosen.items():
            right[name] += channel == truth
            gain[name] += taste[channel]
        gain["perfect"] += taste[truth]
    shares = {name: count / CONTACTS for name, count in right.items()}
    return Result(
        "preference",
        "none",
        shares["estimate"],
        "of contacts right",
        shares["always email"],
        "with always e-mail",
        shares["estimate"] / shares["always email"],
        peak_mb(),
        {
            "right": shares,
            "answers_per_message": {name: total / CONTACTS for name, total in gain.items()},
            "contacts": CONTACTS,
            "with_an_answer": known / CONTACTS,
            "right_where_preference_is_claimed": known_right / known,
        },
    )


def _person(dice: random.Random) -> tuple[dict[str, float], list[tuple[int, str, bool]]]:
    def taste() -> dict[str, float]:
        return {name: dice.betavariate(AVERAGE[name] * SPREAD, (1 - AVERAGE[name]) * SPREAD) for name in CHANNELS}

    now = taste()
    before = taste() if dice.random() < 0.2 else now
    history = []
    for age in sorted((dice.randrange(DAYS) for _ in range(dice.randint(2, 40))), reverse=True):
        channel = dice.choices(CHANNELS, SHARE)[0]
        chance = (before if age > DAYS / 2 else now)[channel]
        history.append((age, channel, dice.random() < chance))
    return now, history


def _averages(people: list[tuple[dict[str, float], list[tuple[int, str, bool]]]]) -> dict[str, Average]:
    counts = dict.fromkeys(CHANNELS, (0, 0))
    for _, history in people:
        for _, channel, answer in history:
            sent, good = counts[channel]
            counts[channel] = (sent + 1, good + answer)
    return smoothed(counts)


def _estimate(history: list[tuple[int, str, bool]], base: dict[str, Average], *, guess: bool = False) -> str:
    seen: dict[str, Weighed] = {}
    for age, channel, answer in history:
        weight = next((one for limit, one in AGES if timedelta(days=age) <= limit), OLDER)
        before = seen.get(channel, Weighed(0, 0))
        seen[channel] = Weighed(before.sent + weight, before.answered + weight * answer)
    return best(seen, base, guess=guess) or "email"  # nothing known: the order of the template


def _plain(history: list[tuple[int, str, bool]]) -> str:
    """Answers by messages, without any caution."""
    shares = {}
    for name in CHANNELS:
        mine = [answer for _, channel, answer in history if channel == name]
        shares[name] = sum(mine) / len(mine) if mine else 0
    return max(CHANNELS, key=lambda name: shares[name])
