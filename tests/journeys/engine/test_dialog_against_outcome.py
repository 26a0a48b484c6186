"""What the page that publishes says of those inside is what becomes of them: journeys are edited at random while
contacts stand at all sorts of steps, and everybody is followed to the end. DIALOG_EXAMPLES=1000 looks longer."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from panel.contacts.memberships import add_tag
from panel.db import Base, connection_of, reading
from panel.errors import UserError
from panel.journeys import operations
from panel.journeys.by_hand import retry, start_by_hand
from panel.journeys.engine.programs import forget
from panel.journeys.language import check_journey
from panel.journeys.models import Journey, JourneyVersion, StepRun
from panel.web.journeys import queries
from panel.web.journeys.impact import Impact, impact
from tests.journeys.engine.conftest import SUNDAY
from tests.journeys.engine.world import World

PEOPLE = 8
TEMPLATES = 60
KEPT = ("alembic_version", "contacts", "templates", "template_versions", "template_forms", "settings", "tags", "fields")

HEAD = """series:
  name: Series
  purpose: service
  start_when: [%(start)s]
  re_enter: always
  %(stop)s
  %(goal)s
  review_after: 1 year
  leave_after: 300 days
  too_late_after: 60 days
  when_edited: %(when_edited)s
  steps:
"""
EDITS = (
    *("remove", "remove", "remove", "rename", "name_nothing", "move", "move", "swap", "another_verb", "another_length"),
    *("insert", "empty_a_branch", "other_options", "start", "stop", "goal", "when_edited", "all_anew", "go_back"),
    *("switch_off", "unwrap", "unwrap", "another_step", "another_step"),
)
KINDS = ("send", "wait", "wait", "wait_for", "wait_for", "note", "if", "choose", "split", "reach")
BRANCHES = {
    "wait_for": ("then", "on_timeout"),
    "if": ("then", "else"),
    "choose": ("vip", "late", "otherwise"),
    "split": ("short", "long"),
    "reach": ("reached", "otherwise"),
}
MUST = {"choose": 2, "split": 2, "if": 1}  # so many of the branches may not be empty

Step = dict[str, Any]


class Draft:
    """A random journey as its author sees it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.numbers, self.texts, self.names = itertools.count(1), itertools.count(1), itertools.count(1)
        self.about = {"start": "{manual: yes}", "stop": "", "goal": "", "when_edited": "follow"}
        self.steps: list[Step] = [self.new("wait")]
        for _ in range(chance.randint(2, 5)):
            self.insert()

    def new(self, kind: str, depth: int = 0) -> Step:
        step: Step = {"kind": kind, "id": None, "number": next(self.numbers), "hours": self.chance.randint(2, 70)}
        step["branches"], step["off"], step["only_if"] = {}, False, self.chance.random() < 0.1
        if kind in ("send", "reach"):
            step["text"] = next(self.texts)
        if kind in ("split",):
            step["id"] = f"test_{next(self.names)}"
        for number, name in enumerate(BRANCHES.get(kind, ())):
            least = 1 if number < MUST.get(kind, 0) else 0
            inner = ("wait", "note", "send", "wait", "wait_for") if depth < 2 else ("wait", "note")
            wanted = self.chance.randint(least, 2)
            step["branches"][name] = [self.new(self.chance.choice(inner), depth + 1) for _ in range(wanted)]
        return step

    def blocks(self, steps: list[Step] | None = None) -> list[tuple[list[Step], int]]:
        """Every list of steps, and how many it must keep."""
        found = [(self.steps, 1)] if steps is None else []
        for step in self.steps if steps is None else steps:
            for number, branch in enumerate(step["branches"].values()):
                found.append((branch, 1 if number < MUST.get(step["kind"], 0) else 0))
                found += self.blocks(branch)
        return found

    def all(self) -> list[Step]:
        return [step for block, _ in self.blocks() for step in block]

    # Edits

    def insert(self) -> None:
        block, _ = self.chance.choice(self.blocks())
        block.insert(self.chance.randint(0, len(block)), self.new(self.chance.choice(KINDS)))

    def remove(self) -> None:
        blocks = [block for block, least in self.blocks() if len(block) > least]
        if blocks:
            block = self.chance.choice(blocks)
            del block[self.chance.randrange(len(block))]

    def unwrap(self) -> None:
        """What stood in the branches of a step comes in its place."""
        found = [(block, step) for block, _ in self.blocks() for step in block if step["branches"]]
        if found:
            block, step = self.chance.choice(found)
            at = block.index(step)
            block[at : at + 1] = [one for branch in step["branches"].values() for one in branch]

    def another_step(self) -> None:
        """Another name and another length: with its branches it stands where it stood, but it is not the same step."""
        waits = [step for step in self.all() if step["kind"] in ("wait", "wait_for", "reach")]
        if waits:
            step = self.chance.choice(waits)
            before, step["id"] = step["id"], f"step_{next(self.names)}"
            step["hours"] += 1
            for other in self.all():
                if before and other.get("target") == before:
                    other["target"] = step["id"]

    def move(self) -> None:
        blocks = [block for block, least in self.blocks() if len(block) > least]
        if blocks:
            block = self.chance.choice(blocks)
            step = block.pop(self.chance.randrange(len(block)))
            other, _ = self.chance.choice(self.blocks())
            other.insert(self.chance.randint(0, len(other)), step)

    def swap(self) -> None:
        blocks = [block for block, _ in self.blocks() if len(block) > 1]
        if blocks:
            block = self.chance.choice(blocks)
            at = self.chance.randrange(len(block) - 1)
            block[at], block[at + 1] = block[at + 1], block[at]

    def rename(self) -> None:
        step = self.chance.choice(self.all())
        before, step["id"] = step["id"], f"step_{next(self.names)}"
        for other in self.all():
            if before and other.get("target") == before:
                other["target"] = step["id"]

    def name_nothing(self) -> None:
        aims = {step.get("target") for step in self.all()}
        named = [one for one in self.all() if one["id"] and one["kind"] != "split" and one["id"] not in aims]
        if named:
            self.chance.choice(named)["id"] = None

    def another_verb(self) -> None:
        """A step with the same name does something else now."""
        plain = [step for step in self.all() if step["kind"] in ("wait", "note", "send")]
        if plain:
            step = self.chance.choice(plain)
            step["kind"] = {"wait": "note", "note": "wait", "send": "note"}[step["kind"]]

    def another_length(self) -> None:
        waits = [step for step in self.all() if step["kind"] in ("wait", "wait_for")]
        if waits:
            self.chance.choice(waits)["hours"] = self.chance.randint(2, 70)

    def empty_a_branch(self) -> None:
        blocks = [block for block, least in self.blocks() if block and not least]
        if blocks:
            self.chance.choice(blocks).clear()

    def other_options(self) -> None:
        """The options of a `choose`, and the variants of a test, change places."""
        for step in self.all():
            if step["kind"] in ("choose", "split") and self.chance.random() < 0.7:
                first, second, *rest = step["branches"].items()
                step["branches"] = dict([second, first, *rest])

    def start(self) -> None:
        self.about["start"] = self.chance.choice(["{manual: yes}", "{manual: yes}, {event: order_paid}"])

    def stop(self) -> None:
        self.about["stop"] = self.chance.choice(["", "stop_when: [{event: order_cancelled}]"])

    def goal(self) -> None:
        self.about["goal"] = self.chance.choice(["", "goal: {event: order_sent, within: 40 days}"])

    def when_edited(self) -> None:
        self.about["when_edited"] = self.chance.choice(["follow", "follow", "finish_old"])

    def all_anew(self) -> None:
        if self.chance.random() < 0.3:
            self.steps[:] = [self.new("note"), self.new("wait"), self.new("send")]

    def go_back(self) -> None:
        if not any(step["kind"] == "go_to" for step in self.all()):
            target = self.chance.choice(self.steps)
            target["id"] = target["id"] or f"step_{next(self.names)}"
            self.steps += [self.new("wait"), self.new("go_to") | {"target": target["id"]}]

    def switch_off(self) -> None:
        step = self.chance.choice(self.all())
        step["off"] = not step["off"]

    # Text

    def text(self) -> str:
        ids = {step["id"] for step in self.all()}
        for block, _ in self.blocks():
            block[:] = [step for step in block if step["kind"] != "go_to" or step["target"] in ids]
        for block, least in self.blocks():
            if len(block) < least:
                block.append(self.new("note"))
        head = "\n".join(line for line in (HEAD % self.about).splitlines() if line.strip())
        return head + "\n" + "\n".join(self._lines(self.steps, 4)) + "\n"

    def _lines(self, steps: list[Step], indent: int) -> list[str]:
        lines = []
        for step in steps:
            mine = self._step(step)
            lines += [" " * indent + ("- " if not n else "  ") + line for n, line in enumerate(mine)]
        return lines

    def _step(self, step: Step) -> list[str]:
        kind, branches = step["kind"], step["branches"]
        lines = {
            "send": lambda: [f"send: t{step['text']}"],
            "wait": lambda: [f"wait: {step['hours']} hours"],
            "note": lambda: [f"note: number {step['number']}"],
            "go_to": lambda: [f"go_to: {step['target']}", "max_times: 1"],
            "wait_for": lambda: ["wait_for: {event: order_paid}", f"up_to: {step['hours']} hours"],
            "if": lambda: ["if: {has_tag: vip}"],
            "choose": lambda: ["choose:"],
            "split": lambda: ["split:"],
            "reach": lambda: ["reach:"],
        }[kind]()
        inner = {
            "choose": lambda: (
                [
                    line
                    for name, block in branches.items()
                    if name != "otherwise"
                    for line in (f"  - when: {{has_tag: {name}}}", *(f"    {one}" for one in self._branch("do", block)))
                ]
                + self._branch("otherwise", branches.get("otherwise", []))
            ),
            "split": lambda: [
                "  variants:",
                *(
                    line
                    for name, block in branches.items()
                    for line in (
                        f"    - name: {name}",
                        "      share: 50%",
                        *(f"      {one}" for one in self._branch("steps", block)),
                    )
                ),
                "  goal: {event: order_sent, within: 20 days}",
                "  decide: {after: 100 days, at_latest: 200 days}",
            ],
            "reach": lambda: [
                *(f"  message: t{step['text']}", "  until: opened", "  try:"),
                *(f"    - {{via: email, give: {step['hours']} hours}}", "    - {via: sms, give: 5 hours}"),
                *(f"  {one}" for one in self._branch("otherwise", branches.get("otherwise", []))),
                *(f"  {one}" for one in self._branch("reached", branches.get("reached", []))),
            ],
        }.get(kind, lambda: [line for name, block in branches.items() for line in self._branch(name, block)])
        lines += inner()
        if step["id"]:
            lines.append(f"id: {step['id']}")
        if step["off"]:
            lines.append("enabled: no")
        if step["only_if"] and kind not in ("go_to",):
            lines.append("only_if: {has_tag: late}")
        return lines

    def _branch(self, key: str, steps: list[Step]) -> list[str]:
        return [f"{key}:", *self._lines(steps, 2)] if steps else []


def dialog(session: Session, text: str) -> tuple[Impact, Any, Any, dict[int, Any], int | None]:
    """What the page reads and says, as its view does it."""
    journey = session.get_one(Journey, "series")
    live = session.get_one(JourneyVersion, journey.live_version_id)
    checked = check_journey(text, None).journeys["series"].program
    assert checked is not None
    draft, again = operations.to_go_live(session, journey, text, None, checked)
    standing = queries.standing(session, "series")
    versions = queries.programs_of(session, standing)
    return impact(live.resolved, draft, standing, versions, again), live.resolved, draft, versions, again


def life(world: World, chance: random.Random, hours: int) -> None:
    """Time passes, with what people do meanwhile."""
    for _ in range(chance.randint(1, 4)):
        who = chance.randint(1, PEOPLE)
        what = chance.choice(["order_paid", "order_paid", "vip", "late", "nothing"])
        if what == "order_paid":
            world.event(who, what)
        elif what != "nothing":
            world.do(add_tag, who, what, now=world.now)
        world.play(timedelta(hours=chance.randint(0, max(1, hours // 2))))


def one_story(world: World, seed: int) -> Counter[str]:
    chance = random.Random(seed)  # noqa: S311
    world.now = SUNDAY
    world.channels["email"].sent.clear()
    world.channels["sms"].sent.clear()
    world.do(empty)
    forget()
    draft = Draft(chance)
    publish(world, draft.text())
    for who in range(1, PEOPLE + 1):
        world.do(start_by_hand, who, "series", now=world.now)
        world.play(timedelta(hours=chance.randint(0, 30)))
    earlier = [draft.text()]
    for _ in range(chance.choice([0, 0, 1, 2])):  # they stand on several versions
        edit(draft, chance)
        earlier.append(draft.text())
        publish(world, draft.text())
        life(world, chance, 20)
    life(world, chance, 40)
    edit(draft, chance)
    text = chance.choice(earlier) if chance.random() < 0.2 else draft.text()
    with reading() as session:
        said, live, after, versions, again = dialog(session, text)
    before = [one for one in world.runs() if one.status in ("active", "held")]
    assert said.total == len(before) == said.follow + said.removed + said.pinned
    version_id = publish(world, text)
    assert again in (None, version_id)
    life(world, chance, 60)
    world.do(retry, [one.id for one in world.runs(status="held")], now=world.now)
    world.play(timedelta(days=301))
    traces = defaultdict(list)
    for row in sorted(world.rows(StepRun), key=lambda row: row.seq):
        traces[row.enrolment_id].append(row)
    now = {one.id: one for one in world.runs()}
    found: Counter[str] = Counter()
    for run in before:
        told = impact(live, after, [queries.Standing(run.step_id, run.version_id, 1, 0)], versions, again)
        what = "pinned" if told.pinned else "removed" if told.removed else "follow"
        found[what] += 1
        became = traces[run.id][run.seq :]
        about = (seed, run.id, what, told, run.step_id, [(row.version_id, row.step_id, row.outcome) for row in became])
        assert now[run.id].status in ("finished", "stopped"), (about, now[run.id].status, now[run.id].reason)
        assert became, about
        in_new = [row.version_id == version_id for row in became]
        if what == "pinned":
            assert now[run.id].version_id == run.version_id, about
            assert {row.version_id for row in became} == {run.version_id}, about
        elif what == "follow":
            assert all(in_new[1:]), about
            assert now[run.id].version_id == version_id, about
        else:
            [joins] = told.joins
            assert in_new == sorted(in_new), about  # and it never goes back
            assert not in_new[0], about
            assert (became[in_new.index(True)].step_id if any(in_new) else None) in joins, about
            assert now[run.id].version_id == (version_id if any(in_new) else run.version_id), about
    assert (found["follow"], found["removed"], found["pinned"]) == (said.follow, said.removed, said.pinned)
    nothing_twice(world)
    return found


def edit(draft: Draft, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 4)):
        getattr(draft, chance.choice(EDITS))()
    if chance.random() < 0.12:
        draft.about["when_edited"] = "finish_old"


def publish(world: World, text: str) -> int:
    try:
        return int(world.do(operations.publish, "series", text=text, now=world.now).version_id)
    except UserError as error:
        raise AssertionError(f"{error} {getattr(error, 'problems', '')}\n{text}") from error


def nothing_twice(world: World) -> None:
    for channel in world.channels.values():
        keys = Counter(one.key for one in channel.sent)
        assert not keys or max(keys.values()) == 1
    jumped = {row.enrolment_id for row in world.rows(StepRun, kind="go_to") if row.reason != "max_times"}
    told = Counter((one.enrolment_id, one.channel, one.template_version_id) for one in world.messages())
    assert not [one for one, count in told.items() if count > 1 + (one[0] in jumped)]


def empty(session: Session) -> None:
    for table in reversed(Base.metadata.sorted_tables):
        if (table.name not in KEPT and not table.name.startswith("contact")) or table.name.endswith("_tags"):
            connection_of(session).execute(table.delete())


def test_r27_what_the_page_says_of_those_inside_is_what_becomes_of_them(
    world: World, request: pytest.FixtureRequest
) -> None:
    for number in range(PEOPLE):
        world.contact(f"Contact {number}")
    for number in range(1, TEMPLATES + 1):
        world.template(f"t{number}", channels=("email", "sms"))
    first, many = int(os.environ.get("DIALOG_FIRST", "0")), int(os.environ.get("DIALOG_EXAMPLES", "0"))
    found: Counter[str] = Counter()
    for seed in range(first, first + (many or (1 if "postgresql" in request.node.name else 6))):
        found += one_story(world, seed)
    assert many or found["follow"], found
