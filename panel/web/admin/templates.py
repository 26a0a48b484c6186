"""Templates: the texts that journeys send, per channel and language, with a preview for a real contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Response, abort, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user
from sqlalchemy import select

from panel.contacts.models import Contact
from panel.contacts.queries import names_of
from panel.contacts.search import search
from panel.db import db
from panel.errors import Problem, UserError
from panel.i18n import LANGUAGES, current_language, gettext, lazy_gettext, translate
from panel.journeys.usage import journeys_using, refuse_if_used
from panel.messages import facts
from panel.messages.contents import language_of
from panel.messages.merge import Fields
from panel.messages.models import Template
from panel.messages.preview import TemplatePreview, preview_template
from panel.messages.safe_html import frame, frame_headers
from panel.messages.templates import (
    Form,
    all_templates,
    archive_template,
    current_forms,
    save_template,
    versions,
)
from panel.plugin_manager import manager
from panel.sdk.channels import Channel
from panel.staff.audit import record_audit
from panel.web.access import requires
from panel.web.admin import labels
from panel.web.admin.pages import PanelView
from panel.web.filters import isolate
from panel.web.forms import ask_first
from panel.web.preferences import current_reader

MAX_FORMS = 24


@dataclass(frozen=True)
class Tab:
    """One text in the editor: its form, the words on its tab, what is wrong with it."""

    number: int
    form: Form
    words: str
    is_mail: bool
    problems: Sequence[Problem] = ()


class TemplatesView(PanelView):
    action = "templates.view"
    section = "messages"
    icon = "file-description"
    menu_position = 20
    lead = lazy_gettext("Texts that journeys send, one for each channel and language.")

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Templates"), endpoint="templates", url="templates")

    @expose("/")
    @requires("templates.view")
    def index(self) -> ResponseReturnValue:
        rows = [(one, [form_words(form) for form in current_forms(db.session(), one)]) for one in _all()]
        return self.render("templates/list.html", rows=rows)

    @expose("/new", methods=["GET", "POST"])
    @requires("templates.edit")
    def new(self) -> ResponseReturnValue:
        if request.method == "POST":
            return self._changed(None)
        name = next(iter(_channels()), "email")
        company = facts.company(db.session())
        language = company.language if company.language in LANGUAGES else ""
        return self._editor(None, "", "", [Form(name, language)])

    @expose("/<int:template_id>", methods=["GET", "POST"])
    @requires("templates.view")
    def edit(self, template_id: int) -> ResponseReturnValue:
        template = db.session.get(Template, template_id) or abort(404)
        if request.method == "POST":
            return self._post(template)
        return self._editor(template, template.name, template.description, current_forms(db.session(), template))

    @requires("templates.edit")
    def _post(self, template: Template) -> ResponseReturnValue:
        return self._changed(template)

    @expose("/preview", methods=["POST"])
    @requires("templates.view")
    def preview(self) -> ResponseReturnValue:
        """The text of the chosen tab as a document for the frame."""
        forms = _forms(request.form)
        tab = _chosen(request.form, len(forms))
        shown = _preview(forms[tab]) if forms else None
        if shown is None or shown.shown is None:
            body = f"<p>{gettext('There is nothing to show yet.')}</p>"
            document = frame(body, current_language(), "ltr" if current_language() == "en" else "rtl")
        elif shown.shown.html:
            document = shown.document
        else:
            # A text message has no HTML: a bubble with its words.
            from markupsafe import escape

            words = escape(shown.shown.text)
            bubble = "white-space:pre-wrap;background:#e8f1ff;border-radius:14px;padding:10px 14px;max-width:340px"
            rtl = shown.language in ("he", "fa")
            document = frame(f'<div dir="auto" style="{bubble}">{words}</div>', shown.language, "rtl" if rtl else "ltr")
        return Response(document, headers=frame_headers(), mimetype="text/html")

    @expose("/check", methods=["POST"])
    @requires("templates.view")
    def check(self) -> ResponseReturnValue:
        """What stands beside the preview: subject, length, problems; a fragment."""
        forms = _forms(request.form)
        tab = _chosen(request.form, len(forms))
        return self.render("templates/facts.html", **_facts(forms[tab] if forms else None))

    @expose("/<int:template_id>/archive", methods=["POST"])
    @requires("templates.edit")
    def archive(self, template_id: int) -> ResponseReturnValue:
        template = db.session.get(Template, template_id) or abort(404)
        question = gettext("Put this template away?")
        more = gettext("Journeys that use it will say that it is missing. What was sent stays as it is.")
        if used_by := journeys_using(db.session(), "template", template.name):
            more += " " + gettext("These use it now: %(journeys)s.", journeys=", ".join(map(isolate, used_by)))
        if page := ask_first(question, button=gettext("Put away"), more=more):
            return page
        archive_template(db.session(), template_id)
        record_audit(db.session(), action="template.archive", user=_me(), subject=template.name)
        db.session.commit()
        return redirect(url_for("templates.index"), 303)

    def _changed(self, template: Template | None) -> ResponseReturnValue:
        """One of the editor's buttons: save, add a text, take one away. Without saving nothing is lost either."""
        form = request.form
        name, description, forms = form.get("name", ""), form.get("description", ""), _forms(form)
        what, _, number = form.get("do", "save").partition(":")
        if what == "add":
            added = Form(form.get("add_channel", "email"), form.get("add_language", ""))
            known = [(one.channel, one.language) for one in forms]
            if (added.channel, added.language) not in known and len(forms) < MAX_FORMS:
                forms.append(added)
                known.append((added.channel, added.language))
            chosen = known.index((added.channel, added.language)) if (added.channel, added.language) in known else 0
            return self._editor(template, name, description, forms, chosen=chosen)
        if what == "remove" and number.isdigit() and int(number) < len(forms):
            forms.pop(int(number))
            return self._editor(template, name, description, forms)
        return self._save(template, name, description, forms)

    def _save(self, template: Template | None, name: str, description: str, forms: list[Form]) -> ResponseReturnValue:
        session = db.session()
        try:
            if template is not None and template.name != " ".join(name.split()):
                refuse_if_used(session, "template", template.name)
            saved = save_template(
                session, name, forms, by=current_user.id, description=description,
                template_id=template.id if template else None,
            )  # fmt: skip
        except UserError as error:
            session.rollback()
            return self._editor(template, name, description, forms, refused=error.words(current_language()))
        record_audit(session, action="template.save", user=_me(), subject=saved.name)
        session.commit()
        flash(gettext("Saved. Messages planned from now on use this text."), "success")
        return redirect(url_for("templates.edit", template_id=saved.id), 303)

    def _editor(
        self,
        template: Template | None,
        name: str,
        description: str,
        forms: Sequence[Form],
        *,
        chosen: int | None = None,
        refused: str = "",
    ) -> ResponseReturnValue:
        offered = _channels()
        tabs = [_tab(number, one, offered) for number, one in enumerate(forms)]
        if chosen is None:
            chosen = _chosen(request.form, len(tabs))
        shown = forms[chosen] if forms else None
        return self.render(
            "templates/edit.html",
            saved=template,
            name=name,
            description=description,
            tabs=tabs,
            chosen=chosen,
            refused=refused,
            channels=[(one, gettext(channel.label)) for one, channel in offered.items()],
            languages=[*LANGUAGES.items(), ("", gettext("Everybody else"))],
            fields=_field_picker(),
            versions=versions(db.session(), template.id)[:10] if template else [],
            contact=request.form.get("contact", ""),
            **_facts(shown),
        )


def _all() -> list[Template]:
    return all_templates(db.session())


def _me() -> Any:
    return current_user._get_current_object()


def _channels() -> dict[str, Channel]:
    return manager.current().channels()


def form_words(form: Form) -> str:
    """ "Email · Hebrew"."""
    channel = labels.CHANNELS.get(form.channel)
    words = gettext(channel[0]) if channel else form.channel
    return f"{words} · {LANGUAGES.get(form.language) or form.language or gettext('Everybody else')}"


def _tab(number: int, form: Form, offered: Mapping[str, Channel]) -> Tab:
    channel = offered.get(form.channel)
    is_mail = channel is None or channel.address_kind == "email"
    return Tab(number, form, form_words(form), is_mail)


def _forms(data: Any) -> list[Form]:
    """The texts of a sent editor, in order."""
    forms = []
    for number in range(MAX_FORMS):
        channel = data.get(f"f{number}-channel")
        if not channel:
            break
        text = {part: data.get(f"f{number}-{part}", "").replace("\r\n", "\n") for part in ("subject", "html", "text")}
        forms.append(Form(str(channel)[:20], data.get(f"f{number}-language", "")[:5], **text))
    return forms


def _chosen(data: Any, count: int) -> int:
    value = data.get("tab", "0")
    return int(value) if value.isascii() and value.isdigit() and int(value) < count else 0


def _contact_id(words: str) -> int | None:
    """The contact a preview is for: the first that is found by these words, else the latest."""
    session = db.session()
    if words.strip():
        found = search(session, words, 1)
        if found:
            return found[0].id
    query = select(Contact.id).where(Contact.merged_into_id.is_(None), Contact.erased_at.is_(None))
    return session.scalars(query.order_by(Contact.updated_at.desc(), Contact.id.desc()).limit(1)).first()


def _preview(form: Form) -> TemplatePreview | None:
    channel = _channels().get(form.channel)
    if channel is None or not (form.html.strip() or form.text.strip()):
        return None
    content = form.content
    if not content.language:
        content = replace(content, language=language_of(content))
    return preview_template(
        db.session(),
        content,
        channel,
        _contact_id(request.form.get("contact", "")),
        public_url=current_app.config["PANEL"].public_url,
        sees_amounts=current_reader().sees_amounts,
    )


def _facts(form: Form | None) -> dict[str, Any]:
    shown = _preview(form) if form is not None else None
    contact_id = _contact_id(request.form.get("contact", ""))
    language = current_language()
    return {
        "shown": shown.shown if shown else None,
        "problems": [_said(one, language) for one in shown.problems] if shown else [],
        "shown_for": names_of(db.session(), [contact_id]).get(contact_id, "") if contact_id else "",
        "is_text_message": form is not None and _kind(form.channel) != "email",
    }


def _said(problem: Problem, language: str) -> str:
    """A problem in words; names in another script keep their order inside the sentence."""
    isolated = {name: isolate(value) for name, value in problem.params.items()}
    return translate(language, problem.sentence, **isolated)


def _kind(channel: str) -> str:
    offered = _channels().get(channel)
    return offered.address_kind if offered else "email"


def _field_picker() -> list[tuple[str, list[tuple[str, str]]]]:
    """Merge fields to choose from: (group, [(words, what is put into the text)])."""
    language = current_language()
    groups: dict[str, list[tuple[str, str]]] = {}
    for group, one in Fields(facts.custom_fields(db.session())).labels():
        groups.setdefault(group, []).append((one.label(language), f"[[{one.label(language)}]]"))
    titles = {"contact": gettext("The contact"), "ours": gettext("Your own fields"), "message": gettext("In messages")}
    return [(titles[group], rows) for group, rows in groups.items()]
