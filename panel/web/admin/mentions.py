"""Who can be mentioned: what the boxes for notes offer while somebody types an @."""

from __future__ import annotations

from flask import abort, jsonify
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_login import current_user

from panel.i18n import lazy_gettext
from panel.staff.mentions import mentionable
from panel.web.admin.pages import PanelView
from panel.web.mentioned import directory

MOST = 500  # more colleagues than that are mentioned by typing their name


class MentionsView(PanelView):
    """`/admin/mentions/names`, asked once a page, when the first @ is typed."""

    action = "notes.write"
    section = None

    def __init__(self) -> None:
        super().__init__(name=lazy_gettext("Mentions"), endpoint="mentions", url="mentions")

    @expose("/")
    def root(self) -> ResponseReturnValue:
        abort(404)

    @expose("/names")
    def names(self) -> ResponseReturnValue:
        """`{"people": [{"name", "email", "said"}]}`: everybody else who works here and may look at contacts."""
        people = [
            {"name": one.shown, "email": one.email, "said": said}
            for one, said in mentionable(directory())
            if one.id != current_user.id
        ]
        answer = jsonify(people=people[:MOST])
        answer.headers["Cache-Control"] = "private, no-store"
        return answer
