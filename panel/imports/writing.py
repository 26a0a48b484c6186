"""A batch of people goes into the database: new contacts, completed ones, lists, tags, consent, the trace for undo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from panel.consent.operations import opt_in_many
from panel.contacts.bulk import insert_addresses, insert_contacts, refresh_search
from panel.contacts.fields import COLUMNS
from panel.contacts.models import Contact, ContactAddress
from panel.contacts.operations import (
    By,
    add_tag_many,
    create_list,
    join_list_many,
    note_many,
)
from panel.contacts.sets import among
from panel.contacts.typed import store_values
from panel.copying import put_rows
from panel.db import connection_of
from panel.errors import Problem
from panel.i18n import N_
from panel.imports.matching import find, keys_of, load
from panel.imports.models import Import, ImportedContact
from panel.imports.rows import Person
from panel.imports.rules import Rules
from panel.timeline.operations import NewEvent, record_many

_NULLABLE = frozenset({"language", "time_zone", "reference", "owner_id"})


@dataclass
class Outcome:
    """What became of a batch. `refused` are rows with their problems, for the error file."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[Person] = field(default_factory=list)


@dataclass
class _Trace:
    """What the import did to one contact, kept for undo."""

    row: int
    contact_id: int
    action: str
    before: dict[str, Any] | None


class Batch:
    """Writes people in the caller's transaction. One object serves one import; field names are read once."""

    def __init__(
        self, session: Session, task: Import, rules: Rules, now: datetime, field_names: dict[int, str]
    ) -> None:
        self.session, self.task, self.rules, self.now = session, task, rules, now
        self.by = By(f"import:{task.id}", user_id=task.user_id, starts_journeys=rules.starts_journeys)
        self._field_names = field_names

    def write(self, people: Sequence[Person]) -> Outcome:
        """Store everybody of this batch; two rows about one person are written one after the other."""
        outcome = Outcome()
        for wave in waves(people, self.rules):
            self._write_wave(wave, outcome)
        return outcome

    def _write_wave(self, people: list[Person], outcome: Outcome) -> None:
        new, known = self.sort(people, outcome)
        # Two rows may be the same contact by different keys: each contact is written once per pass.
        first = {contact_id: person for contact_id, person in reversed(known)}
        later = [person for contact_id, person in known if first[contact_id] is not person]
        known = [(contact_id, person) for contact_id, person in known if first[contact_id] is person]
        self._store(people, new, known, outcome)
        if later:
            self._write_wave(later, outcome)

    def _store(
        self, people: list[Person], new: list[Person], known: list[tuple[int, Person]], outcome: Outcome
    ) -> None:
        traces: list[_Trace] = []
        if new:
            traces += self._create(new)
            outcome.created += len(new)
        if known:
            for trace in self._update(known):
                traces.append(trace)
                if trace.action == "updated":
                    outcome.updated += 1
                else:
                    outcome.unchanged += 1
        if traces:
            people_by_row = {person.number: person for person in people}
            self._give(traces, people_by_row, outcome)
            put_rows(
                connection_of(self.session),
                ImportedContact,
                ("import_id", "row", "contact_id", "action", "before"),
                [(self.task.id, one.row, one.contact_id, one.action, one.before) for one in traces],
            )

    def sort(self, people: Sequence[Person], outcome: Outcome) -> tuple[list[Person], list[tuple[int, Person]]]:
        """New people, and known ones with their contact; who cannot be taken is refused."""
        known = load(self.session, people, self.rules.match)
        new: list[Person] = []
        old: list[tuple[int, Person]] = []
        for person in people:
            found = find(person, known, self.rules.match)
            if isinstance(found, Problem):
                person.problems.append(found)
                outcome.refused.append(person)
            elif found is None:
                if self.rules.mode == "update":
                    person.problems.append(Problem("match_none", N_("No contact matches this row")))
                    outcome.refused.append(person)
                else:
                    new.append(person)
            else:
                old.append((found, person))
        return new, old

    def _create(self, people: list[Person]) -> list[_Trace]:
        ids = insert_contacts(self.session, [person.draft for person in people], now=self.now)
        record_many(
            self.session,
            [
                self._event(contact_id, "contact_created", {"how": "import", "detail": self._detail(person.number)})
                for contact_id, person in zip(ids, people, strict=True)
            ],
        )
        return [
            _Trace(person.number, contact_id, "created", None) for contact_id, person in zip(ids, people, strict=True)
        ]

    def _update(self, known: list[tuple[int, Person]]) -> list[_Trace]:
        if self.rules.mode == "create":
            return [_Trace(person.number, contact_id, "unchanged", {}) for contact_id, person in known]
        ids = [contact_id for contact_id, _ in known]
        changes = self._change_columns(known, ids)
        added = self._add_addresses(known, ids)
        values = store_values(self.session, {contact_id: person.draft.values for contact_id, person in known})
        traces, events, touched = [], [], []
        for contact_id, person in known:
            before: dict[str, Any] = {}
            shown: dict[str, list[str]] = {}
            for column, pair in changes.get(contact_id, {}).items():
                before.setdefault("columns", {})[column] = pair
                shown[_identity(column)] = [str(one or "") for one in pair]
            for kind, value, written in added.get(contact_id, []):
                before.setdefault("addresses", []).append([kind, value])
                shown[kind] = ["", written]
            for field_id, pair in values.get(contact_id, {}).items():
                before.setdefault("values", {})[str(field_id)] = pair
                shown[self._field_names[field_id]] = pair
            traces.append(_Trace(person.number, contact_id, "updated" if before else "unchanged", before))
            if before:
                touched.append(contact_id)
                detail = {"how": "import", "detail": self._detail(person.number)}
                data = {"fields": ", ".join(shown), "changes": shown, **detail}
                events.append(self._event(contact_id, "contact_updated", data))
        if touched:
            self.session.execute(
                update(Contact)
                .where(among(self.session, Contact.id, touched))
                .values(updated_at=self.now)
                .execution_options(synchronize_session=False)
            )
            refresh_search(self.session, touched)
            record_many(self.session, events)
        return traces

    def _change_columns(self, known: list[tuple[int, Person]], ids: list[int]) -> dict[int, dict[str, list[Any]]]:
        names = (*COLUMNS.values(), "owner_id")
        rows = self.session.execute(
            select(Contact.id, *(getattr(Contact, name) for name in names)).where(among(self.session, Contact.id, ids))
        )
        have: dict[int, dict[str, Any]] = {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}
        changed: dict[int, dict[str, list[Any]]] = {}
        by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for contact_id, person in known:
            new: dict[str, Any] = {COLUMNS[name]: value for name, value in person.given.items()}
            if new.keys() & {"first_name", "last_name", "name"}:
                # The parts of a name change together, or the card would greet two people.
                draft = person.draft
                new |= {"name": draft.name, "first_name": draft.first_name, "last_name": draft.last_name}
            if person.draft.owner_id:
                new["owner_id"] = person.draft.owner_id
            old = have[contact_id]
            pairs = {name: [old[name], value] for name, value in new.items() if (old[name] or "") != (value or "")}
            if pairs:
                changed[contact_id] = pairs
                by_columns[tuple(sorted(pairs))].append({"c": contact_id} | {f"v_{n}": p[1] for n, p in pairs.items()})
        table = cast(Table, Contact.__table__)
        for columns, parameters in by_columns.items():
            self.session.connection().execute(
                update(table).where(table.c.id == bindparam("c")).values({n: bindparam(f"v_{n}") for n in columns}),
                parameters,
            )
        return changed

    def _add_addresses(self, known: list[tuple[int, Person]], ids: list[int]) -> dict[int, list[tuple[str, str, str]]]:
        have: dict[int, set[tuple[str, str]]] = defaultdict(set)
        last: dict[int, int] = defaultdict(int)
        rows = self.session.execute(
            select(ContactAddress.contact_id, ContactAddress.kind, ContactAddress.value, ContactAddress.position).where(
                among(self.session, ContactAddress.contact_id, ids)
            )
        )
        for contact_id, kind, value, position in rows:
            have[contact_id].add((kind, value))
            last[contact_id] = max(last[contact_id], position)
        added: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
        new = []
        for contact_id, person in known:
            for address in person.draft.addresses:
                if (address.kind, address.value) not in have[contact_id]:
                    have[contact_id].add((address.kind, address.value))
                    last[contact_id] += 1
                    new.append((contact_id, address, last[contact_id]))
                    added[contact_id].append((address.kind, address.value, address.shown))
        insert_addresses(self.session, new, now=self.now)
        return added

    def _give(self, traces: list[_Trace], people: dict[int, Person], outcome: Outcome) -> None:
        """Lists, tags, notes and consent; what somebody really gained goes into the trace."""
        lists: dict[str, list[int]] = defaultdict(list)
        tags: dict[str, list[int]] = defaultdict(list)
        notes: dict[int, str] = {}
        by_contact: dict[int, _Trace] = {}
        for trace in traces:
            person = people[trace.row]
            by_contact[trace.contact_id] = trace
            for name in dict.fromkeys((*self.rules.lists, *person.lists)):
                lists[name].append(trace.contact_id)
            for name in dict.fromkeys((*self.rules.tags, *person.tags)):
                tags[name].append(trace.contact_id)
            if person.note:
                notes[trace.contact_id] = person.note
        for name, ids in lists.items():
            create_list(self.session, name, now=self.now)
            for contact_id in join_list_many(self.session, ids, name, by=self.by, now=self.now):
                _gained(by_contact[contact_id], "lists", name, outcome)
        for name, ids in tags.items():
            for contact_id in add_tag_many(self.session, ids, name, by=self.by, now=self.now):
                _gained(by_contact[contact_id], "tags", name, outcome)
        note_many(self.session, notes, by=self.by, now=self.now)
        consent = self.rules.consent
        if consent is not None:
            at = datetime.combine(consent.day, time(), tzinfo=UTC)
            proofs = {trace.contact_id: self._detail(trace.row) for trace in traces}
            for channel in consent.channels:
                changed = opt_in_many(
                    self.session, proofs, channel, how="import", wording=consent.wording, source=consent.source,
                    at=at, now=self.now, by=self.by,
                )  # fmt: skip
                for contact_id in changed:
                    _gained(by_contact[contact_id], "consents", channel, outcome)

    def _detail(self, row: int) -> dict[str, Any]:
        return {"file": self.task.file_name, "row": row, "import": self.task.id}

    def _event(self, contact_id: int, kind: str, data: dict[str, Any]) -> NewEvent:
        return NewEvent(
            contact_id, kind, self.now, data, source=self.by.source, user_id=self.by.user_id,
            starts_journeys=self.by.starts_journeys,
        )  # fmt: skip


def waves(people: Sequence[Person], rules: Rules) -> list[list[Person]]:
    """Rows in groups within which nobody comes twice: the second row about somebody must see what the first wrote."""
    groups: list[list[Person]] = []
    last: dict[tuple[str, str], int] = {}
    for person in people:
        keys = keys_of(person, rules.match)
        if person.draft.reference:
            keys.append(("reference", person.draft.reference))
        turn = max((last[key] + 1 for key in keys if key in last), default=0)
        for key in keys:
            last[key] = turn
        while len(groups) <= turn:
            groups.append([])
        groups[turn].append(person)
    return groups


def _gained(trace: _Trace, what: str, name: str, outcome: Outcome) -> None:
    if trace.before is None:
        return  # a new contact: undo takes it away whole
    if trace.action == "unchanged":
        trace.action = "updated"
        outcome.unchanged -= 1
        outcome.updated += 1
    trace.before.setdefault(what, []).append(name)


def _identity(column: str) -> str:
    return {"name": "full_name", "owner_id": "owner"}.get(column, column)
