"""Erasing a contact everywhere: here, and in what the plugins keep."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import delete, select

from panel.consent.operations import erase_contact as erase
from panel.contacts.origin import PANEL, By
from panel.contacts.queries import aliases
from panel.db import reading, writing
from panel.i18n import N_
from panel.issues.operations import raise_issue, resolve_issue
from panel.plugin_manager.manager import current
from panel.plugin_manager.models import PluginRecord

log = logging.getLogger(__name__)


def erase_everywhere(contact_id: int, *, by: By = PANEL) -> bool:
    """Erase a contact here and in the plugins, for callers without a transaction. False when it was erased already."""
    with reading() as session:
        ids = aliases(session, contact_id)
    with writing() as session:
        if not erase(session, contact_id, by=by):
            return False
    forget_in_plugins(contact_id, ids)
    return True


def forget_in_plugins(contact_id: int, ids: Sequence[int]) -> None:
    """Let each plugin that keeps something about an erased contact erase its part, each in its own transaction.

    Call it after the erasing is committed. `ids` are the contact's and those of what was merged into it. A plugin that
    fails at it becomes an issue and stops no other. Rows of plugins that say nothing about erasing, or are no longer
    installed, are deleted.
    """
    manager = current()
    own = [info.id for info in manager.loaded if manager.implements(info.id, "erase_contact")]
    for plugin_id in own:
        _erase(plugin_id, contact_id, ids)
    with writing() as session:
        left = select(PluginRecord.id).where(PluginRecord.contact_id.in_(ids), PluginRecord.plugin_id.not_in(own))
        session.execute(delete(PluginRecord).where(PluginRecord.id.in_(left)))


def erase_in_plugin(plugin_id: str, contact_id: int) -> bool:
    """Let one plugin erase its part of a contact that was erased before, and close the issue about it; True when it
    did. One that is not installed any more has nothing left here. For callers without a transaction."""
    with reading() as session:
        ids = aliases(session, contact_id)
    manager = current()
    if manager.implements(plugin_id, "erase_contact"):
        done = _erase(plugin_id, contact_id, ids)
    else:
        done = manager.get(plugin_id) is None
        if done:
            with writing() as session:
                here = PluginRecord.contact_id.in_(ids), PluginRecord.plugin_id == plugin_id
                session.execute(delete(PluginRecord).where(*here))
    if done:
        with writing() as session:
            resolve_issue(session, f"plugin:{plugin_id}:erase:{contact_id}")
    return done


def _erase(plugin_id: str, contact_id: int, ids: Sequence[int]) -> bool:
    manager = current()
    try:
        with manager.context(plugin_id).unit() as unit:
            for one in ids:
                manager.invoke(plugin_id, "erase_contact", ctx=manager.context(plugin_id), unit=unit, contact_id=one)
    except (Exception, SystemExit) as error:
        log.exception("plugin %s did not erase contact %s", plugin_id, contact_id)
        with writing() as session:
            raise_issue(
                session,
                f"plugin:{plugin_id}:erase:{contact_id}",
                code="plugin_erase_failed",
                sentence=N_("The plugin %(plugin)s did not erase what it keeps about contact %(contact)s: %(detail)s"),
                params={
                    "plugin": plugin_id,
                    "contact": contact_id,
                    "detail": f"{type(error).__name__}: {error}"[:500],
                },
            )
        return False
    return True
