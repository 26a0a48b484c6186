"""Short texts of journeys (notes, field values, task titles) with their merge fields filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from panel.messages import facts
from panel.messages.merge import ANY, Fields, given_values
from panel.sdk.merge import MergeField, split


def fill_texts(session: Session, text: str, asked: Sequence[tuple[int, Mapping[str, Any]]]) -> list[str]:
    """`text` for each (contact, what the journey hands along), in order.

    A field without value and without default leaves nothing: such a text is read by colleagues, never sent.
    """
    if "[[" not in text:
        return [text] * len(asked)
    custom = facts.custom_fields(session)
    fields = Fields(custom)
    people = facts.people(session, {contact_id for contact_id, _ in asked}, custom)
    pieces = list(split(text))
    filled = []
    for contact_id, given in asked:
        person = people.get(contact_id)
        values: dict[str, str] = {}
        if person is not None:
            values = {**person.values, **given_values(given, person.language or "en", person.time_zone or "UTC")}
        filled.append("".join(one if isinstance(one, str) else _value(one, fields, values) for one in pieces))
    return filled


def _value(field: MergeField, fields: Fields, values: Mapping[str, str]) -> str:
    name = fields.canonical_name(field.name)
    return values.get(name) or values.get(ANY + name) or field.default or ""
