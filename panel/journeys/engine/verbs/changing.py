"""`tag`, `untag`, lists, `set`, `score`, `note`: what a step writes on the contact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from panel.contacts.memberships import add_tag_many, join_list_many, leave_list_many, remove_tag_many
from panel.contacts.operations import note_many, update_contact
from panel.contacts.origin import By
from panel.contacts.scores import change_scores
from panel.journeys.engine.runs import Run
from panel.messages.texts import fill_texts

if TYPE_CHECKING:
    from panel.journeys.engine.advance import Batch

Step = Mapping[str, Any]


def authors_of(group: Sequence[Run]) -> dict[int, By]:
    return {
        run.contact_id: By(source=f"journey:{run.journey_id}", enrolment_id=run.id, depth=run.depth + 1)
        for run in group
    }


def _once_per_contact(
    batch: Batch, step: Step, group: list[Run], names: Sequence[str], act: Callable[..., Any]
) -> None:
    contacts = list({run.contact_id for run in group})
    for name in names:
        act(batch.session, contacts, name, by=authors_of(group), now=batch.now)
    for run in group:
        run.finish("done", batch.now, names=list(names))


def tag(batch: Batch, step: Step, group: list[Run]) -> None:
    _once_per_contact(batch, step, group, step["tags"], add_tag_many)


def untag(batch: Batch, step: Step, group: list[Run]) -> None:
    _once_per_contact(batch, step, group, step["tags"], remove_tag_many)


def add_to_list(batch: Batch, step: Step, group: list[Run]) -> None:
    _once_per_contact(batch, step, group, step["lists"], join_list_many)


def remove_from_list(batch: Batch, step: Step, group: list[Run]) -> None:
    _once_per_contact(batch, step, group, step["lists"], leave_list_many)


def set_(batch: Batch, step: Step, group: list[Run]) -> None:
    authors = authors_of(group)
    texts = {name: filled_texts(batch, group, str(value)) for name, value in step["values"].items()}
    for run in group:
        values = {name: filled[run.id] for name, filled in texts.items()}
        changed = update_contact(batch.session, run.contact_id, values, by=authors[run.contact_id], now=batch.now)
        run.finish("done", batch.now, values=values, changed=changed)


def score(batch: Batch, step: Step, group: list[Run]) -> None:
    runs = Counter(run.contact_id for run in group)  # two runs of one contact count twice
    changes = {contact_id: times * step["by"] for contact_id, times in runs.items()}
    scores = change_scores(batch.session, changes, by=authors_of(group), now=batch.now)
    for run in group:
        run.finish("done", batch.now, by=step["by"], score=scores.get(run.contact_id))


def note(batch: Batch, step: Step, group: list[Run]) -> None:
    filled = filled_texts(batch, group, step["text"])
    authors = authors_of(group)
    for run in group:
        note_many(batch.session, {run.contact_id: filled[run.id]}, by=authors, now=batch.now)
        run.finish("done", batch.now)


def filled_texts(batch: Batch, group: Sequence[Run], text: str) -> dict[int, str]:
    """A text with its merge fields filled in, per run."""
    asked = [(run.contact_id, {"event": run.event, "run": run.values}) for run in group]
    return dict(zip((run.id for run in group), fill_texts(batch.session, text, asked), strict=True))
