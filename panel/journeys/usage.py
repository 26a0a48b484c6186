"""Who uses a field, a list, a tag or a template, so that nobody deletes what somebody inside still needs."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from panel.errors import UserError
from panel.i18n import N_
from panel.journeys.models import Enrolment, Journey, JourneyVersion
from panel.messages.facts import custom_fields
from panel.messages.merge import Fields
from panel.messages.models import Template, TemplateForm
from panel.sdk.merge import FIELD

# Under which keys of a resolved program (`language.program`) each kind of thing is named.
KEYS: dict[str, tuple[str, ...]] = {
    "field": ("field", "values"),
    "list": ("list", "lists"),
    "tag": ("tag", "tags"),
    "template": ("message",),
}


def journeys_using(session: Session, kind: str, name: str) -> list[str]:
    """The names of the journeys in force, or with somebody inside, that use it; by name."""
    inside = select(Enrolment.version_id).where(Enrolment.status.in_(("active", "held"))).distinct()
    rows = session.execute(
        select(Journey.name, Journey.id, JourneyVersion.resolved)
        .join(JourneyVersion, JourneyVersion.journey_id == Journey.id)
        .where(
            Journey.state.in_(("live", "paused", "closing")),
            or_(JourneyVersion.id == Journey.live_version_id, JourneyVersion.id.in_(inside)),
        )
    )
    written = _written(session, name) if kind == "field" else None
    return sorted(
        {
            title or id_
            for title, id_, resolved in rows
            if name in named(resolved, kind) or (written is not None and written(resolved))
        }
    )


def templates_using(session: Session, field: str) -> list[str]:
    """The names of the templates in use whose text has this field in it."""
    written = _written(session, field)
    rows = session.execute(
        select(Template.name, TemplateForm.subject, TemplateForm.html, TemplateForm.text)
        .join(TemplateForm, TemplateForm.version_id == Template.current_version_id)
        .where(Template.archived_at.is_(None))
    )
    return sorted({name for name, *texts in rows if written(texts)})


def _written(session: Session, field: str) -> Callable[[Any], bool]:
    """Whether a field stands as [[...]] in any text below a value, by its name, one of its labels or an alias."""
    fields = Fields(custom_fields(session))

    def stands_in(node: Any) -> bool:
        if isinstance(node, str):
            return "[[" in node and any(
                fields.identity(html.unescape(one[1]).strip()) == field for one in FIELD.finditer(node)
            )
        below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        return any(stands_in(one) for one in below)

    return stands_in


def refuse_if_used(session: Session, kind: str, name: str) -> None:
    """Raise UserError that says which journeys or templates use it."""
    if kind in KEYS and (journeys := journeys_using(session, kind, name)):
        raise UserError(
            "used_by_journeys",
            N_("“%(name)s” is used by journeys: %(journeys)s. Change or close them first."),
            name=name,
            journeys=", ".join(journeys),
        )
    if kind == "field" and (templates := templates_using(session, name)):
        raise UserError(
            "used_by_templates",
            N_("“%(name)s” stands in the templates: %(templates)s. Take it out there first."),
            name=name,
            templates=", ".join(templates),
        )


def named(resolved: Any, kind: str) -> set[str]:
    """What a resolved program or condition names of this kind."""
    return set(_named(resolved, KEYS[kind]))


def _named(node: Any, keys: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in keys:
                if isinstance(value, str):
                    yield value
                elif isinstance(value, dict | list):
                    yield from (one for one in value if isinstance(one, str))
            yield from _named(value, keys)
    elif isinstance(node, list):
        for value in node:
            yield from _named(value, keys)
