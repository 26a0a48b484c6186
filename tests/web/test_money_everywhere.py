"""No page and no file tells somebody without the right what a contact paid or owes: every address is asked.

The addresses come from the application itself. A new page is therefore walked the day it is written; one whose parts
have no example here fails the test.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from sqlalchemy import select

from panel import amounts, clock
from panel.calendars import Reader, show_money, to_latin_digits
from panel.contacts import operations
from panel.contacts.models import Contact
from panel.db import next_ids, writing
from panel.journeys.models import EntryCheck, StepRun
from panel.messages.models import Message
from panel.messages.templates import Form, save_template
from panel.sdk.context import NewContact
from panel.segments.operations import save as save_segment
from panel.staff import rules
from panel.tasks.operations import NewTask, create_task
from panel.timeline.operations import record
from tests.web.story import make_journey, make_story

pytestmark = pytest.mark.databases("sqlite")
NUMBERS = ("7319046", "8264175", "9153728")  # what was paid, what is owed, what the double owes
ROOT = Path(__file__).parents[2]
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
# Answers that are no page of a contact and leave the panel or need a file of their own.
LEFT_OUT = re.compile(r"/(account|static|hooks|health|metrics|u|p|c|o)(/|$)|/admin/static/")


def told(text: str) -> list[str]:
    """The amounts that stand in a text, however they are written: any digits, any separators, entities, marks."""
    plain = to_latin_digits(unescape(unescape(text)).encode("utf-8", "ignore").decode())
    plain = re.sub(r"(?<=\d)[\s,.'’٬٫\u200e\u200f\u2066-\u2069\u202f\xa0]+(?=\d)", "", plain)  # noqa: RUF001
    plain += re.sub(r"\\u([0-9a-f]{4})", lambda one: chr(int(one[1], 16)), plain)
    return [plain[max(0, plain.index(one) - 120) : plain.index(one) + 30] for one in NUMBERS if one in plain]


@pytest.fixture
def known(app) -> dict[str, Any]:
    """A contact with invoices, revenue and conditions that looked at them, and a second card of the same person."""
    now = clock.now()
    paid, owed, doubles = NUMBERS
    with writing() as session:
        operations.create_field(session, "balance", "money", labels={"en": "Balance"}, now=now)
        operations.create_field(session, "lifetime", "number", labels={"en": "Lifetime value"}, now=now)
        one = make_story(session, now, "en")
        operations.set_field(session, one, "balance", f"{owed}.5", now=now)
        two = operations.create_contact(session, NewContact(name="Emma Wilson"), how="manual", now=now)
        operations.set_field(session, two, "balance", f"{doubles}.5", now=now)
        for kind, data in (
            ("order_paid", {"amount": f"{paid}.50", "currency": "ILS"}),
            ("accounting.invoice_issued",
             {"invoice_number": "44", "amount": f"{paid}.60", "amount_due": f"{owed}.60", "currency": "IRR"}),
            ("accounting.invoice_overdue",
             {"invoice_number": "44", "amount_due": f"{owed}.60", "due_date": "2026-10-01", "days_overdue": 52}),
            ("accounting.payment_received", {"amount": float(paid), "currency": "USD"}),
            ("old.system", {"summary": f"Invoice 44 over ₪7,319,046.50, {owed} ILS open", "open balance": owed}),
            ("form_submitted", {"form": "Credit", "fields": {"סכום": f"{paid}", "مبلغ": f"{paid}".translate(PERSIAN),
                                                             "total price": "8 264 175,00 €"}}),
            ("contact_updated", {"changes": {"balance": ["1", f"{owed}.5"], "lifetime": ["۷٬۳۱۹٬۰۴۶", "2"]}}),
            ("somebody.elses", {"amount": float(paid), "deep": {"total": f"{owed}.80"}, "lines": [{"price": owed}]}),
        ):  # fmt: skip
            for contact in (one, two):
                record(session, contact_id=contact, kind=kind, occurred_at=now, data=data, source="test")
        over = {"test": "field", "op": "more_than"}
        tree = {"test": "all", "result": False, "of": [
            over | {"field": "balance", "value": "100", "result": True, "seen": float(owed)},
            over | {"field": "lifetime", "value": "1", "result": False, "seen": f"{paid}.5"},
        ]}  # fmt: skip
        debts = "    only_if: {field: balance, more_than: 100}\n"  # never ran: it judges her as she is now
        make_journey(session, now - timedelta(days=1), name="Debts", id_="debts", more=debts)
        run = session.connection().exec_driver_sql("select id, version_id from enrolments").one()
        session.add(EntryCheck(journey_id="welcome", version_id=run.version_id, contact_id=one, at=now, day=now.date(),
                               outcome="not_matching", detail={"condition": tree}))  # fmt: skip
        session.connection().exec_driver_sql("update enrolments set seq = 1")
        (visit,) = next_ids(session, "step_runs", 1)
        session.add(StepRun(id=visit, enrolment_id=run.id, seq=0, step_id="send_welcome_1", version_id=run.version_id,
                            kind="if", outcome="no", detail={"condition": tree}, began_at=now,
                            ended_at=now))  # fmt: skip
        ids = dict(session.execute(select(Contact.id, Contact.public_id)).all())  # type: ignore[arg-type]
        message = session.scalars(select(Message.id).where(Message.status == "delivered").order_by(Message.id)).first()
        waits = session.scalars(select(Message.id).where(Message.status == "queued")).one()
        note = session.connection().exec_driver_sql("select id from events where kind = 'note_added'").scalar_one()
        segment = save_segment(session, "Debtors", "field: balance\nmore_than: 100", now=now)
        form = Form("email", "en", subject="Balance [[balance]]", text="You owe [[balance]].")
        template = save_template(session, "debt", [form], now=now)
        task = create_task(session, NewTask(title="Call her", contact_id=one, due_at=now), now=now)
    return {
        "public_id": ids[one], "contact_id": one, "other_id": ids[two], "enrolment_id": run.id, "message_id": message,
        "event_id": note, "segment_id": segment.id, "journey_id": "welcome", "split_id": "length",
        "field_name": "balance", "channel": "email", "export_type": "csv", "number": 1,
        "topic": "contacts", "plugin_id": "accounting",
        "page_name": "books", "task_id": task, "template_id": template.id, "import_id": 1, "waits": waits,
    }  # fmt: skip


def addresses(app, known: dict[str, Any]) -> list[str]:
    """Every page that can be asked for, filled with what there is."""
    found = []
    for rule in app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or LEFT_OUT.match(rule.rule):
            continue
        choices = [known]
        for name in rule.arguments:
            if name == "token":
                choices = []
            elif name in ("kind", "what", "filename"):
                words = re.search(rf"<any\(([^)]*)\):{name}>", rule.rule)
                choices = [one | {name: w.strip()} for one in choices for w in words[1].split(",")] if words else []
            elif name == "export_type":
                choices = [one | {name: kind} for one in choices for kind in ("csv", "xlsx")]
            elif name == "journey_id":
                choices = [one | {name: id_} for one in choices for id_ in ("welcome", "debts")]
            elif name == "message_id":
                choices = [one | {name: known[of]} for one in choices for of in ("message_id", "waits")]
            elif name == "field_name":
                choices = [one | {name: field} for one in choices for field in ("balance", "lifetime")]
            assert name in known or name in ("token", "kind", "what", "filename"), (
                f"no example of {name} in {rule.rule}"
            )
        with app.test_request_context():
            for one in choices:
                parts = {name: one[name] for name in rule.arguments}
                url = app.url_map.bind("localhost").build(rule.endpoint, parts)
                found.append(url)
                if re.search(r"/(edit|details|delete)/$", rule.rule):
                    found[-1] += f"?id={known['contact_id'] if 'contacts' in rule.rule else 1}"
    card = f"/admin/contact/{known['public_id']}"
    found += [f"{card}/why?journey={one}" for one in ("welcome", "debts")]
    found += [f"{card}?q=invoice", f"{card}?show=money", "/admin/search/?q=emma", "/admin/search/typing?q=emma"]
    found += [f"/admin/merge/{known['public_id']}?q=emma", f"/admin/tasks/?contact={known['public_id']}"]
    found += [
        f"/admin/simulate/{one}?who=contact&contact=emma&contact_id={known['contact_id']}"
        for one in ("welcome", "debts")
    ]
    return sorted(set(found))


def words_of(answer: Any) -> str:
    """What somebody would read, whatever kind of file it is."""
    body = answer.data
    if body.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(body)) as book:
            return "\n".join(
                book.read(one).decode("utf-8", "replace") for one in book.namelist() if one.endswith("xml")
            )
    if body.startswith(b"%PDF"):
        pages = pypdfium2.PdfDocument(body)
        return "\n".join(page.get_textpage().get_text_range() for page in pages)
    return str(body.decode("utf-8", "replace"))


def test_who_may_do_everything_but_see_amounts_reads_none_anywhere(app, logged_in, known, monkeypatch):
    for right in set(rules.ACTIONS) - {"money.view"}:
        monkeypatch.setitem(rules.ACTIONS, right, rules.ACTIONS[right] | {rules.RoleName.SUPPORT})
    urls, shown = addresses(app, known), {}
    for language, digits in (("en", "latin"), ("fa", "local")):
        person = logged_in("support", language=language, digits=digits, email=f"{language}@example.com")
        for url in urls:
            answer = person.get(url, follow_redirects=True)
            assert answer.status_code < 500, (url, answer.status_code)
            if answer.status_code == 200:
                shown[url] = True
                assert not told(words_of(answer)), (language, url, told(words_of(answer)))
    assert len(shown) > 80, sorted(shown)
    owner = logged_in("owner", language="fa", digits="local")
    seen = {url for url in urls if told(words_of(owner.get(url, follow_redirects=True)))}
    public_id = known["public_id"]
    for url in (f"/admin/contact/{public_id}", f"/admin/contact/{public_id}/why", f"/admin/explain/debts/{public_id}",
                f"/admin/contact/{public_id}/journey/{known['enrolment_id']}", f"/admin/explain/welcome/{public_id}",
                f"/admin/merge/{public_id}/with/{known['other_id']}", f"/admin/card-edit/{public_id}/field/balance",
                *(f"/admin/timeline-file/{public_id}.{kind}" for kind in ("csv", "xlsx", "pdf"))):  # fmt: skip
        assert url in seen, url


@pytest.mark.parametrize("role", ["support", "viewer"])
def test_the_roles_without_the_right_read_no_amount(app, logged_in, known, role):
    person = logged_in(role, language="he")
    for url in addresses(app, known):
        answer = person.get(url, follow_redirects=True)
        assert answer.status_code < 500, url
        assert not told(words_of(answer)), (url, told(words_of(answer)))


def test_a_message_is_looked_at_without_amounts_before_it_goes(logged_in, known):
    """What it says is the contact's business; what she owes is not that of whoever writes to her."""
    text = {"way": "email:emma@example.com", "subject": "Your balance", "text": "You owe [[balance]]."}
    url = f"/admin/write/{known['public_id']}"
    for role, sees in (("support", False), ("owner", True)):
        person = logged_in(role, language="en")
        page = person.post(f"{url}/preview", page=url, **text).text
        assert bool(told(page)) is sees
        assert ("•••" in page) is not sees
        asked = person.post(url, page=url, do="send", **text)
        assert bool(told(asked.text)) is sees


def test_a_reader_sees_no_amount_unless_somebody_said_so():
    nobody, owner = Reader("en"), Reader("en", sees_amounts=True)
    assert show_money(7319046, "ILS", nobody) == "•••"
    assert show_money(7319046, "ILS", owner) == "₪7,319,046.00"
    for text in ("₪7,319,046.50", "7319046 ILS", "۷٬۳۱۹٬۰۴۶ تومان", '7,319,046 ש"ח', "USD 7 319 046", "€-7319046"):
        assert not told(amounts.veiled(f"Invoice 44: {text}, thanks", nobody)), text
        assert amounts.veiled(text, owner) == text
    for name, value in (("amount", "7319046"), ("total_price", 7319046), ("סכום", "7,319,046"), ("مبلغ", "۷۳۱۹۰۴۶")):
        assert amounts.is_amount(value, nobody, name=name), name
    for name, value in (("topic", "delivery"), ("age", "44"), ("phone", "+972501234567"), ("due_date", "2026-10-01")):
        assert not amounts.is_amount(value, nobody, name=name), name


def test_amounts_become_text_in_few_places_only():
    """`show_money` is asked by the pages' words, their filter and messages; whoever needs it elsewhere thinks twice."""
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "panel").rglob("*.py")
        if "node_modules" not in path.parts and "show_money" in path.read_text()
    }
    assert users == {
        "panel/amounts.py", "panel/calendars.py", "panel/messages/merge.py", "panel/web/filters.py",
        "panel/web/timeline/words.py",
    }  # fmt: skip
    trusted = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "panel").rglob("*.py")
        if "node_modules" not in path.parts and "sees_amounts=True" in path.read_text()
    }
    assert trusted == {"panel/cli/_simulating.py", "panel/cli/explain.py", "panel/messages/merge.py"}
