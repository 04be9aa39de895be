"""`retry` and `timeout` of nodes that ask agents and call flows, through a real engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lichen import Agent, Runtime
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.runtime import Session
from lichen.runtime.project.flows import flow_agents
from tests.runtime.test_flow_calls import DONE, KEYS, POLICY, TOOLS, meet, path, slow, written

AGENT_ASKED = """
a: {dw.agent: {agent: WHO, message: go}, TERMS, routing: [{status: on_timeout, to: late}, {status: on_error, to: bad},
    {to: fine}]}
late: {text: too late}
bad: {text: "gave up: {{node.a.error.code}}"}
fine: {text: "{{node.a.text}}"}
"""
FLOW_CALLED = AGENT_ASKED.replace("dw.agent: {agent: WHO, message: go}", "flow.call: {flow_id: WHO}")


class Slow:
    """Calls what never ends."""

    pure = True
    digest = "slow"

    async def plan(self, input: PlanInput) -> Plan:
        if input.results:
            return Plan(answer=input.results[0].outcome)
        return Plan(calls=(CallRequest(slow.spec.name, b'{"word":"x"}'),))


class Unsteady:
    """Fails twice, then answers."""

    pure = False
    digest = "unsteady"

    async def plan(self, input: PlanInput) -> Plan:
        DONE["asked"] += 1
        return Plan(failure="down") if DONE["asked"] < 3 else Plan(answer="here I am")


AGENTS = [
    Agent("shop.slow", planner=Slow(), tools=TOOLS),
    Agent("shop.unsteady", planner=Unsteady(), tools=TOOLS),
]
PARTS = {
    "part.slow": "a: {try.slow: {word: x}}",
    "part.nested": "a: {flow.call: {flow_id: part.slow}, routing: [{status: on_error, to: b}]}\nb: {text: caught}",
    "part.asks": "a: {session.wait: {prompt: Well?}, routing: [{to: b}]}\nb: {text: heard}",
    "part.flaky": "a: {try.flaky: {word: x}}",
    "part.pays": "a: {try.first: {word: x}, routing: [{to: b}]}\nb: {try.flaky: {word: x}}",
    "part.says": "a: {emit.response: {text: hear me}, routing: [{to: b}]}\nb: {try.flaky: {word: x}}",
}


class Terms:
    """A runtime for one flow whose first node is on these terms."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "policies").mkdir(parents=True)
        (home / "policies" / "all.cedar").write_text(POLICY)

    def open(self, nodes: str, who: str, terms: str) -> Runtime:
        text = nodes.replace("WHO", who).replace("TERMS", terms)
        parts = [written(part, id=id) for id, part in PARTS.items()]
        flows = flow_agents([written(text), *parts], AGENTS)
        return Runtime.open(self.home, agents=[*AGENTS, *flows], policies=self.home / "policies")


@pytest.fixture
def terms(tmp_path: Path) -> Terms:
    DONE.clear()
    KEYS.clear()
    return Terms(tmp_path)


async def told(runtime: Runtime) -> str:
    async with asyncio.timeout(20):
        return (await (await (await meet(runtime)).say("go")).result()).text


async def until_said(session: Session, text: str) -> list[str]:
    """All that is said, once this is."""
    async with asyncio.timeout(20):
        while text not in (said := [message.text for message in await session.pending()]):
            await session.changed()
    return said


@pytest.mark.req("GRE-18.3")
@pytest.mark.parametrize(
    ("nodes", "who"),
    [(AGENT_ASKED, "shop.slow"), (FLOW_CALLED, "part.slow"), (FLOW_CALLED, "part.nested"), (FLOW_CALLED, "part.asks")],
    ids=["agent", "flow", "flow-in-flow", "flow-that-waits"],
)
async def test_an_agent_or_flow_over_the_time_of_its_node_takes_the_route_of_a_timeout(
    terms: Terms, nodes: str, who: str
) -> None:
    async with terms.open(nodes, who, "timeout: 0.3") as runtime:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        session = await meet(runtime)
        await session.say("go")
        said = await until_said(session, "too late")
        assert said == (["Well?", "too late"] if who == "part.asks" else ["too late"])
        assert 0.3 <= loop.time() - began_s < 5.0, "what is called would take 30 seconds by itself"
        assert DONE["cut off"] == DONE["slow"]


@pytest.mark.req("GRE-18.3")
async def test_a_flow_within_the_time_of_its_node_is_not_disturbed(terms: Terms) -> None:
    async with terms.open(FLOW_CALLED, "part.asks", "timeout: 10") as runtime:
        session = await meet(runtime)
        assert (await (await session.say("go")).result()).text == "Well?"
        assert (await (await session.say("hm")).result()).text == "heard"


@pytest.mark.req("GRE-17.6")
async def test_an_agent_that_fails_is_tried_as_often_as_its_node_says(terms: Terms) -> None:
    async with terms.open(AGENT_ASKED, "shop.unsteady", "retry: {attempts: 3, backoff_ms: 1}") as runtime:
        assert await told(runtime) == "here I am"
        assert DONE["asked"] == 3


@pytest.mark.req("GRE-17.6")
async def test_an_agent_is_tried_no_more_than_its_node_says(terms: Terms) -> None:
    async with terms.open(AGENT_ASKED, "shop.unsteady", "retry: {attempts: 2, backoff_ms: 1}") as runtime:
        assert (await told(runtime)).startswith("gave up")
        assert DONE["asked"] == 2


@pytest.mark.req("GRE-17.7")
async def test_a_flow_that_fails_is_called_again_as_its_node_says(terms: Terms) -> None:
    async with terms.open(FLOW_CALLED, "part.flaky", "retry: {attempts: 3, backoff_ms: 1}") as runtime:
        session = await meet(runtime)
        reply = await (await session.say("go")).result()
        assert reply.text == "at last"
        assert DONE["flaky"] == 3
        assert len(KEYS) == 3, "each attempt at the flow makes calls of its own"
        steps = path(runtime, reply.run)
        assert steps[:4] == [
            "a calls",
            "a calls",
            "a error:exception_ConnectionError",
            "a error:exception_ConnectionError",
        ]
        assert steps.count("a waits") == 2


@pytest.mark.req("GRE-17.7")
@pytest.mark.parametrize(
    ("terms_of_node", "tries"),
    [
        ("retry: {attempts: 2, backoff_ms: 1}", 2),
        ("retry: {attempts: 3, backoff_ms: 1, on: [other]}", 1),
    ],
)
async def test_a_flow_is_called_again_no_more_than_its_node_says(terms: Terms, terms_of_node: str, tries: int) -> None:
    async with terms.open(FLOW_CALLED, "part.flaky", terms_of_node) as runtime:
        assert (await told(runtime)).startswith("gave up")
        assert DONE["flaky"] == tries


@pytest.mark.req("GRE-17.8")
@pytest.mark.parametrize("who", ["part.pays", "part.says"])
async def test_a_flow_in_which_something_happened_once_is_not_called_again(terms: Terms, who: str) -> None:
    async with terms.open(FLOW_CALLED, who, "retry: {attempts: 3, backoff_ms: 1}") as runtime:
        assert (await told(runtime)).startswith("gave up")
        assert (DONE["flaky"], DONE["first"]) == (1, int(who == "part.pays"))


@pytest.mark.req("GRE-17.8")
async def test_a_retry_of_a_flow_survives_a_restart(terms: Terms) -> None:
    retry = "retry: {attempts: 3, backoff_s: 0.2}"
    async with terms.open(FLOW_CALLED, "part.flaky", retry) as runtime:
        session = await meet(runtime)
        await session.say("go")
        async with asyncio.timeout(20):
            while not DONE["flaky"]:
                await session.changed()
    async with terms.open(FLOW_CALLED, "part.flaky", retry) as runtime:
        session = await meet(runtime)
        assert await until_said(session, "at last") == ["at last"]
        assert DONE["flaky"] == 3
