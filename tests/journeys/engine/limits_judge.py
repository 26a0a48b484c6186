"""The judge: looks over the engine's shoulder at each decision, and counts again at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from panel.contacts.models import Contact, ContactAddress
from panel.db import connection_of, rows_of, table_of
from panel.journeys.engine import checks
from panel.journeys.models import Journey
from panel.messages.models import Message
from tests.journeys.engine.limits_oracle import Case, Rules, is_open, mailbox
from tests.journeys.engine.limits_plans import FALLBACK, Plan
from tests.journeys.engine.world import World


@dataclass
class Going:
    """When a message was let through, and what was known then."""

    at: datetime
    case: Case


class Judge:
    """Takes the place of `when` in the last check. `faults` are what it found wrong, in words."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.faults: list[str] = []
        self.judged = {"go": 0, "wait": 0, "skip": 0}
        self.going: dict[int, Going] = {}
        self.plans: dict[tuple[str, int], Plan] = {}
        self.really = checks.when

    def wrong(self, words: str) -> None:
        self.faults.append(f"story {self.seed}: {words}")

    def ledger(self, session: Any) -> list[dict[str, Any]]:
        states = dict(connection_of(session).execute(select(Journey.id, Journey.state)).all())
        rows = rows_of(session, select(table_of(Message)).order_by(Message.id))
        return [{**row, "is_paused": states.get(row["journey_id"]) in ("paused", "draft")} for row in rows]

    def address_of(self, session: Any, contact: int, channel: str) -> str | None:
        kind = "email" if channel == "email" else "phone"
        query = select(ContactAddress.value).where(ContactAddress.contact_id == contact, ContactAddress.kind == kind)
        return session.scalar(query.order_by(ContactAddress.position))

    def case(self, session: Any, row: Mapping[str, Any], ledger: Sequence[Mapping[str, Any]], now: datetime) -> Case:
        rules = Rules(too_late_after=timedelta(days=3))
        if row["journey_id"]:
            number = max(number for name, number in self.plans if name == row["journey_id"])
            rules = self.plans[row["journey_id"], number].rules_for(row["step_id"], row["channel"])
            rules = replace(rules, too_late_after=timedelta(
                days=row["rules"]["too_late_after"]["days"], seconds=row["rules"]["too_late_after"]["seconds"]
            ))  # fmt: skip
        theirs = session.scalar(select(Contact.time_zone).where(Contact.id == row["contact_id"]))
        zone = theirs or FALLBACK if rules.time_zone == "contact" else rules.time_zone
        zone = "Asia/Jerusalem" if zone == "company" else zone
        return Case(
            row, self.address_of(session, row["contact_id"], row["channel"]), rules, ZoneInfo(zone), ledger, now
        )

    def judge(self, session: Any, willing: Sequence[Any], business: Any, now: datetime) -> Any:
        decisions = self.really(session, willing, business, now)
        ledger = self.ledger(session)
        order = sorted(willing, key=lambda w: (w.message["priority"], w.message["not_before"], w.message["id"]))
        by_id = {row["id"]: row for row in ledger}
        for one in order:
            row, decision = by_id[one.message["id"]], decisions[one.message["id"]]
            row["not_before"] = one.message["not_before"]
            case = self.case(session, row, ledger, now)
            self.judged[decision.verdict] += 1
            if mailbox(one.address) != mailbox(case.address):
                self.wrong(f"message {row['id']} judged at {one.address}, not {case.address}")
            wrong = getattr(self, f"judge_{decision.verdict}")(case, decision)
            if wrong:
                whom = f"{now:%a %m-%d %H:%M} message {row['id']} of {row['journey_id']} to {row['contact_id']}"
                seen = f"gone {case.gone} kept {case.kept} family {case.family}"
                self.wrong(f"{whom} ({case.zone}): {wrong}; {case.rules} {seen}")
            if decision.verdict == "go":
                row |= {"status": "on_wire", "wire_at": now, "address": one.address}
                self.going[row["id"]] = Going(now, case)
            elif decision.verdict == "wait":
                row |= {"not_before": decision.not_before}
            else:
                row |= {"status": "skipped"}
        return decisions

    def judge_go(self, case: Case, decision: Any) -> str | None:
        way = case.in_the_way(case.now)
        if way:
            return f"went in spite of {way}"
        expires = case.message["expires_at"]
        if expires is not None and case.now > max(expires, case.too_late_from()):
            return "went too late"
        return None

    def judge_wait(self, case: Case, decision: Any) -> str | None:
        told, soon = decision.not_before, case.now + timedelta(seconds=1)
        way = case.in_the_way(told)
        if way and told != soon:
            return f"put off to {told}, when {way} is in the way"
        first = case.earliest(told - timedelta(microseconds=1))
        if first is not None and not (told == soon and first > case.now):
            return f"put off to {told} ({decision.reason}), but {first} was free"
        return None

    def judge_skip(self, case: Case, decision: Any) -> str | None:
        all_moments = case.moments(case.now + timedelta(days=60))
        open_at = next((one for one in all_moments if is_open(case.rules.hours, one, case.zone)), None)
        hours, by_limits = case.rules.hours, decision.reason in ("skipped_limit", "skipped_address")
        if decision.reason == "skipped_hours":
            return None if hours and hours.outside == "skip" and open_at != case.now else "not closed"
        if by_limits and case.rules.when_over == "skip" and open_at is not None and case.full(open_at):
            return None
        first = case.earliest(max(case.message["expires_at"], case.too_late_from()))
        return f"skipped ({decision.reason}), but {first} was free" if first is not None else None

    def judge_the_end(self, contacts: Collection[int]) -> None:
        """Everything went once or has a reason; and counted from the ledger, nothing went too often."""
        messages = [one for one in self.world.messages() if one.contact_id in contacts]
        for one in messages:
            if one.status not in ("sent", "failed", "unknown", "skipped"):
                self.wrong(f"message {one.id} ended as {one.status} ({one.reason}) {one.not_before}")
            if one.status == "skipped" and not one.reason:
                self.wrong(f"message {one.id} was skipped without a reason")
        ids = [one.message_id for channel in self.world.channels.values() for one in channel.sent]
        mine = {one.id for one in messages if one.status == "sent"}
        here = [one for one in ids if one in {m.id for m in messages}]
        if sorted(here) != sorted(mine):
            self.wrong(f"sent {sorted(here)} but the ledger says {sorted(mine)}")
        # Counted again, from what the ledger says in the end.
        last = [
            {column.name: getattr(one, column.name) for column in table_of(Message).c} | {"is_paused": False}
            for one in messages
        ]
        for one in messages:
            if one.status != "sent" or one.id not in self.going:
                continue
            went = self.going[one.id]
            if went.at != one.wire_at:
                self.wrong(f"message {one.id} went at {one.wire_at}, allowed at {went.at}")
            before = [row for row in last if row["wire_at"] and row["wire_at"] < one.wire_at]
            recount = Case({**went.case.message}, one.address, went.case.rules, went.case.zone, before, one.wire_at)
            recount.kept = []
            way = recount.in_the_way(one.wire_at)
            if way:
                self.wrong(f"message {one.id} went in spite of {way}, counted at the end")
