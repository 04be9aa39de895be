"""What an agent says of a tool for itself, and what agents offer to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from lichen import Agent, Retry, Runtime, Scope, Toolset, tool
from lichen.agents import Ask, Overlay, export, load_agent
from lichen.agents.child import ChildTool
from lichen.agents.overlay import overlaid
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import SYSTEM, Operator
from lichen.testing.models import scripted_planner
from tests.tools.samples import call_meta

SCOPE = Scope("acme", "dev")


@tool(name="orders.lookup", effects="none", runs="loop", timeout_s=10, retry=Retry(3), tags=["read"], cost=2)
def lookup(order_id: str) -> str:
    """Looks up an order."""
    return f"{order_id} is on its way"


@tool(name="orders.cancel", effects="idempotent", runs="loop", origin="third_party", confirm="Cancel {order_id}?")
def cancel(order_id: str) -> str:
    """Cancels an order."""
    return order_id


ORDERS = Toolset("orders", [lookup, cancel])


# -- overlays ----------------------------------------------------------------------------------------------------


@pytest.mark.req("GOA-8.3")
async def test_an_overlay_is_stricter_for_one_agent_and_leaves_the_tool_as_it_was() -> None:
    strict = ORDERS.overlaid(
        "lookup",
        description="Where an order is.",
        confirm="Look up {order_id}?",
        reminder="Say when it arrives.",
        timeout_s=5,
        attempts=2,
        cost=3,
        effects="once",
        origin="third_party",
        tags=("slow",),
        audit=("order_id",),
    )
    spec = strict["lookup"].spec
    assert (spec.description, spec.confirm, spec.reminder) == (
        "Where an order is.",
        "Look up {order_id}?",
        "Say when it arrives.",
    )
    assert (spec.timeout_s, spec.retry.attempts, spec.cost, spec.effects, spec.origin) == (
        5,
        2,
        3,
        "once",
        "third_party",
    )
    assert (spec.tags, spec.audit, spec.name) == (("read", "slow"), ("order_id",), "orders.lookup")
    assert spec.digest != lookup.spec.digest
    assert ORDERS["lookup"] is lookup
    assert (
        await strict["lookup"].execute(strict["lookup"].decode(b'{"order_id": "7"}'), call_meta())
        == b'"7 is on its way"'
    )
    assert overlaid(lookup, Overlay()) is lookup


LAXER: dict[str, tuple[str, dict[str, Any], str]] = {
    "more time": ("lookup", {"timeout_s": 11.0}, "shorten"),
    "no time": ("lookup", {"timeout_s": 0.0}, "shorten"),
    "more attempts": ("lookup", {"attempts": 4}, "take attempts away"),
    "no attempt": ("lookup", {"attempts": 0}, "take attempts away"),
    "a lower cost": ("lookup", {"cost": 1}, "dearer"),
    "effects that may be repeated": ("cancel", {"effects": "none"}, "cannot become"),
    "a tool that is an agent": ("lookup", {"effects": "child"}, "cannot become"),
    "a stranger's words as records": ("cancel", {"origin": "records"}, "do not become records"),
    "no question any more": ("cancel", {"confirm": ""}, "does not take one away"),
    "a question of no parameter": ("cancel", {"confirm": "{price}?"}, "no parameter"),
    "a field that is not there": ("lookup", {"audit": ("price",)}, "no parameter"),
}


@pytest.mark.req("GOA-8.4")
@pytest.mark.parametrize("wish", LAXER)
def test_an_overlay_that_would_be_laxer_is_refused_with_the_tool(wish: str) -> None:
    name, said, words = LAXER[wish]
    with pytest.raises(Invalid, match=words) as caught:
        ORDERS.overlaid(name, **said)
    assert (caught.value.code, caught.value.place) == ("tool_invalid", f"orders.{name}")


@pytest.mark.req("GOA-8.4")
def test_an_overlay_says_nothing_else() -> None:
    with pytest.raises(msgspec.ValidationError, match="runs"):
        ORDERS.overlaid("lookup", runs="thread")


@pytest.mark.req("GOA-8.3")
def test_an_agent_under_an_overlay_is_an_agent_still() -> None:
    child = Agent("shop.child", planner=scripted_planner([]))
    strict = overlaid(child.as_tool(description="Asks."), Overlay(description="Asks the child.", cost=5))
    assert isinstance(strict, ChildTool)
    assert (strict.child, strict.spec.description, strict.spec.cost) == (child, "Asks the child.", 5)
    parent = Agent("shop.parent", planner=scripted_planner([]), tools=[strict])
    assert parent.children == (child,)


def test_a_pattern_names_every_tool_that_begins_so() -> None:
    assert [each.spec.name for each in ORDERS.matching("orders.*")] == ["orders.lookup", "orders.cancel"]
    with pytest.raises(Invalid):
        ORDERS.matching("order.*")


# -- exports -----------------------------------------------------------------------------------------------------


class Question(BaseModel):
    order: str


class Clerk:
    """Answers with what it is asked."""

    pure = True
    digest = "clerk"

    async def plan(self, input: PlanInput) -> Plan:
        return Plan(answer=f"clerk heard {input.input[-1].text}")


class Boss:
    """Makes these calls, and answers with how they ended."""

    pure = True

    def __init__(self, *calls: CallRequest) -> None:
        self.digest = f"boss{len(calls)}"
        self._calls = calls

    async def plan(self, input: PlanInput) -> Plan:
        if not input.results:
            return Plan(calls=self._calls)
        return Plan(answer=" | ".join(result.data.decode() or result.code for result in input.results))


async def told(home: Path, agent: Agent) -> tuple[str, int]:
    """The answer of a run of the agent, and how many runs there were."""
    policies = home / "policies"
    policies.mkdir(parents=True)
    (policies / "all.cedar").write_text('@id("all") permit (principal, action, resource);')
    async with Runtime.open(home / "data", agents=[agent], policies=policies) as runtime:
        run = await runtime.runs.start(SCOPE, agent.name, "go", Operator("ops", ("operator",)))
        return await runtime.runs.result(SCOPE, run, SYSTEM), len(runtime.runs.list(SCOPE, SYSTEM))


@pytest.mark.req("GOA-9.1", "GOA-10.1")
async def test_another_agent_asks_by_a_run_and_calls_what_passes_without_one(tmp_path: Path) -> None:
    clerk = Agent("shop.clerk", planner=Clerk(), tools=ORDERS, description="Knows orders.")
    offered = export(clerk, "desk", asks={"ask": Ask(Question, template="about {order}")}, passes=["lookup"])
    assert [each.spec.name for each in offered] == ["desk.ask", "desk.lookup"]
    assert [each.spec.agent for each in offered] == ["shop.clerk", None]
    ask = CallRequest(ToolName("desk.ask"), b'{"order": "7"}')
    look = CallRequest(ToolName("desk.lookup"), b'{"order_id": "7"}')
    both = Agent("shop.boss", planner=Boss(ask, look), tools=offered)
    assert await told(tmp_path / "a", both) == ('{"answer":"clerk heard about 7"} | "7 is on its way"', 2)
    passing = Agent("shop.boss", planner=Boss(look), tools=offered.only("lookup"))
    assert passing.children == ()
    assert await told(tmp_path / "b", passing) == ('"7 is on its way"', 1)


@pytest.mark.req("GOA-9.1")
def test_an_agent_exports_only_what_it_has() -> None:
    clerk = Agent("shop.clerk", planner=Clerk(), tools=[lookup])
    assert [each.spec.name for each in export(clerk, "desk")] == ["desk.ask"]
    with pytest.raises(Invalid) as caught:
        export(clerk, "desk", passes=["cancel"])
    assert caught.value.code == "tool_unknown"
    with pytest.raises(Invalid) as caught:
        export(clerk, "desk", asks={})
    assert caught.value.code == "toolset_invalid"


@pytest.mark.req("GOA-10.1")
def test_a_file_passes_tools_of_its_child(tmp_path: Path) -> None:
    (tmp_path / "clerk.yaml").write_text("name: shop.clerk\ntools: [orders.*]\nllm: {model: 'echo:'}\n")
    (tmp_path / "boss.yaml").write_text(
        "name: shop.boss\nllm: {model: 'echo:'}\nchildren: [{file: clerk.yaml, tool: desk.ask, passes: [lookup]}]\n"
    )
    boss = load_agent(tmp_path / "boss.yaml", [ORDERS])
    assert list(boss.tools) == ["desk.ask", "desk.lookup"]
    assert [child.name for child in boss.children] == ["shop.clerk"]
