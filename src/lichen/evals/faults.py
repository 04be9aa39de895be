"""Faults on purpose: what a flow does when a tool, the state, a text, a flow or the time fails it.

The points, modes and kinds are those of greentic-runner (fault/mod.rs). Only worlds in which flows are tested and
played are made to fail: nothing that serves can be.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from lichen.agents.agent import Agent
from lichen.core.ports.call import Arguments, CallMeta, NotDone, Probe, Produced, Resources, Tool, ToolSpec
from lichen.core.ports.plan import RunContext
from lichen.core.words.errors import Denied, Unavailable
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Scope
from lichen.evals.document import Fault, FaultKind, FaultPoint
from lichen.flows.nodes.steps import Failed
from lichen.flows.walk.meddling import Meddling, Point
from lichen.flows.walk.planner import FlowPlanner
from lichen.settings.file import Settings

CODES: Final[Mapping[FaultKind, str]] = {
    "Transient": "transient",
    "Permanent": "permanent",
    "Timeout": "timeout",
    "Trap": "wasm_trap",
    "BadInput": "bad_input",
}
"""The code that a node fails with."""

AGAIN: Final[tuple[FaultKind, ...]] = ("Transient", "Timeout")  # worth another try
_STATE: Final[Mapping[str, FaultPoint]] = {
    "state.get": "StateRead",
    "state.set": "StateWrite",
    "state.delete": "StateWrite",
}


class Injector:
    """The faults of one conversation: how often each came up, and which happened. The same seed gives the same ones."""

    def __init__(self, faults: Sequence[Fault], *, seed: int = 0) -> None:
        self._faults, self._seed = tuple(faults), seed
        self._counts: Counter[int] = Counter()
        self.happened: Counter[int] = Counter()
        self._decided: dict[tuple[str, int, int], Failed | None] = {}

    def fault(self, point: FaultPoint, *, flow: str = "", nodes: Iterable[str] = (), tool: str = "") -> Fault | None:
        """The fault that happens here and now. Each that fits is counted until one does."""
        named = frozenset(nodes)
        for number, fault in enumerate(self._faults):
            if fault.point != point or not _fits(fault, flow, named, tool):
                continue
            self._counts[number] += 1
            if _is_due(fault, self._counts[number], self._seed):
                self.happened[number] += 1
                return fault
        return None

    def missing(self) -> list[int]:
        """The faults that should have happened and did not, by number; one of a rate may happen or not."""
        wanted = (number for number, fault in enumerate(self._faults) if fault.rate is None)
        return [number for number in wanted if not self.happened[number]]

    def within(self, run: RunContext) -> Meddling:
        """What happens to the plan that is made now; made again, the same."""
        times = 0

        def fails(point: Point, flow: str, node: str) -> Failed | None:
            nonlocal times
            times += 1
            key = (run.run, run.step, times)
            if key not in self._decided:
                self._decided[key] = _failed(self.fault(point, flow=flow, nodes=(node,)))
            return self._decided[key]

        return fails


def _fits(fault: Fault, flow: str, nodes: frozenset[str], tool: str) -> bool:
    """Whether it is about this place. A tool is called by nodes of flows that it need not know."""
    is_there = not fault.flow or not flow or fault.flow == flow
    return is_there and (not fault.node or fault.node in nodes) and (not fault.tool or fault.tool == tool)


def _is_due(fault: Fault, count: int, seed: int) -> bool:
    if fault.nth is not None:
        return count == max(1, fault.nth)
    if fault.rate is not None:
        return (seed + count) % 100 < min(fault.rate, 100)
    return fault.mode == "Always" or count == 1


def _failed(fault: Fault | None) -> Failed | None:
    if fault is None:
        return None
    code = CODES[fault.error_kind]
    return Failed(code, fault.told, "timeout" if fault.error_kind == "Timeout" else "error")


class Faulty:
    """A tool that fails where a fault says so: before it acts, after it did, or by taking too long."""

    def __init__(self, tool: Tool, injector: Injector, *, nodes: Sequence[str], is_remote: bool) -> None:
        self._tool, self._injector, self._nodes, self._is_remote = tool, injector, tuple(nodes), is_remote

    @property
    def spec(self) -> ToolSpec:
        """The tool's own."""
        return self._tool.spec

    def bound(self, resources: Resources) -> Faulty:
        """The same, over the tool as it works in a runtime."""
        bound = self._tool.bound(resources)
        return Faulty(bound, self._injector, nodes=self._nodes, is_remote=self._is_remote)

    def decode(self, args: bytes) -> Arguments:
        """As the tool does."""
        return self._tool.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """The tool's own."""
        return await self._tool.facts(args, meta)

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes | Produced:
        """What the tool gives. Raises what it raises, TimeoutError, NotDone before it acted, Unavailable afterwards."""
        before, after = self._points()
        if self._at("Timeout") is not None:
            raise TimeoutError
        if (fault := self._at(before)) is not None:
            again = fault.error_kind in AGAIN
            raise NotDone(fault.told, code=CODES[fault.error_kind], retryable=again)
        given = await self._tool.execute(args, meta)
        if after is not None and (fault := self._at(after)) is not None:
            if fault.error_kind == "Timeout":
                raise TimeoutError
            raise Unavailable(fault.told, code=CODES[fault.error_kind])
        return given

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """The tool's own."""
        return await self._tool.probe(args, meta)

    def _points(self) -> tuple[FaultPoint, FaultPoint | None]:
        if self.spec.name in _STATE:
            return _STATE[self.spec.name], None
        if self._is_remote:
            return "BeforeToolCall", "AfterToolCall"
        return "BeforeComponentCall", "AfterComponentCall"

    def _at(self, point: FaultPoint) -> Fault | None:
        return self._injector.fault(point, nodes=self._nodes, tool=self.spec.name)


def with_faults(agents: Sequence[Agent], injector: Injector | None) -> tuple[Agent, ...]:
    """The agents with flows that fail as the injector says."""
    return tuple(agents) if injector is None else tuple(_with_faults(agent, injector) for agent in agents)


def _with_faults(agent: Agent, injector: Injector) -> Agent:
    planner = agent.planner
    if not isinstance(planner, FlowPlanner):
        return agent
    callers = planner.callers()
    tools: dict[ToolName, Tool] = {
        name: tool if tool.spec.agent is not None else _faulty(tool, injector, callers.get(name, {}))
        for name, tool in agent.tools.items()
    }
    made = copy.copy(agent)
    object.__setattr__(made, "tools", MappingProxyType(tools))
    object.__setattr__(made, "planner", planner.meddled(injector))
    return made


def _faulty(tool: Tool, injector: Injector, callers: Mapping[str, bool]) -> Tool:
    return Faulty(tool, injector, nodes=tuple(callers), is_remote=any(callers.values()))


def check_place(faults: Sequence[Fault], settings: Settings, scope: Scope) -> None:
    """Raises Denied (`not_for_development`) where something is to fail in an environment for anything else."""
    tenant = settings.tenants.get(scope.tenant)
    if faults and (tenant is None or scope.env not in tenant.development):
        step = f"Name {scope.env!r} under `development` of tenant {scope.tenant!r}, or take another environment."
        message = "Nothing is made to fail in an environment that is not for development."
        raise Denied(message, code="not_for_development", next_step=step)
