from __future__ import annotations

import inspect
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

import lichen.agents
from lichen.agents.agent import Agent
from lichen.agents.llm.prompts import Prompt
from lichen.agents.toolset import Toolset
from lichen.core.ports.call import Arguments, CannotTell, InvalidArguments, Tool
from lichen.core.ports.plan import RunContext
from lichen.core.words.errors import Invalid, LichenError
from lichen.core.words.ids import AgentName, RunId
from lichen.core.words.limits import Limits
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import AgentDef
from lichen.testing.models import scripted_planner
from tests.agents.shop import shop_planner
from tests.agents.tools import fake

LOOKUP, REFUND = fake("orders.lookup"), fake("payments.refund")


class Invoice(BaseModel):
    number: int
    why: str = "it was asked for"


def agent(name: str = "shop.support", **given: Any) -> Agent:
    values: dict[str, Any] = {"planner": shop_planner(), "tools": [LOOKUP, REFUND], **given}
    return Agent(name, **values)


def refusal(**given: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        agent(**given)
    return caught.value


@pytest.mark.req("GOA-1.1")
def test_a_declaration_is_all_an_engine_needs() -> None:
    declared: AgentDef = agent(limits=Limits(calls=3), description="Helps.")
    assert declared.name == "shop.support"
    assert list(declared.tools) == ["orders.lookup", "payments.refund"]
    assert declared.tools["orders.lookup"] is LOOKUP  # type: ignore[index]
    assert declared.limits.calls == 3
    assert declared.planner == shop_planner()


@pytest.mark.req("GOA-1.1")
@pytest.mark.parametrize(
    "name", ["", "support", "Shop.support", "shop..support", "shop.", "1.a", "a.b\n", "a." + "b" * 63]
)
def test_an_agent_has_a_name_of_words_joined_by_dots(name: str) -> None:
    assert refusal(name=name).code == "agent_invalid"


@pytest.mark.req("GOA-1.1")
def test_an_agent_without_a_planner_is_refused() -> None:
    assert refusal(planner=None).code == "agent_invalid"


@pytest.mark.req("GOA-1.1")
def test_two_tools_of_one_name_are_refused() -> None:
    error = refusal(tools=[LOOKUP, Toolset("orders", [fake("orders.lookup")])])
    assert error.code == "agent_invalid"
    assert "orders.lookup" in str(error)


def test_a_plain_function_is_refused_as_a_tool_with_the_way_to_make_it_one() -> None:
    def lookup() -> None: ...

    error = refusal(tools=[lookup])
    assert error.code == "tool_invalid"
    assert "lookup" in error.message
    assert "@tool" in error.next_step


def test_an_agent_cannot_be_changed() -> None:
    made: Any = agent()
    with pytest.raises(AttributeError):
        made.name = "x.y"
    with pytest.raises(TypeError):
        made.tools["a.b"] = LOOKUP


@pytest.mark.req("GOA-1.2")
def test_the_digest_pins_name_planner_tools_and_limits_and_nothing_else() -> None:
    same = {agent().digest, agent(description="other words").digest}
    assert len(same) == 1
    others = [
        agent("shop.sales"),
        agent(planner=shop_planner(fallback="x")),
        agent(planner=scripted_planner([])),
        agent(tools=[LOOKUP]),
        agent(tools=[LOOKUP, fake("payments.refund", timeout_s=1.0)]),
        agent(limits=Limits(calls=3)),
    ]
    assert len(same | {other.digest for other in others}) == 7


# -- agents as tools ---------------------------------------------------------------------------------------------


def test_an_agent_is_a_tool_whose_call_is_a_child_run() -> None:
    billing = agent("shop.billing", limits=Limits(time_s=60, grace_s=5), description="Knows invoices.")
    tool: Tool = billing.as_tool()
    assert (tool.spec.name, tool.spec.agent, tool.spec.effects) == ("shop.billing", "shop.billing", "child")
    assert tool.spec.description == "Knows invoices."
    assert tool.spec.timeout_s == 65
    assert tool.spec.output_schema["required"] == ["answer"]
    parent = agent(tools=[LOOKUP, tool])
    assert parent.children == (billing,)
    assert agent().children == ()


RUN = RunContext(Scope("acme", "dev"), Actor("agent", "shop.bot"), RunId("run-1"), AgentName("shop.bot"), None, None, 0)


def test_the_childs_first_message_is_the_arguments_or_the_template_filled_with_them() -> None:
    plain = agent().as_tool(input=Invoice, name="billing.explain", description="Explains.")
    args = plain.decode(b'{"number": 7}').data
    assert msgspec.json.decode(plain.message(args, RUN)) == {"number": 7, "why": "it was asked for"}
    worded = agent().as_tool(input=Invoice, template="Explain invoice {number}: {why}.")
    assert worded.message(args, RUN) == "Explain invoice 7: it was asked for."


@pytest.mark.req("GOA-13.1")
def test_of_all_that_words_the_first_message_of_a_child_the_first_in_order_counts() -> None:
    def build(args: Any) -> str:
        return f"built {args['number']}"

    prompt = Prompt("You work for {tenant}.", name="billing")
    ways: dict[str, Any] = {"prompt": prompt, "template": "template {number}", "text": "text", "build": build}
    said = ["You work for acme.\n\n{", "template 7", "text", "built 7", '{"number":7']
    digests = list[str]()
    for expected in said:
        tool = agent().as_tool(input=Invoice, **ways)
        args = tool.decode(b'{"number": 7}').data
        assert tool.message(args, RUN).startswith(expected)
        digests.append(tool.spec.digest)
        if ways:
            del ways[next(iter(ways))]
    assert len(set(digests)) == 5


@pytest.mark.req("GOA-14.1")
def test_arguments_that_do_not_fit_start_no_child() -> None:
    tool = agent().as_tool(input=Invoice)
    with pytest.raises(InvalidArguments) as caught:
        tool.decode(b'{"number": "seven"}')
    assert caught.value.issues[0].field == "/number"


@pytest.mark.parametrize("given", [{"template": "{amount}"}, {"template": "{"}, {"name": "Billing"}, {"input": int}])
def test_an_agent_tool_that_cannot_work_is_refused(given: dict[str, Any]) -> None:
    values: dict[str, Any] = {"input": Invoice, **given}
    with pytest.raises(Invalid) as caught:
        agent().as_tool(**values)
    assert caught.value.code == "tool_invalid"


def test_the_digest_of_an_agent_tool_pins_its_template() -> None:
    made = [agent().as_tool(input=Invoice, template=text).spec.digest for text in ("", "a {number}", "b {number}")]
    assert len(set(made)) == 3
    again = agent().as_tool(input=Invoice, template="a {number}").renamed(agent().as_tool().spec.name)
    assert again.spec.digest == made[1]


async def test_an_agent_tool_is_never_executed_in_place(meta: Any) -> None:
    tool = agent().as_tool()
    with pytest.raises(LichenError):
        await tool.execute(Arguments(b"{}"), meta)
    assert isinstance(await tool.probe(Arguments(b"{}"), meta), CannotTell)


def test_the_package_gives_each_name_it_lists() -> None:
    for name in lichen.agents.__all__:
        assert getattr(lichen.agents, name).__name__ == name
    assert lichen.agents.__all__ == sorted(lichen.agents.__all__)
    with pytest.raises(AttributeError):
        lichen.agents.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert all(inspect.getdoc(getattr(lichen.agents, name)) for name in lichen.agents.__all__)
