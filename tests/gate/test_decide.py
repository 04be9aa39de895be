"""Deciding is one plain step: what was read for it is good for that tick, and what cannot change is not asked twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from lichen.core.ports.policy import RUN_METERS, Check, RunMeter, Verdict
from lichen.core.words.ids import RunId, SessionId, ToolName
from lichen.core.words.label import EMPTY, Label
from lichen.gate.cedar.values import Entity, Value
from lichen.gate.rules.policies import PolicySet
from lichen.gate.rules.schema import ACTIONS
from tests.gate.shop import ANNA, COUNTED, LOOKUP, MAY_REFUND, REFUND, SCOPE, SUPPORT, Shop, policies

READ = Label(("third_party:web.fetch",))


def sending(actor: Any = SUPPORT, *, channel: str = "webchat", label: Label = EMPTY) -> Check:
    return Check(SCOPE, actor, "message.send", channel, run=RunId("run-1"), session=SessionId("ses-1"), label=label)


def counted(shop: Shop, given: PolicySet) -> list[str]:
    """Puts these policies in force, and tells the action of every request that is decided by them."""
    asked: list[str] = []

    def decide(principal: Entity, action: Entity, resource: Entity, context: Mapping[str, Value]) -> Any:
        asked.append(action.id)
        return given.decide(principal, action, resource, context)

    shop.gate.replace(SCOPE, msgspec.structs.replace(given, decide=decide))
    return asked


@pytest.mark.req("LIC-11.8")
def test_an_act_that_was_allowed_is_not_asked_again_for_the_same_actor_resource_and_label() -> None:
    shop = Shop()
    asked = counted(shop, policies("", base=True))
    verdicts = [shop.gate.decide(sending()) for _ in range(3)]
    assert {verdict.outcome for verdict in verdicts} == {"allow"}
    assert {verdict.policies for verdict in verdicts} == {("base.talk",)}
    assert asked == ["message.send"]
    for other in (sending(ANNA), sending(channel="api"), sending(label=READ)):
        shop.gate.decide(other)
    assert len(asked) == 4


@pytest.mark.req("LIC-11.8")
def test_what_was_allowed_ends_with_its_policies_and_at_a_switch() -> None:
    shop = Shop("", base=True)
    assert shop.gate.decide(sending()).outcome == "allow"
    shop.gate.stop(SCOPE, "agent", SUPPORT.id, "misbehaves")
    assert shop.gate.decide(sending()).operator_reason.startswith("stopped: ")
    shop.gate.start(SCOPE, "agent", SUPPORT.id)
    assert shop.gate.decide(sending()).outcome == "allow"
    shop.gate.replace(SCOPE, policies('@id("no") forbid(principal, action == Action::"message.send", resource);'))
    assert shop.gate.decide(sending()).policies == ("no",)


@pytest.mark.req("LIC-11.8")
def test_a_refusal_is_decided_and_worded_each_time() -> None:
    shop = Shop()
    asked = counted(shop, policies('@id("no") forbid(principal, action == Action::"message.send", resource);'))
    assert [shop.gate.decide(sending()).outcome for _ in range(2)] == ["deny", "deny"]
    assert len(asked) == 2


@pytest.mark.req("LIC-11.8")
@pytest.mark.parametrize("action", sorted(ACTIONS.keys() - {"model.invoke", "run.start"}))
def test_policies_can_read_nothing_of_an_act_that_changes_while_they_stand(action: str) -> None:
    """What they can read of a call, such as meters and facts, does, what models used, and what began today."""
    schema = policies("").schema
    assert schema.views[action].tool is None
    read = schema.document[""]["actions"][action]["appliesTo"]["context"]["attributes"]
    of_a_secret = {"tool": {"type": "String"}, "environment": {"type": "String"}} if action == "secret.use" else {}
    assert read == {"actor": {"type": "ActorInfo"}, "label": {"type": "LabelInfo"}, **of_a_secret}


@pytest.mark.req("LIC-11.8")
def test_an_answer_that_depends_on_what_began_today_is_not_remembered() -> None:
    shop = Shop()
    counts: dict[RunMeter, int] = dict.fromkeys(RUN_METERS, 0)
    starting = Check(SCOPE, ANNA, "run.start", "shop.support", starting=lambda: counts)
    text = 'permit(principal, action == Action::"run.start", resource) when { context.meters.customer_runs < 1 };'
    shop.gate.replace(SCOPE, policies(text))
    assert shop.gate.decide(starting).outcome == "allow"
    counts["customer_runs"] = 1
    assert shop.gate.decide(starting).outcome == "deny"


@pytest.mark.req("SYM-95.5")
def test_what_is_remembered_of_a_secret_is_remembered_for_its_tool_and_environment_alone() -> None:
    permit = 'permit(principal, action == Action::"secret.use", resource) when { context.tool == "payments.refund" };'
    shop = Shop()
    shop.gate.replace(SCOPE, policies(permit))
    using = Check(SCOPE, SUPPORT, "secret.use", "payments.key", hands_to=ToolName("payments.refund"))
    assert shop.gate.decide(using).outcome == "allow"
    other = msgspec.structs.replace(using, hands_to=ToolName("payments.find"))
    assert [shop.gate.decide(each).outcome for each in (other, using, other)] == ["deny", "allow", "deny"]
    shop.gate.stop(SCOPE, "tool", "payments.refund", "misbehaves")
    assert shop.gate.decide(using).operator_reason.startswith("stopped: ")


def test_calls_are_asked_about_each_time() -> None:
    shop = Shop()
    asked = counted(shop, policies("", base=True))
    for _ in range(2):
        assert shop.gate.decide(shop.call(LOOKUP, {"order_id": "A-1"})).outcome == "allow"
    assert asked == [LOOKUP.name] * 2


# -- facts -------------------------------------------------------------------------------------------------------


def code(verdict: Verdict) -> str:
    return verdict.operator_reason.partition(":")[0]


@pytest.mark.req("LIC-11.7")
def test_a_call_whose_facts_nobody_read_is_denied() -> None:
    shop = Shop(MAY_REFUND)
    assert code(shop.gate.decide(shop.refund())) == "facts_unavailable"


@pytest.mark.req("LIC-11.9")
async def test_facts_decide_only_the_check_they_were_read_for() -> None:
    shop = Shop(MAY_REFUND)
    one, other = shop.refund("c1"), shop.refund("c2")
    facts = await shop.gate.facts(one)
    assert code(shop.gate.decide(other, facts)) == "busy"
    assert shop.gate.decide(one, facts).outcome == "allow"


@pytest.mark.req("LIC-11.9")
async def test_facts_that_a_payment_new_policies_or_a_switch_overtook_decide_nothing() -> None:
    shop = Shop(MAY_REFUND, meters=COUNTED)
    assert (await shop.ask(shop.refund("c1"))).outcome == "allow"
    check = shop.refund("c2")
    facts = await shop.gate.facts(check)
    shop.end("c1")
    assert code(shop.gate.decide(check, facts)) == "busy"
    facts = await shop.gate.facts(check)
    shop.gate.replace(SCOPE, policies(MAY_REFUND))
    assert code(shop.gate.decide(check, facts)) == "busy"
    facts = await shop.gate.facts(check)
    shop.gate.stop(SCOPE, "tool", REFUND.name, "broken")
    assert code(shop.gate.decide(check, facts)) == "stopped"
