"""One check from question to verdict: policy, approvals, limits, switches, and no to everything that goes wrong."""

from __future__ import annotations

import msgspec
import pytest

from lichen.core.ports.policy import Approval, Check, Gate, Grant, Verdict
from lichen.core.speech.wording import Texts
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope
from tests.gate.shop import ANNA, COUNTED, LOOKUP, MAIL, MAY_REFUND, REFUND, SCOPE, SUPPORT, Shop, policies

ASK = """
@id("ask") @approval("manager") @expires("2h") @public("A manager has to agree.") @reason("over the limit of finance")
permit(principal, action == Action::"payments.refund", resource);
"""
GRANT = Grant("manager", "operator_mia", b"digest")


def code(verdict: Verdict) -> str:
    return verdict.operator_reason.partition(":")[0]


def test_the_gate_is_what_the_loop_expects() -> None:
    gate: Gate = Shop().gate
    assert gate


@pytest.mark.req("SYM-69.1")
async def test_nothing_is_allowed_that_no_permit_allows() -> None:
    verdict = await Shop("").ask(Shop().refund())
    assert (verdict.outcome, verdict.policies, code(verdict)) == ("deny", (), "no_permit")
    assert verdict.public_reason == "This is not allowed."


@pytest.mark.req("SYM-69.1")
async def test_a_forbid_wins_over_every_permit_and_tells_customers_and_operators_different_things() -> None:
    shop = Shop(
        MAY_REFUND + '@id("late") @public("It is too late for that.") @reason("beyond 30 days")'
        "forbid(principal, action, resource)"
        "when { context has args && context.args has amount && context.args.amount > 10 };"
    )
    verdict = await shop.ask(shop.refund())
    assert (verdict.outcome, verdict.policies) == ("deny", ("late",))
    assert verdict.public_reason == "It is too late for that."
    assert verdict.operator_reason == "forbidden: beyond 30 days"
    assert (await shop.ask(shop.refund(amount=10))).outcome == "allow"


@pytest.mark.req("SYM-69.2")
async def test_the_conditions_of_all_permits_that_decided_are_joined_and_the_strictest_counts() -> None:
    shop = Shop(
        """
        @id("a") @approval("manager") @expires("2h") @limit("refunds <= 5") @redact("email")
        permit(principal, action == Action::"payments.refund", resource);
        @id("b") @approval("manager") @expires("30m") @limit("refunds <= 1; refunded <= 9000") @redact("receipt")
        permit(principal, action in Action::"tool.call.once", resource);
        @id("c") permit(principal, action, resource);
        @id("other") @approval("owner") permit(principal, action == Action::"mail.send", resource);
        """,
        meters=COUNTED,
    )
    held = await shop.ask(shop.refund())
    assert (held.outcome, held.policies) == ("hold", ("a", "b", "c"))
    assert held.approval == Approval("manager", 1800.0)
    assert held.redact == ("email", "receipt")
    assert (await shop.ask(shop.refund(grants=(GRANT,)))).outcome == "allow"
    second = await shop.ask(shop.refund("c2", grants=(GRANT,)))
    assert (second.outcome, second.policies) == ("deny", ("a", "b", "c"))
    assert "meter refunds is at 1, this adds 1, and the limit is 1" in second.operator_reason


@pytest.mark.req("SYM-69.2")
async def test_permits_that_want_approvals_of_different_roles_contradict_each_other() -> None:
    shop = Shop(ASK + '@id("own") @approval("owner") permit(principal, action, resource);')
    verdict = await shop.ask(shop.refund(grants=(GRANT, Grant("owner", "operator_mia", b"digest"))))
    assert (verdict.outcome, verdict.policies, code(verdict)) == ("deny", ("ask", "own"), "approval_conflict")


# -- approvals ---------------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-12.11")
async def test_a_held_call_says_who_must_agree_until_when_and_why_and_reserves_nothing() -> None:
    shop = Shop(ASK, meters=COUNTED)
    verdict = await shop.ask(shop.refund())
    assert verdict.outcome == "hold"
    assert verdict.approval == Approval("manager", 7200.0)
    assert (verdict.public_reason, verdict.operator_reason) == ("A manager has to agree.", "over the limit of finance")
    assert verdict.facts == {"price": 5000, "refunded": 0}
    assert verdict.origins == {"order_id": "model", "amount": "model"}
    assert verdict.reservations == ()
    assert (await shop.ask(shop.refund("c2"))).outcome == "hold"


@pytest.mark.req("LIC-12.12")
@pytest.mark.parametrize(
    "grant",
    [
        Grant("operator", "operator_mia", b"digest"),
        Grant("manager", "operator_mia", b"another call"),
        Grant("manager", "operator_mia", b""),
        Grant("manager", "customer_anna", b"digest"),
    ],
    ids=["another role", "another call", "no call", "by the requester"],
)
async def test_a_grant_of_another_role_for_another_call_or_by_the_requester_counts_for_nothing(grant: Grant) -> None:
    shop = Shop(ASK)
    assert (await shop.ask(shop.refund(grants=(grant,)))).outcome == "hold"
    assert (await shop.ask(shop.refund(grants=(grant, GRANT)))).outcome == "allow"


@pytest.mark.req("LIC-12.12")
async def test_a_call_without_a_digest_cannot_be_approved() -> None:
    shop = Shop(ASK)
    assert (await shop.ask(shop.refund(of=b"", grants=(Grant("manager", "operator_mia", b""),)))).outcome == "hold"


@pytest.mark.req("LIC-12.12")
async def test_an_approved_call_is_decided_again_with_the_facts_and_budgets_of_now() -> None:
    shop = Shop(
        ASK + '@id("paid") forbid(principal, action == Action::"payments.refund", resource)'
        "unless { context.facts.refunded + context.args.amount <= context.facts.price };"
    )
    assert (await shop.ask(shop.refund())).outcome == "hold"
    shop.refunded = 4500
    verdict = await shop.ask(shop.refund(grants=(GRANT,)))
    assert (verdict.outcome, verdict.policies) == ("deny", ("paid",))


# -- who and where -----------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-69.3")
async def test_policies_see_the_agent_that_acts_and_the_person_it_acts_for() -> None:
    shop = Shop(
        """
        @id("gold") permit(principal == Agent::"shop.support", action, resource in Toolset::"payments")
        when { context.actor.kind == "customer" && context.actor.id == "anna" && context.actor.roles.contains("gold") };
        """
    )
    assert (await shop.ask(shop.refund())).outcome == "allow"
    plain = msgspec.structs.replace(SUPPORT, on_behalf_of=Customer("anna"))
    assert (await shop.ask(shop.refund(actor=plain))).outcome == "deny"
    assert (await shop.ask(shop.refund(actor=ANNA))).outcome == "deny"


async def test_roles_are_groups_of_principals() -> None:
    shop = Shop('permit(principal in Role::"auditor", action == Action::"run.start", resource == Agent::"acme");')
    read = Check(SCOPE, Operator("mia", ("auditor",)), "run.start", "acme")
    assert (await shop.ask(read)).outcome == "allow"
    assert (await shop.ask(msgspec.structs.replace(read, actor=Operator("tom")))).outcome == "deny"
    assert (await shop.ask(msgspec.structs.replace(read, resource="other"))).outcome == "deny"


@pytest.mark.req("SYM-69.4")
@pytest.mark.parametrize(
    ("check", "reason"),
    [
        (Shop().refund(scope=Scope("other", "dev")), "tenant_unknown"),
        (Shop().refund(scope=Scope("acme", "prod")), "tenant_unknown"),
        (Check(SCOPE, SYSTEM, "no.such", "thing"), "action_unknown"),
        (msgspec.structs.replace(Shop().refund(), tool=None), "tool_changed"),
        (msgspec.structs.replace(Shop().refund(), tool=msgspec.structs.replace(REFUND, digest="2")), "tool_changed"),
        (Check(SCOPE, SUPPORT, "run.start", "shop.support", tool=REFUND), "tool_changed"),
        (Shop().refund(amount="1000"), "argument_unusable"),
        (Shop().refund(amount=2**63), "argument_unusable"),
        (Shop().refund(args={"order_id": "A-1"}), "argument_unusable"),
    ],
)
async def test_what_policies_were_not_validated_for_is_denied(check: Check, reason: str) -> None:
    verdict = await Shop().ask(check)
    assert (verdict.outcome, code(verdict), verdict.public_reason) == ("deny", reason, "This is not allowed.")


@pytest.mark.req("SYM-69.4")
async def test_a_fault_inside_the_gate_denies_and_says_nothing_of_it() -> None:
    shop = Shop()

    def broken(*_: object) -> bool:
        raise RuntimeError("secret")

    shop.unknown = type("Broken", (set,), {"__contains__": broken})()
    verdict = await shop.ask(shop.refund())
    assert (verdict.outcome, code(verdict)) == ("deny", "internal")
    assert "secret" not in verdict.operator_reason + verdict.public_reason


@pytest.mark.req("LIC-7.11")
async def test_while_the_outcome_of_the_same_call_is_unknown_in_a_session_it_is_not_allowed_again() -> None:
    shop = Shop()
    first = shop.refund()
    shop.unknown.add((first.session, REFUND.name, first.digest))
    verdict = await shop.ask(shop.refund("c2"))
    assert (verdict.outcome, code(verdict)) == ("deny", "outcome_unknown")
    assert "still being checked" in verdict.public_reason
    assert (await shop.ask(shop.refund("c3", of=b"another"))).outcome == "allow"
    assert (await shop.ask(shop.refund("c4", session="ses-2"))).outcome == "allow"


# -- kill switches -----------------------------------------------------------------------------------------------


@pytest.mark.req("LIC-13.11")
@pytest.mark.parametrize(
    ("kind", "name"),
    [("tenant", ""), ("agent", "shop.support"), ("tool", "payments.refund"), ("run", "run-1"), ("run", "run-1.c3")],
)
async def test_nothing_passes_a_switch_that_is_on_and_all_passes_when_it_is_off_again(kind: str, name: str) -> None:
    shop = Shop()
    check = shop.refund(run="run-1.c3")
    shop.gate.stop(SCOPE, kind, name, "incident 7")  # pyright: ignore[reportArgumentType] - one of the four
    verdict = await shop.ask(check)
    assert (verdict.outcome, code(verdict), verdict.public_reason) == (
        "deny",
        "stopped",
        Texts().stopped,
    )
    words = shop.gate.is_stopped(SCOPE, run=RunId("run-1.c3"), agent="shop.support", tool="payments.refund")
    assert words == verdict.public_reason
    shop.gate.start(SCOPE, kind, name)  # pyright: ignore[reportArgumentType]
    assert (await shop.ask(check)).outcome == "allow"
    assert shop.gate.is_stopped(SCOPE, run=RunId("run-1.c3"), agent="shop.support", tool="payments.refund") is None


@pytest.mark.req("LIC-13.11")
async def test_a_switch_reaches_no_other_tenant_environment_agent_tool_or_run() -> None:
    shop = Shop()
    shop.gate.stop(Scope("other", "dev"), "tenant", "", "x")
    shop.gate.stop(Scope("acme", "prod"), "tenant", "", "x")
    shop.gate.stop(SCOPE, "agent", "shop.other", "x")
    shop.gate.stop(SCOPE, "tool", "payments", "x")
    shop.gate.stop(SCOPE, "run", "run-11", "x")
    shop.gate.stop(SCOPE, "run", "run-1.c1", "x")
    assert (await shop.ask(shop.refund())).outcome == "allow"
    assert len(shop.gate.switches.stops(SCOPE)) == 4


@pytest.mark.req("LIC-13.11")
async def test_a_switch_turned_on_while_facts_are_read_still_stops_the_call() -> None:
    shop = Shop()

    async def facts() -> dict[str, int]:
        shop.gate.stop(SCOPE, "tool", "payments.refund", "now")
        return {"price": 1, "refunded": 0}

    assert code(await shop.ask(shop.refund(facts=facts))) == "stopped"


@pytest.mark.req("LIC-13.12")
async def test_in_a_stopped_tenant_nothing_starts_and_operators_can_still_look_and_clean_up() -> None:
    shop = Shop("permit(principal, action, resource);")
    shop.gate.stop(SCOPE, "tenant", "", "x")
    anna, mia = ANNA, Operator("mia")
    for actor, action, resource in [
        (anna, "session.open", "shop.support"), (anna, "run.start", "shop.support"),
        (SUPPORT, "model.invoke", "openai:gpt-5"), (SUPPORT, "message.send", "webchat"),
    ]:  # fmt: skip
        assert code(await shop.ask(Check(SCOPE, actor, action, resource))) == "stopped"
    for action, resource in [("log.read", "acme"), ("run.cancel", "run-1"), ("wait.answer", "approval")]:
        assert (await shop.ask(Check(SCOPE, mia, action, resource))).outcome == "allow"


@pytest.mark.req("LIC-13.12")
async def test_a_stopped_agent_is_not_started() -> None:
    shop = Shop("permit(principal, action, resource);")
    shop.gate.stop(SCOPE, "agent", "shop.support", "x")
    assert code(await shop.ask(Check(SCOPE, ANNA, "run.start", "shop.support"))) == "stopped"
    assert (await shop.ask(Check(SCOPE, ANNA, "run.start", "shop.other"))).outcome == "allow"


# -- reload ------------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-69.5")
async def test_replaced_policies_decide_at_once_and_every_verdict_names_the_digest_of_its_policies() -> None:
    shop = Shop(MAY_REFUND)
    before = await shop.ask(shop.refund())
    shop.gate.replace(SCOPE, policies(""))
    after = await shop.ask(shop.refund("c2"))
    assert (before.outcome, after.outcome) == ("allow", "deny")
    assert before.policy_digest != after.policy_digest == shop.gate.policies(SCOPE).digest


@pytest.mark.req("SYM-69.5")
async def test_policies_replaced_while_facts_are_read_decide_on_facts_read_again() -> None:
    shop = Shop(MAY_REFUND)
    reads: list[int] = []

    async def facts() -> dict[str, int]:
        reads.append(1)
        if len(reads) == 1:
            shop.gate.replace(SCOPE, policies(""))
        return {"price": 1, "refunded": 0}

    assert code(await shop.ask(shop.refund(facts=facts))) == "no_permit"
    assert len(reads) == 2


def test_asking_for_policies_that_are_not_there_says_so() -> None:
    with pytest.raises(NotFound, match="policies_unknown"):
        Shop().gate.policies(Scope("other", "dev"))


# -- built-in policies -------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-69.6")
@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        (Check(SCOPE, ANNA, "session.open", "shop.support"), "allow"),
        (Check(SCOPE, ANNA, "run.start", "shop.support"), "allow"),
        (Check(SCOPE, SUPPORT, "message.send", "webchat"), "allow"),
        (Check(SCOPE, SUPPORT, "model.invoke", "openai:gpt-5"), "allow"),
        (Check(SCOPE, ANNA, "model.invoke", "openai:gpt-5"), "deny"),
        (Check(SCOPE, ANNA, "wait.answer", "clarification"), "allow"),
        (Check(SCOPE, ANNA, "wait.answer", "approval"), "deny"),
        (Check(SCOPE, Operator("mia"), "wait.answer", "approval"), "allow"),
        (Shop().call(LOOKUP, {"order_id": "A-1"}), "allow"),
        (Shop().call(MAIL, {"to": ["a@b.c"]}), "deny"),
        (Shop().refund(), "deny"),
    ],
)
async def test_the_built_in_permits_let_people_talk_and_agents_look_and_no_more(check: Check, outcome: str) -> None:
    assert (await Shop("", base=True).ask(check)).outcome == outcome
    assert (await Shop("", base=False).ask(check)).outcome == "deny"


@pytest.mark.req("SYM-69.6")
async def test_the_starter_policies_ask_an_operator_before_effects_that_cannot_be_repeated() -> None:
    from lichen.gate.rules.policies import starter_policies

    shop = Shop()
    shop.gate.replace(SCOPE, starter_policies([REFUND, LOOKUP, MAIL, LOOKUP]))
    held = await shop.ask(shop.refund())
    assert (held.outcome, held.approval) == ("hold", Approval("operator", 86400.0))
    granted = shop.refund(grants=(Grant("operator", "operator_mia", b"digest"),))
    assert (await shop.ask(granted)).outcome == "allow"
    assert (await shop.ask(shop.call(LOOKUP, {"order_id": "A-1"}))).outcome == "allow"


async def test_a_call_that_counts_is_only_allowed_inside_a_run() -> None:
    shop = Shop(meters=COUNTED)
    outside = msgspec.structs.replace(shop.refund(), call=None)
    assert code(await shop.ask(outside)) == "meter_unavailable"


async def test_a_reservation_of_before_a_restart_is_settled_by_its_call() -> None:
    shop = Shop(MAY_REFUND.replace("@id", '@limit("refunds <= 1") @id'), meters=COUNTED)
    allowed = await shop.ask(shop.refund())
    after = Shop(MAY_REFUND.replace("@id", '@limit("refunds <= 1") @id'), meters=COUNTED)
    after.totals = {reservation.key: (reservation.amount, 0) for reservation in allowed.reservations}
    after.gate.restore(SCOPE, RunId("run-1"), CallId("c1"), allowed.reservations)
    assert (await after.ask(after.refund("c2"))).outcome == "deny"
    after.end("c1", paid=False)
    assert (await after.ask(after.refund("c2"))).outcome == "allow"


@pytest.mark.req("LIC-13.13")
async def test_the_operators_words_at_a_stop_are_not_told_to_the_planner() -> None:
    shop = Shop()
    shop.gate.stop(SCOPE, "tool", "payments.refund", "Mrs Jones is stealing")
    told = shop.gate.is_stopped(SCOPE, run=RunId("run-1"), agent="shop.support", tool="payments.refund")
    verdict = await shop.ask(shop.refund(run="run-1"))
    assert told == verdict.public_reason
    assert "Jones" in verdict.operator_reason


# -- what the customer is told -----------------------------------------------------------------------------------

BOTH_TONGUES = """
@id("no") @public("Not here.") @public_de("Hier nicht.")
forbid(principal, action == Action::"mail.send", resource);
@id("ask") @approval("operator") @public("Needs a colleague.") @public_de("Braucht eine Kollegin.")
permit(principal, action == Action::"payments.refund", resource);
"""


@pytest.mark.req("LIC-30.2")
@pytest.mark.parametrize(
    ("language", "held", "nothing"),
    [("", "Needs a colleague.", "This is not allowed."), ("de", "Braucht eine Kollegin.", "Das ist nicht erlaubt.")],
)
async def test_a_public_reason_is_told_in_the_customers_language(language: str, held: str, nothing: str) -> None:
    shop = Shop(BOTH_TONGUES)
    verdict = await shop.ask(msgspec.structs.replace(shop.refund(), language=language))
    assert (verdict.outcome, verdict.public_reason) == ("hold", held)
    shop = Shop("")
    verdict = await shop.ask(msgspec.structs.replace(shop.refund(), language=language))
    assert (verdict.outcome, verdict.public_reason) == ("deny", nothing)
