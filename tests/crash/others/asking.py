"""A call that asks a model twice while it is made: every request is billed once, or estimated where nobody heard again.

The model is one over a network, which counts what it is asked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lichen import Agent, CallMeta, tool
from lichen.core.deciders import events as e
from lichen.core.ports.model import Connections, Deltas, Model, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import CallRequest, Plan, PlanInput
from lichen.core.words.ids import RunId, ToolName, run_stream
from lichen.core.words.limits import NO_USAGE, Usage
from lichen.core.words.scope import SYSTEM, Customer, Scope
from lichen.log.projections.costs import Spent, session_key
from lichen.runtime import Runtime, Session
from tests.crash.bills import Wrong
from tests.crash.world import outside

SCOPE: Final = Scope("acme", "dev")
USED: Final = Usage(20, 7)  # of each reply
TIMES: Final = 2
MODEL: Final = "far:model"


class Far:
    """The model of a provider, whose count stands in the world outside."""

    name = MODEL

    def __init__(self, home: Path) -> None:
        self._home = home

    def over(self, connections: Connections, scope: Scope) -> Model:
        return self

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        with outside(self._home) as world:
            world.execute("insert into effects values ('model', ?)", (request.messages[-1].text,))
        return ModelReply("a word", usage=USED, model=self.name)


class Script:
    """Has the files sorted, and says how that went."""

    pure = True
    digest = "asking-1"

    async def plan(self, input: PlanInput) -> Plan:
        if input.reason == "start":
            return Plan(calls=(CallRequest(ToolName("files.sort"), b"{}"),))
        return Plan(answer=" ".join(result.outcome for result in input.results))


def agents(home: Path) -> list[Agent]:
    """The one whose tool asks."""
    far = Far(home)

    @tool(name="files.sort", effects="none", runs="loop")
    async def sort(*, meta: CallMeta) -> str:
        """Sorts files, as a model says."""
        assert meta.beside is not None
        for n in range(TIMES):
            await meta.beside.ask(far, ModelRequest("Be kind.", (ModelMessage("user", f"file {n}"),), max_tokens=50))
        return "sorted"

    return [Agent("shop.sorter", planner=Script(), tools=[sort])]


async def live(home: Path) -> None:
    """One life: the story, and the judge."""
    policies = home / "policies"
    policies.mkdir(parents=True, exist_ok=True)
    (policies / "open.cedar").write_text('@id("open") permit (principal, action, resource);\n')
    async with Runtime.open(home, agents=agents(home), policies=policies) as runtime:
        session = await runtime.sessions.open(SCOPE, Customer("bea"), agent="shop.sorter", key="sort")
        turn = await session.say("Sort them.", key="say")
        if (await turn.result()).text != "ok":
            raise Wrong("the files are not sorted")
        await runtime.idle()
        await judge(runtime, home, session)


async def judge(runtime: Runtime, home: Path, session: Session) -> None:
    """Raises Wrong where a request is not billed, is billed twice, or stays under way."""
    log = runtime.log(SCOPE)
    (row,) = log.stream_rows("run", limit=10)
    asks = [each.control for each in log.events(run_stream(RunId(row.id))) if isinstance(each.control, e.CallAsked)]
    begun = [(each.call, each.number) for each in asks if each.asked is None]
    ended = {(each.call, each.number): each.asked for each in asks if each.asked is not None}
    if len(set(begun)) != len(begun) or sorted(begun) != sorted(ended) or 2 * len(begun) != len(asks):
        raise Wrong(f"asked {begun}, and told of {sorted(ended)}")
    with outside(home) as world:
        seen = world.execute("select count(*) from effects where tool = 'model'").fetchone()[0]
    answered = [each for each in ended.values() if each.outcome == "ok"]
    if not max(TIMES, len(answered)) <= seen <= len(ended):
        raise Wrong(f"the model saw {seen} requests, {len(answered)} are billed, {len(ended)} known")
    if any(each.usage.tokens != USED.tokens for each in answered):
        raise Wrong(f"not billed as it said: {answered}")
    if any(not each.is_estimate or each.usage.tokens < USED.tokens for each in ended.values() if each not in answered):
        raise Wrong(f"an estimate is less than it could be: {ended}")
    _billed(runtime, session, [each.usage for each in ended.values()])
    report = await runtime.proofs.verify(SCOPE, SYSTEM)
    if not report.ok:
        raise Wrong(f"the log does not verify: {report}")


def _billed(runtime: Runtime, session: Session, usages: list[Usage]) -> None:
    """What the session has spent is what its requests took, and nothing stays reserved."""
    used, spent = sum(usages, NO_USAGE), runtime.log(SCOPE).spent(session_key(session.id))
    if spent != Spent(used.tokens, used.cost_micro_usd):
        raise Wrong(f"the session spent {spent}, its requests {used}")
