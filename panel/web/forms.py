"""Forms: asking before something cannot be undone (with and without JavaScript), and the options of a select."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import render_template, request
from wtforms.fields.choices import SelectChoice

from panel.web.addresses import back_url


def ask_first(question: str, *, button: str, more: str = "", danger: bool = True) -> str | None:
    """Return the page that asks, or None when the person has already said yes.

    Use it at the top of a POST view: `if page := ask_first(_("Delete the tag?"), button=_("Delete")): return page`.
    The button on the page before carries `data-confirm="..."`, so that with JavaScript the question is a dialog and
    this page is never seen; without it (or when a script fails) nothing happens unasked. Everything that was sent is
    sent again by the page's form.
    """
    if request.form.get("confirmed") == "1":
        return None
    fields = [(k, v) for k, v in request.form.items(multi=True) if k not in {"csrf_token", "confirmed"}]
    return render_template(
        "panel/confirm.html",
        question=question,
        more=more,
        button=button,
        danger=danger,
        fields=fields,
        cancel_url=back_url(),
    )


def options(pairs: Iterable[tuple[str, Any]]) -> list[SelectChoice]:
    """(value, words) pairs as the choices of a select; words may be lazy."""
    return [SelectChoice(value, words) for value, words in pairs]
