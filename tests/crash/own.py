"""One life of an agent that is written elsewhere: it asks a model, reads, pays once after an approval, and answers; or
dies at the named point. `python -m tests.crash.own --help`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lichen import Agent, CallMeta, ModelCall, ModelReply, ModelRequest, tool
from lichen.agents import Chat, agent_function
from lichen.agents.own.adopted import current_call
from lichen.agents.own.terms import Terms
from lichen.core.deciders import events as e
from lichen.core.ports.model import Deltas
from lichen.core.words.ids import RunId, SessionId, ToolName, run_stream, session_stream
from lichen.core.words.limits import Usage
from lichen.core.words.scope import SYSTEM, Customer, Operator, Scope
from lichen.runtime import Runtime
from tests.crash.bills import Bills, Wrong, bills, check_budgets, check_estimates, check_requests
from tests.crash.life import install
from tests.crash.sabotage import SABOTAGES
from tests.crash.world import outside

SCOPE = Scope("acme", "dev")
OPS = Operator("ops", ("operator",))
KINDS = ("function", "pydantic_ai", "openai_agents", "langgraph")
STEPS = ("look", "pay", "answer")  # what the model is asked for
PAUSE_S = 0.002  # that the model takes: its requests stand in the log before their replies come
DEADLINE_S = 40.0
POLICY = """
@id("any") permit (principal, action, resource) unless { action == Action::"shop.pay" };
@id("ask") @approval("operator") permit (principal, action == Action::"shop.pay", resource);
"""
SCHEMA = "create table if not exists asked (number integer primary key, step text)"


class Scripted:
    """A model that decides by what it is told, and writes down outside that it was asked. Each reply says that it read
    as many tokens as its request has a number, so that a bill names what it is for."""

    name = "scripted:crash"

    def __init__(self, home: Path) -> None:
        self._home = home

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """What comes next: look, pay, answer."""
        done = [message.text for message in request.messages if message.role == "tool"]
        step = STEPS[len(done)]
        number = _noted(self._home, step)
        await asyncio.sleep(PAUSE_S)
        usage = Usage(number, 3)
        if step == "answer":
            return ModelReply(f"Paid {done[1]}.", usage=usage, model=self.name)
        call = ModelCall(f"call-{step}", ToolName(f"shop.{step}"), b'{"order":"7"}')
        return ModelReply("", (call,), usage=usage, finish="calls")


def _noted(home: Path, step: str) -> int:
    """The number of this request, from 1."""
    with outside(home) as world:
        world.execute(SCHEMA)
        return int(world.execute("insert into asked (step) values (?)", (step,)).lastrowid or 0)


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


async def play(runtime: Runtime) -> tuple[SessionId, str]:
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
    await runtime.log(SCOPE).durable_stream(run_stream(run))
    return session.id, await runtime.runs.result(SCOPE, run, SYSTEM)


async def judge(runtime: Runtime, home: Path, session: SessionId, answer: str, *, deaths: int, lost: int) -> None:
    """Raises Wrong naming what is not as it must be, after so many deaths, of which this many took an attempt with them
    that the log knows to have asked the model."""
    log = runtime.log(SCOPE)
    with outside(home) as world:
        world.execute(SCHEMA)
        asked = dict(world.execute("select number, step from asked").fetchall())
        paid = world.execute("select count(*), count(distinct key) from effects").fetchone()
    queued = [ev.control for ev in log.events(session_stream(session)) if isinstance(ev.control, e.MessageQueued)]
    if answer != "Paid r-7." or [each.kind for each in queued].count("answer") != 1:
        raise Wrong(f"answered {answer!r}, told {[each.kind for each in queued]}")
    if paid != (1, 1):
        raise Wrong(f"paid, under keys: {paid}")
    found = bills(log)
    check_requests(len(asked), found, deaths)
    _billed_once(asked, found)
    check_estimates(found, lost)
    check_budgets(log, session, found)
    _called_once(runtime)
    report = await runtime.proofs.verify(SCOPE, SYSTEM)
    if not report.ok:
        raise Wrong(f"the log does not verify: {report}")


def _billed_once(asked: dict[int, str], found: Bills) -> None:
    """A bill for each step, each for another request: what the log has is not asked again."""
    numbers = [each.usage.input_tokens for each in found.replies]
    steps = Counter(asked.get(number) for number in numbers)
    if len(numbers) != len(set(numbers)) or steps != Counter(STEPS):
        raise Wrong(f"billed are {numbers}, of {asked}")


def _called_once(runtime: Runtime) -> None:
    """Each tool was called once, and every call came out well."""
    log = runtime.log(SCOPE)
    runs = [run_stream(RunId(row.id)) for row in log.stream_rows("run", limit=1000)]
    controls = [event.control for run in runs for event in log.events(run)]
    calls = [call.tool for control in controls if isinstance(control, e.Planned) for call in control.calls]
    ended = [control.outcome for control in controls if isinstance(control, e.CallFinished)]
    if sorted(calls) != ["shop.look", "shop.pay"] or ended != ["ok", "ok"]:
        raise Wrong(f"called {calls}, which ended {ended}")


async def live(args: argparse.Namespace) -> Counter[str]:
    """One life from opening the data to closing it."""
    home, seen = args.home, Counter[str]()
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "own.cedar").write_text(POLICY)
    install(args.point, args.nth, seen)
    runtime = Runtime.open(home, agents=[agent_of(args.kind, home)], policies=policies)
    async with runtime, asyncio.timeout(DEADLINE_S):
        session, answer = await play(runtime)
        await runtime.idle()
        await judge(runtime, home, session, answer, deaths=args.deaths, lost=args.lost)
    return seen


def warm() -> None:
    """Imports every framework, so that no life has to."""
    for kind in KINDS:
        agent_of(kind, Path())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--deaths", type=int, default=0, help="lives before this one")
    parser.add_argument("--lost", type=int, default=0, help="attempts that these took with them")
    parser.add_argument("--sabotage", choices=SABOTAGES, help="break a promise")
    parser.add_argument("--seen", type=Path, help="write how often each point was passed, as JSON")
    args = parser.parse_args()
    if args.sabotage:
        SABOTAGES[args.sabotage]()
    seen = asyncio.run(live(args))
    if args.seen:
        args.seen.write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
