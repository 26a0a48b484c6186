"""Everything that happened with a contact, newest first."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import click

from panel.cli._application import application, fail
from panel.cli._contacts import contact_named
from panel.cli._language import language
from panel.i18n import N_, translate

if TYPE_CHECKING:
    from panel.timeline.models import Event


@click.command()
@click.argument("contact")
@click.option("--limit", default=50, show_default=True, help="How many lines at most.")
@click.option("--before", default="", help="Go on after the last line of a page: its cursor.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def command(contact: str, limit: int, before: str, as_json: bool) -> None:
    """Show the timeline of CONTACT: an id, e-mail, phone, customer number or name."""
    from panel.contacts.queries import aliases
    from panel.db import reading
    from panel.timeline.queries import Cursor, page

    with application(), reading() as session:
        found = contact_named(session, contact)
        try:
            cursor = Cursor.parse(before) if before else None
        except ValueError as error:
            raise fail(N_("%(text)s is not the cursor of a page"), text=before) from error
        events = page(session, aliases(session, found.id), before=cursor, limit=max(1, min(limit, 1000)))
        lines = [_line(event) for event in events]
        name = found.name or found.company
    if as_json:
        click.echo(json.dumps({"contact": found.id, "name": name, "events": lines}, ensure_ascii=False, indent=1))
        return
    click.echo(f"{name} ({found.id})")
    for line in lines:
        click.echo(f"  {line['at'][:16].replace('T', ' ')}  {line['words']}  [{line['kind']}, {line['source']}]")


def _line(event: Event) -> dict[str, Any]:
    from panel.timeline.queries import Cursor

    return {
        "at": event.occurred_at.isoformat(),
        "kind": event.kind,
        "words": _words(event),
        "source": event.source,
        "data": event.data,
        "message": event.message_id,
        "enrolment": event.enrolment_id,
        "cursor": str(Cursor(event.occurred_at, event.id)),
    }


def _words(event: Event) -> str:
    """The event's sentence; one of a plugin that is gone is shown by its name and values."""
    from panel.messages.reasons import SENTENCES
    from panel.timeline.registry import types

    if event.kind == "message_skipped" and (why := SENTENCES.get(str(event.data.get("reason")))):
        return translate(language(), why)
    known = types.get(event.kind)
    if known is None:
        return f"{event.kind} {json.dumps(event.data, ensure_ascii=False)}"
    values: dict[str, Any] = defaultdict(lambda: "…", event.data)
    return translate(language(), known.sentence) % values
