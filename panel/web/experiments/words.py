"""What the numbers of a test mean, in plain sentences: markup, with every value escaped.

Before the decision nothing is called a winner.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from panel.experiments import planning
from panel.experiments.models import Experiment
from panel.i18n import N_, gettext, ngettext
from panel.web import filters
from panel.web.preferences import current_reader

STATES = {
    "running": ("blue", "flask", N_("Running")),
    "asked": ("amber", "help-circle", N_("Asks for a decision")),
    "winner": ("green", "circle-check", N_("Decided")),
    "no_winner": ("", "circle-check", N_("Decided")),
    "ended": ("", "flag-check", N_("Ended")),
}
MEASURES = {
    "rate": N_("how many reach the goal"),
    "sum_per_contact": N_("money per contact"),
    "days_to_goal": N_("days until the goal"),
}
Numbers = Mapping[str, Any]
STALE_AFTER = timedelta(hours=3)


def name_of(key: str) -> str:
    """A variant as plain text; the hold-out is what it gets: nothing."""
    return filters.isolate(key) if key else gettext("nothing at all")


def _name(key: str) -> str:
    """The same for the sentences here, which are markup: a name may hold anything that a person typed."""
    return str(filters.person(key)) if key else gettext("nothing at all")


def amount(numbers: Numbers, value: float) -> str:
    """A value of the measure: a share, money, or days."""
    if numbers["measure"] == "rate":
        return str(filters.percent(value, 1))
    if numbers["measure"] == "days_to_goal":
        days = str(filters.number(value, 1))
        return gettext("%(n)s days", n=days)
    currencies = numbers.get("currencies") or []
    # Without one currency it is a bare number, and an amount all the same.
    one = len(currencies) == 1 or not current_reader().sees_amounts
    return str(filters.money(value, currencies[0] if currencies else "ILS") if one else filters.number(value, 2))


def sums(numbers: Numbers, arm: Mapping[str, Any], *, each: bool = False) -> list[str]:
    """What a variant brought in, or `each` contact of it whose time is over: one amount, or one for each currency."""
    by, totals = max(1, arm["matured"]) if each else 1, arm["totals"]
    if not is_mixed(numbers):
        return [amount(numbers, sum(float(one) for one in totals.values()) / by)]
    return [
        str(filters.money(Decimal(one) / by, currency) if currency else filters.number(float(one) / by, 2))
        for currency, one in totals.items()
    ] or [str(filters.NOTHING)]


def arms(numbers: Numbers) -> dict[str, Mapping[str, Any]]:
    return {one["key"]: one for one in numbers.get("arms", ())}


def is_mixed(numbers: Numbers) -> bool:
    """The sums are of several currencies, so that they cannot be compared."""
    return numbers.get("measure") == "sum_per_contact" and len(numbers.get("currencies") or ()) > 1


def suggested(numbers: Numbers) -> str | None:
    """The choice that the numbers speak for; None when that is for the reader to find out."""
    found = None if is_mixed(numbers) or numbers.get("below_hold_out") else numbers.get("winner")
    return str(found) if found is not None else None


def stale(experiment: Experiment, now: datetime) -> str | None:
    """That a running test is not counted any more, which somebody would otherwise wait for."""
    since = experiment.counted_at or experiment.started_at
    if experiment.state != "running" or since is None or now - since < STALE_AFTER:
        return None
    return gettext(
        "The numbers should be counted every hour and were not since %(when)s. “Needs attention” says what is in the"
        " way.",
        when=str(filters.when(since)),
    )


def leading(numbers: Numbers) -> str:
    """Who is ahead, and by how much. Says nothing about chance."""
    leader = numbers.get("leader")
    if not numbers:
        return gettext("The numbers are counted once an hour; the first ones will be here soon.")
    if leader is None:
        return gettext("Nobody has reached the goal yet.")
    if is_mixed(numbers):
        return _mixed(numbers)
    known = arms(numbers)
    rivals = [one for one in numbers["comparisons"] if one["other"]] or numbers["comparisons"]
    sign = -1 if numbers["measure"] == "days_to_goal" else 1
    best = max(rivals, key=lambda one: sign * known[one["other"]]["value"])
    first, second = known[leader]["value"], known[best["other"]]["value"]
    words = {
        "leader": _name(leader),
        "other": _name(best["other"]),
        "first": amount(numbers, first),
        "second": amount(numbers, second),
    }
    if first == second:
        return gettext("“%(leader)s” and “%(other)s” are equal so far: %(first)s.", **words)
    if numbers["measure"] == "rate":
        return gettext("With “%(leader)s” %(first)s reach the goal, with “%(other)s” %(second)s.", **words)
    if numbers["measure"] == "days_to_goal":
        return gettext(
            "With “%(leader)s” contacts need %(first)s to the goal on average, with “%(other)s” %(second)s.", **words
        )
    if second > 0:
        words["more"] = str(filters.percent(first / second - 1))
        return gettext(
            "“%(leader)s” brought %(more)s more per contact than “%(other)s”: %(first)s against %(second)s.", **words
        )
    return gettext("“%(leader)s” brought %(first)s per contact, “%(other)s” %(second)s.", **words)


def _mixed(numbers: Numbers) -> str:
    """Instead of sums that mean nothing: how many reached the goal."""
    best = sorted((one for one in numbers["arms"] if one["key"]), key=lambda one: -one["rate"])
    rest = [*best, *(one for one in numbers["arms"] if not one["key"])]
    return gettext(
        "The money came in several currencies, so the sums say nothing. With “%(leader)s” %(first)s reach the goal,"
        " with “%(other)s” %(second)s.",
        leader=_name(rest[0]["key"]),
        other=_name(rest[1]["key"]),
        first=str(filters.percent(rest[0]["rate"], 1)),
        second=str(filters.percent(rest[1]["rate"], 1)),
    )


def verdict(
    experiment: Experiment, now: datetime, decided_by: str | None, *, journey_is_over: bool = False
) -> list[str]:
    """What is known about chance, and what is decided or will be, and when. `journey_is_over`: the journey has ended
    with this round."""
    numbers, state = experiment.numbers, experiment.state
    if state == "ended" and not journey_is_over:
        return [
            gettext(
                "This round ended without a decision: a variant or the plan was changed, or the split was taken out."
            )
        ]
    if state == "running":
        words = _waiting(experiment, now) if numbers else []
        if journey_is_over:
            words.append(gettext("The journey has ended. The test is still judged on its day, but asks nobody."))
        return words
    words = [_chance(numbers)] if numbers and not is_mixed(numbers) else []
    if state == "ended":
        return [*words, gettext("The journey has ended, so there is nobody left to choose for.")]
    if state == "asked":
        return [*words, gettext("Somebody has to choose now. Until then contacts are divided as before.")]
    return [*words, _decision(experiment, decided_by)]


def _waiting(experiment: Experiment, now: datetime) -> list[str]:
    numbers = experiment.numbers
    planned, last = datetime.fromisoformat(numbers["planned_at"]), datetime.fromisoformat(numbers["last_at"])
    if experiment.looked_at is not None:
        return [
            gettext("The planned look found no sure difference: what shows may be chance."),
            gettext("The last look is on %(date)s; it decides.", date=str(filters.day(last))),
        ]
    words = []
    if numbers.get("leader") is not None and not is_mixed(numbers):
        words.append(gettext("We cannot yet tell whether that is more than chance."))
    fewest = _fewest(numbers)
    enough = gettext(
        "It needs %(n)s contacts in each variant whose time is over; the smallest has %(now)s.",
        n=str(filters.number(numbers["at_least"])),
        now=str(filters.number(fewest)),
    )
    if now < planned:
        words.append(gettext("The decision is planned for %(date)s.", date=str(filters.day(planned))))
        return [*words, enough] if fewest < numbers["at_least"] else words
    return [*words, enough, gettext("On %(date)s it ends in any case.", date=str(filters.day(last)))]


def _fewest(numbers: Numbers) -> int:
    """Contacts whose time is over, in the smallest variant that is judged."""
    variants = [one for one in numbers["arms"] if one["key"]]
    # A single variant is judged against those who get nothing, who must be enough as well.
    return min((one["matured"] for one in (variants if len(variants) > 1 else numbers["arms"])), default=0)


def _chance(numbers: Numbers) -> str:
    if numbers.get("winner") is None:
        return gettext("There is no sure difference: what shows may be chance.")
    level = max(1, round(100 * numbers["asked_level"]))
    words = ngettext(
        "That is more than chance: where nothing differs, a test like this says so in at most %(n)s case of 100.",
        "That is more than chance: where nothing differs, a test like this says so in at most %(n)s cases of 100.",
        level,
        n=str(filters.number(level)),
    )
    if numbers.get("below_hold_out"):
        words += " " + gettext("But those who got nothing did better still.")
    return words


def _decision(experiment: Experiment, decided_by: str | None) -> str:
    words = {"date": str(filters.day(experiment.decided_at)), "name": _name(experiment.winner or "")}
    if experiment.winner is None:
        what = gettext("Decided on %(date)s: contacts go on being divided.", **words)
    else:
        what = gettext(
            "Decided on %(date)s: whoever comes now gets “%(name)s”. Those inside finish their variant.", **words
        )
    if decided_by:
        return what + " " + gettext("Chosen by %(who)s.", who=str(filters.person(decided_by)))
    return what + " " + gettext("So the journey itself wanted it.")


def plan(numbers: Numbers) -> str | None:
    """What the planned look is able to see, with as many contacts as it has by then for certain."""
    known = [one for one in numbers.get("arms", ()) if one["matured"]]
    if not known or not numbers.get("at_least") or is_mixed(numbers):
        return None
    n, level = max(numbers["at_least"], _fewest(numbers)), numbers["asked_level"]
    if numbers["measure"] == "rate":
        base = sum(one["goals"] for one in known) / sum(one["matured"] for one in known)
        seen = planning.smallest_rate_seen(base, n, level=level) if 0 < base < 1 else None
        difference = str(filters.number(100 * (seen - base), 1)) if seen is not None else None
        if difference is None:
            return None
        return gettext(
            "With %(n)s contacts in each variant, the planned look finds a difference of %(d)s percentage points in 8"
            " of 10 cases. A smaller one needs more contacts.",
            n=str(filters.number(n)),
            d=difference,
        )
    if numbers["measure"] == "sum_per_contact" and numbers.get("deviation"):
        return gettext(
            "With %(n)s contacts in each variant, the planned look finds a difference of %(d)s per contact in 8 of 10"
            " cases. A smaller one needs more contacts.",
            n=str(filters.number(n)),
            d=amount(numbers, planning.smallest_sum_seen(numbers["deviation"], n, level=level)),
        )
    return None
