"""The names that journeys may use on this installation, for the checker and the editor."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from panel.contacts.models import ContactList, Tag
from panel.contacts.queries import all_fields
from panel.i18n import LANGUAGES, N_, translate
from panel.journeys.engine.holidays import calendars
from panel.journeys.language import FieldInfo, TemplateInfo, Vocabulary
from panel.journeys.language.clauses import Labels, plain_names
from panel.journeys.language.phrases import quoted
from panel.journeys.models import Audience, Journey
from panel.messages.models import Template, TemplateForm
from panel.plugin_manager import manager
from panel.staff.models import Role, User
from panel.staff.people import ROLE_WORDS
from panel.timeline.models import CustomEventType
from panel.timeline.registry import types

# These are made when they are needed, so they are never empty.
_ALWAYS = frozenset({"personal_link"})


def vocabulary(session: Session) -> Vocabulary:
    """Everything that has a name here, as of now. Needs an application context (for the plugins).

    Forms and pages are not checked yet: the panel has no place to make them.
    """
    plugins = manager.current()
    events: dict[str, tuple[str, ...] | None] = {
        one.name: tuple(field.name for field in one.fields) for one in (*types.all(), *plugins.event_types())
    }
    for custom in session.scalars(select(CustomEventType)):
        # An event of the business's own may bring fields that nobody declared.
        events[custom.name] = tuple(custom.fields) or None
    return Vocabulary(
        channels=tuple(plugins.channels()),
        events=events,
        history=tuple(one.name for one in (*types.all(), *plugins.event_types()) if not one.starts),
        lists=tuple(session.scalars(select(ContactList.name))),
        tags=tuple(session.scalars(select(Tag.name))),
        fields={
            field.name: FieldInfo(tuple(field.names()), field.type, field.name in _ALWAYS, field.writable)
            for field in all_fields(session)
        },
        templates=_templates(session),
        people=_people(session),
        checks=tuple(plugins.conditions()),
        actions=tuple(plugins.actions()),
        calendars=tuple(calendars()),
        segments=tuple(session.scalars(select(Audience.name).where(Audience.id.startswith("segment:")))),
        journeys=tuple(session.scalars(select(Journey.id))),
        blueprints={name: blueprint.text for name, blueprint in plugins.blueprints().items()},
        plugins=tuple(plugin.id for plugin in plugins.loaded if plugin.state == "on"),
    )


def labels(session: Session) -> Labels:
    """How events, fields, journeys and what plugins offer are called in sentences about journeys, in each language.

    Needs an application context. Names of journeys are read when the first is asked for.
    """
    known = (*types.all(), *manager.current().event_types())
    events = {one.name: one.label for one in known}
    brought = {field.name: field.label for one in reversed(known) for field in one.fields}
    plugins = {
        "check": {name: one.label for name, one in manager.current().conditions().items()},
        "action": {name: one.label for name, one in manager.current().actions().items()},
    }
    custom = {one.name: one.labels for one in session.scalars(select(CustomEventType))}
    fields = {field.name: field for field in all_fields(session)}
    journeys: dict[str, str] = {}

    def of_journey(name: str) -> str:
        if not journeys:
            journeys.update({id_: called or id_ for id_, called in session.execute(select(Journey.id, Journey.name))})
        return journeys.get(name, name)

    def named(kind: str, name: str, language: str) -> str:
        if kind == "event" and (name in events or custom.get(name, {}).get(language)):
            label = translate(language, events[name]) if name in events else custom[name][language]
            return quoted(label, language)
        if kind == "field" and name in fields:
            return quoted(fields[name].label(language), language)
        if kind == "field" and name == "entry.trigger":
            return translate(language, N_("what started it"))
        if kind == "field" and name.startswith(("event.", "run.")):
            own = name.partition(".")[2]
            label = translate(language, brought[own]) if own in brought else own.replace("_", " ")
            return quoted(label, language)
        if name in plugins.get(kind, ()):
            return quoted(translate(language, plugins[kind][name]), language)
        if kind == "journey":
            return quoted(of_journey(name), language)
        return plain_names(kind, name, language)

    return named


def _templates(session: Session) -> dict[str, TemplateInfo]:
    found: dict[str, tuple[set[str], set[str]]] = {}
    query = (
        select(Template.name, TemplateForm.channel, TemplateForm.language)
        .outerjoin(TemplateForm, TemplateForm.version_id == Template.current_version_id)
        .where(Template.archived_at.is_(None))
    )
    for name, channel, language in session.execute(query):
        channels, languages = found.setdefault(name, (set(), set()))
        if channel:
            channels.add(channel)
            # A form without a language serves all of them.
            languages.update((language,) if language else LANGUAGES)
    return {
        name: TemplateInfo(frozenset(channels), frozenset(languages)) for name, (channels, languages) in found.items()
    }


def _people(session: Session) -> tuple[str, ...]:
    """Colleagues by handle, name, first name and address; roles, and the words for them (see `staff.people`)."""
    known: dict[str, None] = dict.fromkeys(session.scalars(select(Role.name)))
    for handle, name, email in session.execute(select(User.handle, User.name, User.email).where(User.active)):
        for word in (handle, name, (name or "").split(" ")[0], email, (email or "").split("@")[0]):
            if word:
                known[word] = None
    known.update(dict.fromkeys(word for words in ROLE_WORDS.values() for word in words))
    return tuple(known)
