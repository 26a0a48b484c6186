"""Templates: named texts in versions that never change. A journey's message follows the newest one until it is written;
what has been written keeps its version for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, selectinload

from panel import clock
from panel.contacts.search import fold, strip_marks
from panel.errors import UserError
from panel.i18n import N_
from panel.messages.models import Message, Template, TemplateForm, TemplateVersion
from panel.sdk.channels import TemplateContent

NAME_LENGTH = 160
MAX_LENGTH = 500_000  # characters of one form; mail programs cut mails off at about 100 kB anyway


@dataclass(frozen=True)
class Form:
    """A template's content for one channel in one language; language "" is for everybody else."""

    channel: str
    language: str = ""
    subject: str = ""
    html: str = ""
    text: str = ""

    @property
    def content(self) -> TemplateContent:
        return TemplateContent(self.subject, self.html, self.text, self.language)

    @property
    def is_empty(self) -> bool:
        return not (self.subject.strip() or self.html.strip() or self.text.strip())


def save_template(
    session: Session,
    name: str,
    forms: Sequence[Form],
    *,
    by: int | None = None,
    now: datetime | None = None,
    description: str | None = None,
    template_id: int | None = None,
) -> Template:
    """Create the template `name`, or give it (or the one with `template_id`, renaming it) a new version.

    Empty forms are left out; saving what is there already makes no new version. Raises UserError.
    """
    moment = now or clock.now()
    name = " ".join(strip_marks(name).split())
    kept = _checked(name, forms)
    template = session.get(Template, template_id) if template_id else find_template(session, name, archived=True)
    if template_id and template is None:
        raise UserError("template_gone", N_("This template does not exist any more."))
    other = find_template(session, name, archived=True)
    if other is not None and template is not None and other.id != template.id:
        raise UserError("template_name_taken", N_('There is a template called "%(name)s" already.'), name=name)
    if template is None:
        template = Template(name=name, description="", created_at=moment, updated_at=moment)
        session.add(template)
        session.flush()
    template.name, template.archived_at = name, None
    if description is not None:
        template.description = description.strip()
    current = current_forms(session, template)
    if set(current) != set(kept):
        version = TemplateVersion(
            template_id=template.id, number=_next_number(session, template.id), created_at=moment, created_by=by
        )
        version.forms = [
            TemplateForm(channel=one.channel, language=one.language, subject=one.subject, html=one.html, text=one.text)
            for one in kept
        ]
        session.add(version)
        session.flush()
        template.current_version_id = version.id
        template.updated_at = moment
        _reach_those_that_wait(session, template.id, version.id)
    session.flush()
    return template


def _reach_those_that_wait(session: Session, template_id: int, version_id: int) -> None:
    """A corrected text reaches everybody whose message has not been written yet: those of journeys, that wait for
    their hour or are held by a mistake in the old text. What a person has looked at and sent stays as it was."""
    versions = select(TemplateVersion.id).where(TemplateVersion.template_id == template_id)
    session.execute(
        update(Message)
        .where(
            Message.status.in_(("queued", "held")),
            Message.enrolment_id.is_not(None),
            Message.template_version_id.in_(versions),
            Message.skeleton.is_(None),
        )
        .values(template_version_id=version_id)
        .execution_options(synchronize_session=False)
    )


def archive_template(session: Session, template_id: int, *, now: datetime | None = None) -> None:
    """Hide a template from the lists. Journeys that name it will say that it is missing; what was sent stays."""
    template = session.get(Template, template_id)
    if template is not None and template.archived_at is None:
        template.archived_at = now or clock.now()


def find_template(session: Session, name: str, *, archived: bool = False) -> Template | None:
    """By name; case, spaces and letter forms are forgiven when no name is exactly so."""
    query = select(Template)
    if not archived:
        query = query.where(Template.archived_at.is_(None))
    exact = session.scalars(query.where(Template.name == name)).first()
    if exact is not None:
        return exact
    wanted = fold(name)
    return next((one for one in session.scalars(query.order_by(Template.id)) if fold(one.name) == wanted), None)


def all_templates(session: Session, *, archived: bool = False) -> list[Template]:
    query = select(Template).order_by(Template.name)
    if not archived:
        query = query.where(Template.archived_at.is_(None))
    return list(session.scalars(query))


def current_forms(session: Session, template: Template) -> list[Form]:
    """The forms of the version in use."""
    return version_forms(session, template.current_version_id) if template.current_version_id else []


def version_forms(session: Session, version_id: int) -> list[Form]:
    rows = session.scalars(select(TemplateForm).where(TemplateForm.version_id == version_id).order_by(TemplateForm.id))
    return [Form(row.channel, row.language, row.subject, row.html, row.text) for row in rows]


def versions(session: Session, template_id: int) -> list[TemplateVersion]:
    """All versions, newest first."""
    query = select(TemplateVersion).where(TemplateVersion.template_id == template_id)
    return list(
        session.scalars(query.options(selectinload(TemplateVersion.forms)).order_by(TemplateVersion.number.desc()))
    )


def _next_number(session: Session, template_id: int) -> int:
    last = session.scalar(select(func.max(TemplateVersion.number)).where(TemplateVersion.template_id == template_id))
    return (last or 0) + 1


def _checked(name: str, forms: Sequence[Form]) -> list[Form]:
    if not name:
        raise UserError("template_without_name", N_("A template needs a name."), where="name")
    if len(name) > NAME_LENGTH:
        raise UserError("template_name_long", N_("A name has at most %(n)s characters."), n=NAME_LENGTH, where="name")
    kept = [one for one in forms if not one.is_empty]
    if not any(one.html.strip() or one.text.strip() for one in kept):
        raise UserError("template_empty", N_("A template needs a text."), where="text")
    seen: set[tuple[str, str]] = set()
    for one in kept:
        if (one.channel, one.language) in seen:
            raise UserError(
                "template_form_twice",
                N_("There are two texts for the channel %(channel)s in the same language."),
                channel=one.channel,
            )
        seen.add((one.channel, one.language))
        if len(one.html) + len(one.text) > MAX_LENGTH:
            raise UserError("template_too_long", N_("This text is too long to send."), where="html")
    return kept
