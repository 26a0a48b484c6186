"""Random journeys for the oracle of limits and hours: what they say, and as what they are published."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta

from tests.journeys.engine.limits_oracle import Hours, Limit, Rules

ZONES = ["Asia/Jerusalem", "Asia/Tehran", "America/New_York", "Australia/Lord_Howe", "Pacific/Auckland",
         "Asia/Kathmandu", "Africa/Cairo", "Pacific/Apia"]  # fmt: skip
FALLBACK = "Asia/Jerusalem"
LIMITS = ["1 per day", "2 per day", "1 per 24 hours", "2 per 36 hours", "3 per week", "1 per 2 days", "2 per 3 days",
          "2 per month", "1 per 90 minutes", "1 per week", "3 per 2 weeks"]  # fmt: skip
LATE = {"6 hours": timedelta(hours=6), "2 days": timedelta(days=2), "10 days": timedelta(days=10),
        "30 days": timedelta(days=30)}  # fmt: skip


@dataclass
class Step:
    id: str
    channel: str
    own_hours: Hours | None = None
    ignores: bool = False


@dataclass
class Plan:
    """What one version of a journey says."""

    name: str
    purpose: str
    priority: int
    rules: Rules
    sms_hours: Hours | None
    too_late: str
    steps: list[Step]
    waits: list[str]
    on_unknown: str = "ask"

    def written(self) -> str:
        lines = [f"{self.name}:", f"  name: {self.name}", f"  purpose: {self.purpose}", "  review_after: 1 year",
                 f"  description: {id(self)}",
                 f"  priority: {self.priority}", f"  start_when: {{tag_added: {self.name}}}", "  re_enter: always",
                 f"  too_late_after: {self.too_late}", f"  time_zone: {self.rules.time_zone}",
                 f"  fallback_time_zone: {FALLBACK}", f"  on_unknown: {self.on_unknown}"]  # fmt: skip
        limits = [f"messages: [{', '.join(one.text for one in self.rules.limits)}]"] if self.rules.limits else []
        for channel, own in (self.rules.of_channel or {}).items():
            limits.append(f"{channel}: [{', '.join(one.text for one in own)}]")
        if limits:
            lines.append(f"  limits: {{{', '.join(limits)}, when_over: {self.rules.when_over}}}")
        if self.rules.hours or self.sms_hours:
            general = str(self.rules.hours)[1:-1] if self.rules.hours else ""
            sms = f"sms: {self.sms_hours}" if self.sms_hours else ""
            lines.append(f"  send_hours: {{{', '.join(one for one in (general, sms) if one)}}}")
        lines.append("  steps:")
        for step, wait in zip(self.steps, self.waits, strict=True):
            own = f", send_hours: {step.own_hours}" if step.own_hours else ""
            free = ", ignore_limits: yes" if step.ignores else ""
            lines += [f"    - send: {{message: note, via: {step.channel}{own}{free}}}", f"      id: {step.id}"]
            if wait:
                lines.append(f"    - wait: {wait}")
        return "\n".join(lines)

    def rules_for(self, step_id: str, channel: str) -> Rules:
        step = next(one for one in self.steps if one.id == step_id)
        hours = step.own_hours or (self.sms_hours if channel == "sms" and self.sms_hours else self.rules.hours)
        return replace(self.rules, hours=hours, ignores_limits=step.ignores and self.purpose == "service")


def some_hours(chance: random.Random, outside: bool = True) -> Hours:
    opens, closes = sorted(chance.sample(range(0, 96), 2))
    closes = max(closes, opens + 2)
    clock_of = lambda quarter: f"{quarter // 4:02d}:{quarter % 4 * 15:02d}"  # noqa: E731
    days = tuple(one for one in ("sun", "mon", "tue", "wed", "thu", "fri", "sat") if chance.random() < 0.75) or ("tue",)
    how = chance.choice(["wait", "wait", "wait", "skip", "earlier"]) if outside else "wait"
    return Hours(days, clock_of(opens), clock_of(closes), chance.random() < 0.3, how)


def a_plan(chance: random.Random, name: str, like: Plan | None = None) -> Plan:
    few = chance.random
    own = {"sms": (Limit(chance.choice(LIMITS)),)} if few() < 0.3 else {}
    if few() < 0.15:
        own["email"] = (Limit(chance.choice(LIMITS)),)
    late = chance.choice(list(LATE))
    rules = Rules(
        limits=tuple(Limit(one) for one in chance.sample(LIMITS, chance.choice([0, 1, 1, 1, 2]))),
        of_channel=own,
        when_over="skip" if few() < 0.15 else "wait",
        hours=some_hours(chance) if few() < 0.6 else None,
        too_late_after=LATE[late],
        time_zone=chance.choice(["contact", "contact", "contact", "company", "America/New_York"]),
    )
    sms = some_hours(chance) if few() < 0.25 else None
    if like is not None:
        return replace(like, rules=rules, sms_hours=sms, too_late=late)
    purpose = chance.choice(["marketing", "marketing", "service"])
    steps = [
        Step(f"s{n}", chance.choice(["email", "email", "sms"]), some_hours(chance) if few() < 0.15 else None,
             purpose == "service" and few() < 0.3)
        for n in range(chance.choice([1, 1, 2]))
    ]  # fmt: skip
    waits = [*(chance.choice(["", "5 hours", "1 day"]) for _ in steps[1:]), ""]
    unknown = chance.choice(["ask", "assume_sent", "send_again"])
    return Plan(name, purpose, chance.choice([2, 5, 5, 8]), rules, sms, late, steps, waits, unknown)
