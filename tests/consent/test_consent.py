from __future__ import annotations

from datetime import timedelta

import pytest

from panel.consent import operations, queries
from panel.consent.rules import Refusal, why_not_send
from panel.contacts.operations import merge
from panel.errors import UserError
from panel.timeline.queries import page


@pytest.mark.parametrize(
    ("purpose", "has_address", "consent", "suppressed", "refusal"),
    [
        ("marketing", True, "opted_in", None, None),
        ("marketing", True, None, None, Refusal.NO_CONSENT),
        ("marketing", True, "opted_out", None, Refusal.OPTED_OUT),
        ("marketing", False, "opted_in", None, Refusal.NO_ADDRESS),
        ("marketing", True, "opted_in", "unsubscribed", Refusal.OPTED_OUT),
        ("marketing", True, "opted_in", "hard_bounce", Refusal.SUPPRESSED_BOUNCE),
        ("service", True, None, None, None),
        ("service", True, "opted_out", "unsubscribed", None),
        ("service", True, None, "hard_bounce", Refusal.SUPPRESSED_BOUNCE),
        ("service", True, None, "complained", Refusal.SUPPRESSED_COMPLAINT),
        ("service", True, None, "legal", Refusal.SUPPRESSED_LEGAL),
        ("service", True, None, "manual", Refusal.SUPPRESSED_MANUAL),
        ("service", False, None, "manual", Refusal.NO_ADDRESS),
    ],
)
def test_who_may_be_written_to(purpose, has_address, consent, suppressed, refusal):
    assert why_not_send(purpose=purpose, has_address=has_address, consent=consent, suppressed=suppressed) == refusal


def reach(session, contact_id, purpose="marketing"):
    return queries.why_not_many(session, [contact_id], "email", "email", purpose)[contact_id]


def test_consent_keeps_its_proof(session, make_contact, now):
    contact_id = make_contact(emails=["dana@shop.co.il"])
    wording = "אני מסכימה לקבל דיוור"
    proof = {"form": "sign-up", "ip": "192.0.2.1"}
    assert operations.opt_in(
        session, contact_id, "email", how="form", wording=wording, source="form:1", proof=proof, now=now
    )
    assert not operations.opt_in(
        session, contact_id, "email", how="form", wording=wording, source="", proof={}, now=now
    )
    assert operations.opt_out(session, contact_id, "email", how="one_click", now=now)
    assert not operations.opt_out(
        session, contact_id, "email", how="one_click", wording="", source="", proof={}, now=now
    )
    assert [event.kind for event in page(session, [contact_id])][:2] == ["opted_out", "consent_given"]
    history = queries.history(session, contact_id)
    assert [one.state for one in history] == ["opted_out", "opted_in"]
    assert (history[1].wording, history[1].proof) == (wording, proof)
    assert queries.state_many(session, [contact_id], "email") == {contact_id: "opted_out"}
    assert queries.state_many(session, [contact_id], "sms") == {}


def test_an_import_never_takes_back_a_refusal(session, make_contact, now):
    contact_id = make_contact(emails=["dana@shop.co.il"])
    operations.opt_out(
        session, contact_id, "email", how="one_click", wording="", source="", proof={}, now=now,
        address="dana@shop.co.il",
    )  # fmt: skip
    later = now + timedelta(minutes=1)
    assert not operations.opt_in(session, contact_id, "email", how="import", now=later)
    assert reach(session, contact_id) == Refusal.OPTED_OUT
    assert operations.opt_in(session, contact_id, "email", how="form", now=later)
    assert reach(session, contact_id) is None


@pytest.mark.parametrize("written", ["d.ana@gmail.com", "dana+shop@gmail.com", "DANA@googlemail.com"])
def test_a_refusal_holds_for_another_card_and_another_spelling(session, make_contact, now, written):
    operations.suppress(session, "email", "dana@gmail.com", "unsubscribed", now=now)
    contact_id = make_contact(emails=[written])
    operations.opt_in(session, contact_id, "email", how="import", now=now)
    assert reach(session, contact_id) == Refusal.OPTED_OUT
    assert reach(session, contact_id, "service") is None


def test_a_block_on_all_channels_and_the_stronger_reason(session, make_contact, now):
    contact_id = make_contact(emails=["dana@shop.co.il"])
    assert operations.suppress(session, "email", "dana@shop.co.il", "unsubscribed", now=now)
    assert operations.suppress(session, "*", "dana@shop.co.il", "legal", now=now)
    assert queries.suppressed_many(session, "email", ["dana@shop.co.il"]) == {"dana@shop.co.il": "legal"}
    assert operations.suppress(session, "email", "dana@shop.co.il", "complained", now=now)
    assert not operations.suppress(session, "email", "dana@shop.co.il", "manual", now=now)
    assert reach(session, contact_id, "service") == Refusal.SUPPRESSED_COMPLAINT
    with pytest.raises(UserError):
        operations.lift(session, "email", "dana@shop.co.il", now=now)
    assert operations.lift(session, "*", "dana@shop.co.il", now=now)
    assert not operations.lift(session, "*", "dana@shop.co.il", now=now)
    assert [event.kind for event in page(session, [contact_id])].count("address_suppressed") == 3


def test_a_bounce_blocks_one_exact_mailbox(session, make_contact, now):
    operations.suppress(session, "email", "dana+old@shop.co.il", "hard_bounce", now=now)
    blocked = queries.suppressed_many(session, "email", ["dana@shop.co.il", "dana+old@shop.co.il"])
    assert blocked == {"dana+old@shop.co.il": "hard_bounce"}


def test_the_set_form_agrees_with_the_rule(session, make_contact, now):
    ids = {
        "fine": make_contact(emails=["a@shop.co.il"]),
        "no_address": make_contact(name="b"),
        "never_asked": make_contact(name="c", emails=["c@shop.co.il"]),
        "bounced": make_contact(name="d", emails=["d@shop.co.il"]),
    }
    for name in ("fine", "no_address", "bounced"):
        operations.opt_in(session, ids[name], "email", how="form", now=now)
    operations.suppress(session, "email", "d@shop.co.il", "hard_bounce", now=now)
    everybody = list(ids.values())
    assert queries.can_reach_many(session, everybody, "email", "email", "marketing") == {ids["fine"]}
    assert queries.can_reach_many(session, everybody, "email", "email", "service") == {ids["fine"], ids["never_asked"]}
    assert queries.can_reach_many(session, everybody, "in_app", "contact", "service") == set(everybody)


def test_a_refusal_of_a_merged_card_counts_for_the_one_that_is_kept(session, make_contact, now):
    kept, merged = make_contact(emails=["dana@shop.co.il"]), make_contact(name="Dana")
    operations.opt_in(session, kept, "email", how="form", now=now)
    operations.opt_out(session, merged, "email", how="reply", now=now + timedelta(minutes=1))
    merge(session, kept, merged, now=now)
    assert reach(session, kept) == Refusal.OPTED_OUT


def test_who_was_erased_is_not_written_to_when_an_import_brings_the_address_back(session, make_contact, now):
    contact_id = make_contact(emails=["dana@shop.co.il"], phones=["0521234567"])
    operations.opt_in(session, contact_id, "email", how="form", source="form:1", proof={"ip": "192.0.2.1"}, now=now)
    assert operations.erase_contact(session, contact_id, now=now)
    assert not operations.erase_contact(session, contact_id, now=now)
    assert queries.history(session, contact_id)[0].proof == {}
    again = make_contact(name="Somebody", emails=["Dana+x@shop.co.il"])
    operations.opt_in(session, again, "email", how="import", now=now)
    assert reach(session, again, "service") == Refusal.SUPPRESSED_LEGAL
    assert reach(session, again) == Refusal.SUPPRESSED_LEGAL


def test_forgetting_empties_the_proof_but_keeps_the_decision(session, make_contact, now):
    contact_id = make_contact(emails=["dana@shop.co.il"])
    operations.opt_in(session, contact_id, "email", how="form", source="form:1", proof={"ip": "192.0.2.1"}, now=now)
    operations.suppress(session, "email", "dana@shop.co.il", "legal", contact_id=contact_id, now=now)
    operations.forget(session, contact_id)
    (proof,) = queries.history(session, contact_id)
    assert (proof.state, proof.proof) == ("opted_in", {})
    assert queries.suppressed_many(session, "email", ["dana@shop.co.il"]) == {"dana@shop.co.il": "legal"}
