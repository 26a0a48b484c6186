from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from panel import clock
from panel.contacts.models import Contact
from panel.contacts.queries import aliases, all_fields
from panel.contacts.search import search
from panel.demo import load
from panel.installation.queries import get_setting
from panel.journeys.language import check
from panel.journeys.names import vocabulary
from panel.messages.models import Template
from panel.messages.templates import current_forms
from panel.timeline.models import Event
from panel.timeline.queries import page

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT.parent / "shared" / "examples" / "journeys.yaml"


@pytest.fixture
def demo(session):
    count = load(session)
    session.commit()
    return count


def words_of(checked):
    return [f"line {one.line}: {one.words('en')}" for one in checked.problems]


def test_the_demo_is_loaded_once(session, demo):
    assert demo == session.scalar(select(func.count()).select_from(Contact)) >= 60
    assert load(session) == 0
    assert get_setting(session, "demo_loaded")["contacts"] == demo
    assert get_setting(session, "company")["country"] == "IL"


def test_it_tells_half_a_year_in_three_languages_and_starts_nothing(session, demo):
    assert set(session.scalars(select(Contact.language))) == {"he", "fa", "en"}
    oldest, newest = session.execute(select(func.min(Event.occurred_at), func.max(Event.occurred_at))).one()
    assert oldest > clock.now() - timedelta(days=185)
    assert newest <= clock.now()
    assert oldest < clock.now() - timedelta(days=120)
    assert session.scalar(select(func.count()).select_from(Event).where(Event.routed_at.is_(None))) == 0
    kinds = set(session.scalars(select(Event.kind).distinct()))
    assert kinds >= {"contact_created", "list_joined", "consent_given", "order_paid", "note_added", "opted_out"}
    dana = search(session, "דנה כהן", 1)[0]
    assert page(session, aliases(session, dana.id))[-1].kind == "contact_created"


@pytest.mark.databases("sqlite")
def test_its_own_journeys_have_no_problems(session, demo):
    checked = check((ROOT / "journeys.yaml").read_text(encoding="utf-8"), vocabulary(session))
    assert words_of(checked) == []
    assert len(checked.journeys) >= 8


@pytest.mark.databases("sqlite")
def test_the_eight_examples_have_no_problems_against_it(session, demo):
    if not EXAMPLES.exists():
        pytest.skip(f"the examples are not beside this checkout ({EXAMPLES})")
    # Plugins are switched on elsewhere, and the demo's own journeys come from journeys.yaml.
    ours = check((ROOT / "journeys.yaml").read_text(encoding="utf-8")).journeys
    known = replace(vocabulary(session), checks=None, actions=None, journeys=tuple(ours))
    checked = check(EXAMPLES.read_text(encoding="utf-8"), known)
    assert words_of(checked) == []
    assert len(checked.journeys) == 8


@pytest.mark.databases("sqlite")
def test_every_template_names_only_fields_that_exist(session, demo):
    from panel.messages.merge import check_template

    custom = [info for info in all_fields(session) if info.id is not None]
    for template in session.scalars(select(Template)):
        for form in current_forms(session, template):
            problems = check_template(form.content, custom, ["invoice number", "amount due", "due date"])
            assert [one.words("en") for one in problems] == [], template.name
