"""One life of an agent that is written elsewhere: it asks a model, reads, pays once after an approval, and answers; or
dies at the named point. `python -m tests.crash.own --help`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lichen import Agent, CallMeta, ModelCall, ModelReply, ModelRequest, tool
from lichen.agents import Chat, agent_function
from lichen.agents.own.adopted import current_call
from lichen.agents.own.terms import Terms
from lichen.core.ports.model import Deltas
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope
from lichen.runtime import Runtime
from tests.crash.life import install
from tests.crash.world import outside

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
KINDS = ("function", "pydantic_ai", "openai_agents", "langgraph")
REQUESTS = 3  # to the model, in a life that does not die
DEADLINE_S = 40.0
POLICY = """
@id("any") permit (principal, action, resource) unless { action == Action::"shop.pay" };
@id("ask") @approval("operator") permit (principal, action == Action::"shop.pay", resource);
"""
SCHEMA = "create table if not exists asked (at integer)"


class Scripted:
    """A model that decides by what it is told, and writes down outside that it was asked."""

    name = "scripted:crash"

    def __init__(self, home: Path) -> None:
        self._home = home

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """What comes next: look, pay, answer."""
        with outside(self._home) as world:
            world.execute(SCHEMA)
            world.execute("insert into asked values (1)")
        done = [message.text for message in request.messages if message.role == "tool"]
        match len(done):
            case 0:
                return _wants("shop.look", b'{"order":"7"}')
            case 1:
                return _wants("shop.pay", b'{"order":"7"}')
            case _:
                return ModelReply(f"Paid {done[1]}.", usage=Usage(7, 3), model=self.name)


def _wants(name: str, args: bytes) -> ModelReply:
    return ModelReply("", (ModelCall(f"call-{name}", ToolName(name), args),), usage=Usage(7, 3), finish="calls")


def _pay(home: Path, key: str) -> str:
    with outside(home) as world:
        world.execute("insert into effects values ('shop.pay', ?)", (key,))
    return "r-7"


def _probe(home: Path) -> Callable[[Mapping[str, Any], CallMeta], Any]:
    async def probe(arguments: Mapping[str, Any], meta: CallMeta) -> str | None:
        with outside(home) as world:
            sought = "select count(*) from effects where key = ?"
            return "r-7" if world.execute(sought, (meta.idempotency_key,)).fetchone()[0] else None

    return probe


def agent_of(kind: str, home: Path) -> Agent:
    """The agent, written as the kind has it."""
    terms = Terms(effects={"look": "none"}, probes={"pay": _probe(home)})
    match kind:
        case "function":
            return _function(home)
        case "pydantic_ai":
            return _pydantic_ai(home, terms)
        case "openai_agents":
            return _openai_agents(home, terms)
        case _:
            return _langgraph(home, terms)


def _function(home: Path) -> Agent:
    def find(idempotency_key: str) -> str | None:
        with outside(home) as world:
            sought = "select count(*) from effects where key = ?"
            return "r-7" if world.execute(sought, (idempotency_key,)).fetchone()[0] else None

    @tool(name="shop.look", effects="none")
    async def look(order: str) -> str:
        return f"order {order}"

    @tool(name="shop.pay", effects="once", probe=find)
    async def pay(order: str, *, meta: CallMeta) -> str:
        return _pay(home, meta.idempotency_key)

    @agent_function("crash.own", tools=[look, pay], model=Scripted(home))
    async def own(chat: Chat) -> str:
        from lichen.core.ports.model import ModelMessage

        said = [ModelMessage("user", chat.text)]
        while True:
            reply = await chat.model(said, tools=[look, pay])
            said.append(ModelMessage("assistant", reply.text, reply.calls))
            for call in reply.calls:
                result = await chat.call(call.tool, order="7")
                said.append(ModelMessage("tool", str(result), result_of=call.id))
            if not reply.calls:
                return reply.text

    return own


def _pydantic_ai(home: Path, terms: Terms) -> Agent:
    import pydantic_ai

    from lichen.agents.own.pydantic_ai import adopt

    agent = pydantic_ai.Agent()

    @agent.tool_plain
    async def look(order: str) -> str:
        return f"order {order}"

    @agent.tool_plain
    def pay(order: str) -> str:
        return _pay(home, key_of_call())

    assert look
    assert pay
    return adopt("crash.own", agent, terms=terms, model=Scripted(home), toolset="shop")


def _openai_agents(home: Path, terms: Terms) -> Agent:
    import agents
    from agents import function_tool

    from lichen.agents.own.openai_agents import adopt

    @function_tool
    async def look(order: str) -> str:
        return f"order {order}"

    @function_tool
    def pay(order: str) -> str:
        return _pay(home, key_of_call())

    agent = agents.Agent("payer", tools=[look, pay])
    return adopt("crash.own", agent, terms=terms, model=Scripted(home), toolset="shop")


def _langgraph(home: Path, terms: Terms) -> Agent:
    from tests.crash.graph import graph_of

    return graph_of(terms, Scripted(home), lambda: _pay(home, key_of_call()))


def key_of_call() -> str:
    """The key of the call that a tool is making."""
    call = current_call()
    assert call is not None, "only the run makes calls"
    return call.idempotency_key


class Wrong(AssertionError):
    """Something a death did that no death may do."""


async def play(runtime: Runtime) -> str:
    """The conversation, each step under a key, so that a later life goes on where the last one died."""
    session = await runtime.sessions.open(SCOPE, Customer("customer-7"), agent="crash.own", key="own")
    turn = await session.say("Pay order 7.", key="say-own")
    run = await turn.run()
    while not runtime.engine.journal(SCOPE).run(run).outcome:
        for wait in runtime.waits.list(SCOPE, SYSTEM):
            if wait.kind == "approval":
                await runtime.waits.approve(SCOPE, wait.id, OPS)
            else:
                raise Wrong(f"{wait.kind}: a probe tells, so nobody has to be asked")
        await asyncio.sleep(0.002)
    return await runtime.runs.result(SCOPE, run, SYSTEM)


def asked_of_model(home: Path) -> int:
    """How often the model was asked, in all lives."""
    with outside(home) as world:
        world.execute(SCHEMA)
        return world.execute("select count(*) from asked").fetchone()[0]


async def judge(runtime: Runtime, home: Path, answer: str, *, lost: int) -> None:
    """Raises Wrong naming what is not as it must be."""
    if answer != "Paid r-7.":
        raise Wrong(f"answered {answer!r}")
    with outside(home) as world:
        paid = world.execute("select count(*) from effects").fetchone()[0]
    if paid != 1:
        raise Wrong(f"paid {paid} times")
    asked = asked_of_model(home)
    if asked != REQUESTS + lost:
        raise Wrong(f"the model was asked {asked} times, and {lost} replies were lost")
    report = await runtime.proofs.verify(SCOPE, SYSTEM)
    if not report.ok:
        raise Wrong(f"the log does not verify: {report}")


async def live(home: Path, kind: str, *, point: str, nth: int, lost: int) -> Counter[str]:
    """One life from opening the data to closing it."""
    seen: Counter[str] = Counter()
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "own.cedar").write_text(POLICY)
    install(point, nth, seen)
    runtime = Runtime.open(home, agents=[agent_of(kind, home)], policies=policies)
    async with runtime, asyncio.timeout(DEADLINE_S):
        answer = await play(runtime)
        await runtime.idle()
        await judge(runtime, home, answer, lost=lost)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--lost", type=int, default=0, help="replies of the model that a death took with it")
    parser.add_argument("--seen", type=Path, help="write the points that were passed, one a line")
    args = parser.parse_args()
    seen = asyncio.run(live(args.home, args.kind, point=args.point, nth=args.nth, lost=args.lost))
    if args.seen:
        args.seen.write_text("".join(f"{name}\n" for name in sorted(seen)))
    sys.exit(0)


if __name__ == "__main__":
    main()
