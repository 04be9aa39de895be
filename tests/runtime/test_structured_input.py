"""JSON that a run begins with or that comes with a message, and what planners and tools learn of who began it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from lichen import Agent, Attribute, CallMeta, Runtime, Scope, tool
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.errors import LichenError
from lichen.core.words.scope import SYSTEM, Customer, Operator
from lichen.flows.ir import Flow
from lichen.flows.read.load import parse
from lichen.runtime.project.flows import flow_agents

SCOPE = Scope("acme", "dev")
DEEP = msgspec.json.decode(b"[" * 40 + b"]" * 40)
ADA = Customer("ada")
OPS = Operator("ops", ("operator",))
POLICY = """
@id("run") permit (principal, action == Action::"run.start", resource);
@id("call") permit (principal is Agent, action in Action::"tool.call", resource);
"""


class Teller:
    """Answers with what it is told: words, data, attributes."""

    pure = True
    digest = "teller"

    async def plan(self, input: PlanInput) -> Plan:
        told = input.input[-1]
        return Plan(answer=f"{told.text} | {told.data} | {dict(input.run.attributes)}")


@tool(name="about.me", effects="none", runs="loop")
async def about(*, meta: CallMeta) -> dict[str, str]:
    """Tells the attributes of the call."""
    return dict(meta.attributes)


def written(nodes: str, id: str) -> Flow:
    body = "\n".join(f"  {line}" for line in nodes.strip("\n").splitlines())
    return parse(f"id: {id}\ntype: messaging\nschema_version: 2\nnodes:\n{body}\n", f"{id}.ygtc").flow


def opened(home: Path, *nodes: str) -> Runtime:
    policies = home / "policies"
    policies.mkdir(parents=True)
    (policies / "all.cedar").write_text(POLICY)
    teller = Agent("shop.teller", planner=Teller(), tools=[about])
    flows = flow_agents([written(one, id=f"shop.flow{i or ''}") for i, one in enumerate(nodes)], [teller])
    return Runtime.open(home, agents=[teller, *flows], policies=policies)


async def ended(runtime: Runtime, agent: str, text: str = "", **given: Any) -> str:
    return await runtime.runs.result(SCOPE, await runtime.runs.start(SCOPE, agent, text, OPS, **given), SYSTEM)


@pytest.mark.req("LIC-1.12")
async def test_a_flow_started_with_json_reads_it_as_its_entry_and_its_state(tmp_path: Path) -> None:
    nodes = """
a: {text: "{{in.plan.actions.0.kind}} {{state.input.dry_run}} {{entry.text}} {{inputs.n}}", routing: reply}
"""
    given = {"plan": {"actions": [{"kind": "store"}]}, "dry_run": False, "n": 7}
    async with opened(tmp_path, nodes) as runtime:
        assert await ended(runtime, "shop.flow", input=given) == "store false  7"
        assert await ended(runtime, "shop.flow", "hello", input=given) == "store false hello 7"


@pytest.mark.req("LIC-1.12")
async def test_any_agent_gets_the_input_as_words_and_as_data(tmp_path: Path) -> None:
    async with opened(tmp_path) as runtime:
        assert await ended(runtime, "shop.teller", input={"n": 1}) == "{\"n\":1} | {'n': 1} | {}"
        assert await ended(runtime, "shop.teller", "hi", input=[1]) == "hi | [1] | {}"
        assert await ended(runtime, "shop.teller", "hi") == "hi | None | {}"


@pytest.mark.req("LIC-1.12")
async def test_the_same_key_with_another_input_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as runtime:
        first = await runtime.runs.start(SCOPE, "shop.teller", "", OPS, key="k", input={"n": 1})
        assert await runtime.runs.start(SCOPE, "shop.teller", "", OPS, key="k", input={"n": 1}) == first
        with pytest.raises(LichenError) as caught:
            await runtime.runs.start(SCOPE, "shop.teller", "", OPS, key="k", input={"n": 2})
        assert caught.value.code == "key_reused"


@pytest.mark.req("LIC-1.12")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, "message_empty"),
        ({"a": "x" * 40_000}, "input_too_large"),
        ({"a": object()}, "input_invalid"),
        (DEEP, "input_invalid"),
    ],
)
async def test_an_input_that_is_empty_too_large_or_no_json_is_refused(tmp_path: Path, given: Any, code: str) -> None:
    async with opened(tmp_path) as runtime:
        with pytest.raises(LichenError) as caught:
            await runtime.runs.start(SCOPE, "shop.teller", "", OPS, input=given)
        assert caught.value.code == code


@pytest.mark.req("LIC-1.13")
async def test_what_a_channel_knows_beside_the_words_stands_in_the_entry_and_in_answers(tmp_path: Path) -> None:
    nodes = """
a: {text: "{{in.text}} from {{in.metadata.city}}", routing: [{to: b}]}
b: {messaging.emit: {text: "{{node.a.text}}"}, routing: [{to: c}]}
c: {session.wait: {prompt: "and?"}, routing: [{to: d}]}
d: {text: "{{state.input.action}} {{input.metadata.action}} {{node.c.text}} {{in.text}}", routing: reply}
"""
    async with opened(tmp_path, nodes) as runtime:
        session = await runtime.sessions.open(SCOPE, ADA, agent="shop.flow", channel="webchat")
        await (await session.say("hello", data={"metadata": {"city": "Bonn"}})).result()
        form = {"action": "pay", "metadata": {"action": "pay"}, "text": "not the words"}
        assert (await (await session.say("yes", data=form)).result()).text == "pay pay yes hello"
        said = [message.text for message in await session.pending()]
        assert said[0] == "hello from Bonn"


@pytest.mark.req("LIC-1.13")
async def test_a_repeated_message_with_other_data_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as runtime:
        session = await runtime.sessions.open(SCOPE, ADA, agent="shop.teller")
        await session.say("hi", key="k", data={"n": 1})
        assert (await session.say("hi", key="k", data={"n": 1})).receipt.is_repeated
        with pytest.raises(LichenError) as caught:
            await session.say("hi", key="k", data={"n": 2})
        assert caught.value.code == "key_reused"


@pytest.mark.req("GOA-6.3")
async def test_attributes_of_session_and_run_reach_planner_tool_flow_and_child(tmp_path: Path) -> None:
    nodes = """
a: {about.me: {}, routing: [{to: b}]}
b: {dw.agent: {agent: shop.teller, message: x}, routing: [{to: c}]}
c: {text: "{{session.channel}} {{node.a.region}} {{node.a.channel}} {{node.b.text}}", routing: reply}
"""
    async with opened(tmp_path, nodes) as runtime:
        about_it = {"region": "eu"}
        session = await runtime.sessions.open(
            SCOPE, ADA, agent="shop.flow", channel="webchat", attributes={**about_it, "channel": "forged"}
        )
        reply = await (await session.say("go")).result()
        assert reply.text == "webchat eu webchat x | None | {'region': 'eu', 'channel': 'webchat'}"
        assert await ended(runtime, "shop.teller", "hi", attributes=about_it) == "hi | None | {'region': 'eu'}"


@pytest.mark.req("GOA-6.3")
async def test_attributes_that_are_too_many_or_too_long_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as runtime:
        for wrong in ({str(i): "x" for i in range(33)}, {"a" * 65: "x"}, {"a": "x" * 257}):
            with pytest.raises(LichenError) as caught:
                await runtime.runs.start(SCOPE, "shop.teller", "hi", OPS, attributes=wrong)
            assert caught.value.code == "attributes_invalid"


@pytest.mark.req("GOA-6.4")
async def test_no_caller_replaces_what_the_runtime_tells_its_tools(tmp_path: Path) -> None:
    nodes = 'a: {about.me: {}, out_map: {text: "{{result.files}}"}, routing: reply}'
    async with opened(tmp_path, nodes) as runtime:
        own = await ended(runtime, "shop.flow", "go")
        assert own
        assert await ended(runtime, "shop.flow", "go", attributes={"files": "/elsewhere"}) == own


@tool(name="about.place", effects="none", runs="loop")
async def placed(
    *,
    region: Annotated[str, Attribute("region")],
    tier: Annotated[str, Attribute("tier")],
    files: Annotated[str, Attribute("files")],
    channel: Annotated[str | None, Attribute("channel")],
) -> str:
    """Tells where the run is."""
    return f"{region} {tier} {channel} {bool(files)}"


class Placer:
    """Calls the one tool, and answers with what it gives."""

    pure = True
    digest = "placer"

    async def plan(self, input: PlanInput) -> Plan:
        if not input.results:
            return Plan(calls=(CallRequest(placed.spec.name, b"{}"),))
        return Plan(answer=input.results[0].data.decode())


@pytest.mark.req("GOA-7.1")
async def test_a_run_without_the_attributes_its_tools_need_is_not_started_and_all_missing_are_named(
    tmp_path: Path,
) -> None:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "all.cedar").write_text(
        POLICY + '@id("open") permit (principal, action == Action::"session.open", resource);'
    )
    async with Runtime.open(tmp_path, agents=[Agent("shop.placer", planner=Placer(), tools=[placed])]) as runtime:
        with pytest.raises(LichenError) as caught:
            await runtime.runs.start(SCOPE, "shop.placer", "go", OPS, attributes={"language": "de"})
        assert caught.value.code == "attributes_missing"
        assert "not given: region, tier." in str(caught.value)
        with pytest.raises(LichenError, match=r"not given: tier\."):
            await runtime.sessions.open(SCOPE, ADA, attributes={"region": "eu"})
        assert runtime.runs.list(SCOPE, SYSTEM) == ()
        given = {"region": "eu", "tier": "gold"}
        assert await ended(runtime, "shop.placer", "go", attributes=given) == '"eu gold None True"'
