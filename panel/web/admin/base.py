"""The base of every plain table: list, form, details, deletion that asks, bulk actions, export, rights, audit.

Flask-Admin makes the forms and the addresses; how a list is searched, paged and drawn is ours.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from flask import current_app, flash, has_request_context, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.actions import action as bulk_action
from flask_admin.contrib.sqla import ModelView
from flask_login import current_user
from markupsafe import Markup, escape
from sqlalchemy import Select, inspect, or_, select
from sqlalchemy.exc import IntegrityError

from panel import clock
from panel.db import db, writing
from panel.errors import UserError
from panel.i18n import LazyText, current_language, gettext, lazy_gettext, ngettext
from panel.segments.queries import refuse_if_used
from panel.staff.audit import record_audit
from panel.web import exports, filters
from panel.web.access import allowed, must
from panel.web.addresses import back_url
from panel.web.admin import listing
from panel.web.admin.pages import Guarded
from panel.web.bundle import icon
from panel.web.forms import ask_first
from panel.web.preferences import current_reader

EXPORT_LIMIT = 200_000


def chip(words: Any, tone: str = "", icon_name: str = "") -> Markup:
    """A state as a coloured word with an icon; the colour never says anything alone. Tones: green blue amber red
    purple, or none."""
    return Markup('<span class="chip{}">{}<bdi>{}</bdi></span>').format(
        f" chip-{tone}" if tone else "", icon(icon_name) if icon_name else "", words
    )


def chips(words: Iterable[Any], tone: str = "") -> Markup:
    return Markup(" ").join(chip(word, tone) for word in words) or filters.NOTHING


def yes_no(value: bool) -> Markup:
    return chip(gettext("yes"), "green", "check") if value else chip(gettext("no"), "", "minus")


def _isolated(view: Any, value: Any, name: str = "") -> Markup:
    return filters.person(value)


TYPE_FORMATTERS: dict[type, Any] = {
    type(None): lambda view, value, name="": filters.NOTHING,
    bool: lambda view, value, name="": yes_no(value),
    datetime: lambda view, value, name="": filters.when(value),
    date: lambda view, value, name="": filters.day(value),
    int: lambda view, value, name="": filters.number(value),
    float: lambda view, value, name="": filters.number(value),
    Decimal: lambda view, value, name="": filters.number(value),
    enum.Enum: lambda view, value, name="": chip(value.value),
    list: lambda view, value, name="": chips(value),
    LazyText: lambda view, value, name="": Markup(escape(str(value))),
    Markup: lambda view, value, name="": value,
    str: _isolated,
}


class PanelModelView(Guarded, ModelView):
    """One table as a screen.

    A subclass says: `action` (the right to look), `edit_action`, `delete_action`, `export_action` (None: nobody),
    `column_list`, `column_labels`, `column_formatters`, `noun` (for the audit trail), and for big tables `keyset`,
    the columns of its order, newest first, the last one unique. `search_columns` are searched with LIKE unless
    `searched` is overridden; `list_filters` are the choices above the list.
    """

    list_template = "admin/model/list.html"
    create_template = "admin/model/create.html"
    edit_template = "admin/model/edit.html"
    details_template = "admin/model/details.html"
    simple_list_pager = True  # no count(*), ever
    named_filter_urls = True
    column_display_actions = False
    column_type_formatters = TYPE_FORMATTERS
    column_type_formatters_detail = TYPE_FORMATTERS
    export_types = ("csv", "xlsx")

    edit_action: ClassVar[str | None] = None
    delete_action: ClassVar[str | None] = None
    export_action: ClassVar[str | None] = None
    noun: ClassVar[str] = "record"
    keyset: ClassVar[Sequence[str]] = ()
    default_order: ClassVar[Sequence[tuple[str, bool]]] = (("id", True),)  # (column, descending)
    search_columns: ClassVar[Sequence[str]] = ()
    list_filters: Sequence[listing.ListFilter] = ()
    search_words: Any = lazy_gettext("Search")
    create_words: Any = lazy_gettext("New")
    empty_title: Any = lazy_gettext("Nothing here yet")
    empty_words: Any = ""
    action_rights: ClassVar[dict[str, str]] = {}  # bulk action -> right; "delete" needs delete_action

    def __init__(self, model: type[Any], **kwargs: Any) -> None:
        super().__init__(model, db, **kwargs)

    # What may be done here, per person.

    def _may(self, right: str | None) -> bool:
        return right is not None and (not has_request_context() or allowed(right))

    creates: ClassVar[bool] = True

    @property
    def can_create(self) -> bool:
        return self.creates and self._may(self.edit_action)

    @property
    def can_edit(self) -> bool:
        return self._may(self.edit_action)

    @property
    def can_delete(self) -> bool:
        return self._may(self.delete_action)

    @property
    def can_export(self) -> bool:
        return self._may(self.export_action)

    def is_action_allowed(self, name: str) -> bool:
        if name == "delete":
            return self.can_delete
        return self._may(self.action_rights.get(name, self.edit_action))

    # The list.

    def query(self) -> Select[Any]:
        """The rows of this list, before searching and narrowing."""
        return select(self.model)

    def searched(self, query: Select[Any], text: str) -> Select[Any]:
        columns = [getattr(self.model, name) for name in self.search_columns]
        return query.where(or_(*(column.icontains(text, autoescape=True) for column in columns))) if columns else query

    def init_search(self) -> bool:
        return bool(self.search_columns) or type(self).searched is not PanelModelView.searched

    def narrowed(self) -> tuple[Select[Any], dict[str, str]]:
        """The query with this request's search and choices, and the choices that were understood."""
        query, chosen = self.query(), {}
        for list_filter in self.list_filters:
            values = {choice for choice, _ in list_filter.choices()}
            value = request.args.get(list_filter.name, "")
            if value not in values:
                value = list_filter.default
            if value:
                chosen[list_filter.name] = value
                query = list_filter.apply(query, value)
        text = request.args.get("search", "").strip()
        if text and self.init_search():
            query = self.searched(query, text)
        return query, chosen

    def sorting(self) -> tuple[str | None, bool]:
        name = request.args.get("sort")
        if self.keyset or name not in self._sortable_columns:
            return None, False
        return name, request.args.get("desc") == "1"

    def ordered(self, query: Select[Any]) -> Select[Any]:
        name, descending = self.sorting()
        order = [(name, descending)] if name else list(self.default_order)
        columns = [getattr(self.model, n).desc() if d else getattr(self.model, n).asc() for n, d in order]
        return query.order_by(*columns)

    def load_page(self) -> listing.Page:
        query, chosen = self.narrowed()
        if self.keyset:
            page = listing.keyset_page(query, self.model, self.keyset, listing.page_size(), db.session)
        else:
            page = listing.numbered_page(self.ordered(query), listing.page_size(), db.session)
        page.chosen = chosen
        self.prepare(page.rows)
        return page

    def prepare(self, rows: list[Any]) -> None:
        """Load what the rows of one page need beside them, in one query and not in one per row."""

    @expose("/")
    def index_view(self) -> str:
        page = self.load_page()
        names = [name for name, _ in self.get_actions_list()[0]]
        return self.render(
            self.list_template,
            page=page,
            list_columns=self._list_columns,
            list_filters=[(f, list(f.choices())) for f in self.list_filters],
            bulk_actions=[(name, *self._actions_data[name][1:]) for name in names],
            has_checks=bool(names and page.rows),
            get_value=self.get_list_value,
            get_pk_value=self.get_pk_value,
            search_supported=self._search_supported,
            search=request.args.get("search", ""),
            sorting=self.sorting(),
            link_to=listing.query_string,
            is_narrowed=bool(
                request.args.get("search") or any(f.default != page.chosen.get(f.name, "") for f in self.list_filters)
            ),
        )

    def row_url(self, row: Any) -> str | None:
        """Where the first column of a row leads: its form, else its details, else nowhere."""
        target = ".edit_view" if self.can_edit else ".details_view" if self.can_view_details else None
        return self.get_url(target, id=self.get_pk_value(row), url=request.full_path) if target else None

    def label_of(self, row: Any) -> str:
        """How a row is called in a question and in the audit trail."""
        return str(getattr(row, "name", None) or getattr(row, "id", ""))

    # Changing, deleting.

    def on_model_change(self, form: Any, model: Any, is_created: bool) -> None:
        if not is_created:
            _refuse_new_name_if_used(self.noun, model)
        for name in ("created_at", "updated_at"):
            if hasattr(type(model), name) and (name == "updated_at" or is_created):
                setattr(model, name, clock.now())
        record_audit(
            db.session(),
            user=self.me(),
            action=f"{self.noun}_{'created' if is_created else 'changed'}",
            subject=self.label_of(model),
        )

    def on_model_delete(self, model: Any) -> None:
        refuse_if_used(db.session(), self.noun, getattr(model, "name", ""))
        record_audit(db.session(), user=self.me(), action=f"{self.noun}_deleted", subject=self.label_of(model))

    @staticmethod
    def me() -> Any:
        return current_user._get_current_object()

    def handle_view_exception(self, exc: Exception) -> bool:
        if isinstance(exc, UserError):
            flash(exc.words(current_language()), "danger")
            return True
        if isinstance(exc, IntegrityError):
            current_app.logger.info("refused by the database: %s", exc)
            flash(
                gettext("This clashes with what is already there: the name is taken, or it is still in use."), "danger"
            )
            return True
        raise exc

    @expose("/delete/", methods=("GET", "POST"))
    def delete_view(self) -> ResponseReturnValue:
        if not self.can_delete:
            must(self.delete_action or "settings.edit")
            return redirect(self.get_url(".index_view"))
        model = self.get_one(request.values.get("id"))
        if model is None:
            flash(gettext("It is not there any more."), "warning")
            return redirect(self.get_url(".index_view"))
        if page := ask_first(self.delete_question(model), button=gettext("Delete"), more=self.delete_more(model)):
            return page
        label = self.label_of(model)
        if self.delete_model(model):
            flash(gettext("Deleted: %(name)s", name=filters.isolate(label)), "success")
        return redirect(self.get_url(".index_view"), 303)

    def delete_question(self, model: Any) -> str:
        return gettext("Delete %(name)s?", name=filters.isolate(self.label_of(model)))

    def delete_more(self, model: Any) -> str:
        """A sentence about what goes with it."""
        return ""

    @expose("/action/", methods=("POST",))
    def action_view(self) -> ResponseReturnValue:
        name, ids = request.form.get("action", ""), request.form.getlist("rowid")
        if name not in self._actions_data:
            return redirect(back_url())
        if not self.is_action_allowed(name):
            must(
                self.delete_action
                if name == "delete" and self.delete_action
                else self.action_rights.get(name, "settings.edit")
            )
            return redirect(back_url())
        if not ids:
            flash(gettext("Choose at least one line first."), "warning")
            return redirect(back_url())
        handler, words, question = self._actions_data[name]
        if question:
            more = ngettext("This concerns %(n)s line.", "This concerns %(n)s lines.", len(ids))
            if page := ask_first(str(question), button=str(words), more=more, danger=name == "delete"):
                return page
        return handler(ids) or redirect(back_url(), 303)

    @bulk_action("delete", lazy_gettext("Delete"), lazy_gettext("Delete what you chose?"))
    def action_delete(self, ids: list[str]) -> None:
        done = sum(bool(self.delete_model(model)) for model in map(self.get_one, ids) if model is not None)
        if done:
            flash(ngettext("%(n)s line deleted.", "%(n)s lines deleted.", done), "success")

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        if not self.can_create:
            must(self.edit_action or "settings.edit")
        return super().create_view()

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        if request.method == "POST" and not self.can_edit:
            must(self.edit_action or "settings.edit")
        return super().edit_view()

    # Export.

    export_columns: Sequence[str] = ()

    def export_value(self, row: Any, name: str) -> Any:
        """A plain value for a file: text, number, date, moment or a list of texts."""
        return getattr(row, name)

    @expose("/export/<export_type>/")
    def export(self, export_type: str) -> ResponseReturnValue:
        if self.export_action is None or export_type not in self.export_types:
            return redirect(self.get_url(".index_view"))
        must(self.export_action)
        with writing() as session:  # a page that is fetched only reads; this line is a transaction of its own
            record_audit(session, user=self.me(), action="exported", subject=f"{self.endpoint}.{export_type}")
        names = list(self.export_columns or [name for name, _ in self._list_columns])
        columns = [exports.Column(str(self.get_column_name(name))) for name in names]
        query, _ = self.narrowed()
        query = query if self.keyset else self.ordered(query)
        rows = ([self.export_value(row, name) for name in names] for row in self.export_rows(query))
        reader = current_reader()
        title = f"{self.name} {clock.now().astimezone(reader.zone):%Y-%m-%d}"
        if export_type == "xlsx":
            return exports.download(
                exports.write_xlsx(columns, rows, reader, str(self.name)), f"{title}.xlsx", exports.XLSX_TYPE
            )
        body = "".join(exports.write_csv(columns, rows, reader))
        return exports.download(body.encode(), f"{title}.csv", exports.CSV_TYPE)

    def export_rows(self, query: Select[Any]) -> Iterable[Any]:
        """The rows of a file, a thousand at a time so that neighbours are loaded in groups."""
        batch: list[Any] = []
        for row in db.session.scalars(query.limit(EXPORT_LIMIT).execution_options(yield_per=1000)):
            batch.append(row)
            if len(batch) == 1000:
                self.prepare(batch)
                yield from batch
                batch = []
        self.prepare(batch)
        yield from batch

    def export_address(self, kind: str) -> str:
        return url_for(f"{self.endpoint}.export", export_type=kind) + listing.query_string()


def _refuse_new_name_if_used(noun: str, model: Any) -> None:
    """Journeys know lists, tags and templates by their names: under another name they would find nothing, silently."""
    if not hasattr(type(model), "name"):
        return
    for old in inspect(model).attrs.name.history.deleted or ():
        if old != model.name:
            with db.session.no_autoflush:
                refuse_if_used(db.session(), noun, old)
