"""The planner that walks a flow: no model, no clock, and the same plan for the same input every time."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import cast

from blake3 import blake3

from lichen.core.ports.plan import Plan, PlanInput, PlannerKind
from lichen.core.speech.wording import Greeting
from lichen.core.words.errors import Invalid
from lichen.flows.ir import Flow
from lichen.flows.nodes.call import MCP
from lichen.flows.nodes.steps import forbidden
from lichen.flows.syntax.naming import folder_of
from lichen.flows.walk.compiled import ReadyFlow, invalid, ready
from lichen.flows.walk.meddling import Meddler
from lichen.flows.walk.trail import Visited, taken
from lichen.flows.walk.walker import Walk
from lichen.flows.walk.watching import Watcher

WALKER = "walk/2"  # part of every digest; a change of meaning gets a new number


class FlowPlanner:
    """Walks `flow` from its start, node by node, until it needs something from outside.

    `flows` are those it may call or go to; each is a frame of the same run. `agents` are the names of the agents that
    its nodes ask, with the tool that is the agent. What the nodes call besides are tools of their own names, unless
    `targets` has another one: by flow and node, what the node is about. `paths` are what rules of access call the
    flows: pack and id as they are written, whatever the flows are called here.

    Raises Invalid (`flow_invalid`, `flow_unknown`, `agent_unknown`) at the node that is wrong.
    """

    kind: PlannerKind = "flow"
    pure: bool = True  # a plan depends on the input alone

    def __init__(
        self,
        flow: Flow,
        *,
        flows: Iterable[Flow] = (),
        agents: Mapping[str, str] | None = None,
        targets: Mapping[str, Mapping[str, str]] | None = None,
        paths: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.flow = flow
        self.flows = {one.id: one for one in (*flows, flow)}
        self._paths = {id: (folder_of(one.path), id) for id, one in self.flows.items()} | dict(paths or {})
        named = targets or {}
        self._ready = {id: ready(one, named.get(id)) for id, one in self.flows.items()}
        self._agents = dict(agents or {})
        for prepared in self._ready.values():
            self._check(prepared)
        self._tools = {tool: tool for tool in self.tools} | self._agents
        self.digest = self._digested()
        self._meddler: Meddler | None = None

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools that the flows call, agents among them, sorted."""
        named = {
            node.target for one in self._ready.values() for node in one.nodes.values() if node.kind.target == "tool"
        }
        return tuple(sorted(named | set(self._agents.values())))

    def welcome(self, language: str) -> Greeting:
        """`greeting` of the flow's parameters, a text or a table of texts by language, with its `suggestions`."""
        given = self.flow.parameters
        text, suggestions = _spoken(given.get("greeting"), language), _spoken(given.get("suggestions"), language)
        offered = cast("list[object]", suggestions) if isinstance(suggestions, list) else []
        return Greeting(text if isinstance(text, str) else "", tuple(each for each in offered if isinstance(each, str)))

    async def plan(self, input: PlanInput) -> Plan:
        """A call, a wait, the answer, or a failure with its code. Never raises for what somebody said or returned."""
        return self.watched(input, None)

    def watched(self, input: PlanInput, watcher: Watcher | None) -> Plan:
        """The same plan, while somebody looks on."""
        meddling = None if self._meddler is None else self._meddler.within(input.run)
        return Walk(self._ready, self.flow.id, self._tools, input, self._paths, watcher, meddling).plan()

    def meddled(self, meddler: Meddler) -> FlowPlanner:
        """The same planner, while somebody makes points of its plans fail: for tests."""
        made = copy.copy(self)
        made._meddler = meddler
        return made

    def refused(self, plans: Iterable[Iterable[str]]) -> list[tuple[str, ...]]:
        """The flows and nodes that rules of access did not let each of a run's plans come to, by their notes: each as
        `flow/node`."""
        last: dict[tuple[str, str], str] = {}
        found: list[tuple[str, ...]] = []
        for notes in plans:
            before: Visited | None = None
            refused: list[str] = []
            for visit in taken(notes):
                if visit.outcome == f"error:{forbidden().code}":
                    at = visit.flow, visit.node
                    if last.get(at) not in ("calls", "forks", "waits"):
                        refused.append("/".join(at))
                    elif before == visit._replace(outcome="calls"):  # else it is what was called that was refused
                        refused.append(f"{self._ready[visit.flow].nodes[visit.node].target}/")
                last[visit.flow, visit.node], before = visit.outcome, visit
            found.append(tuple(refused))
        return found

    def callers(self) -> Mapping[str, Mapping[str, bool]]:
        """The nodes that call each tool, and whether they call it as one of a server."""
        found: dict[str, dict[str, bool]] = {}
        for one in self._ready.values():
            for node in one.nodes.values():
                if node.kind.target == "tool":
                    found.setdefault(node.target, {})[node.node.id] = node.kind is MCP
        return found

    def _check(self, prepared: ReadyFlow) -> None:
        known: Mapping[str, Iterable[str]] = {"flow": self.flows, "agent": self._agents}
        for node in prepared.nodes.values():
            kind = node.kind.target
            if kind in known and node.target and node.target not in known[kind]:
                raise self._unknown(prepared, node.node.id, kind, node.target)

    def _unknown(self, prepared: ReadyFlow, id: str, kind: str, name: str) -> Invalid:
        node = prepared.flow.nodes[id]
        step = f"Name one that is there, or add it to `{kind}s`."
        return invalid(prepared.flow, node, f"There is no {kind} {name!r}.", code=f"{kind}_unknown", next_step=step)

    def _digested(self) -> str:
        hasher = blake3(f"{WALKER}\x00{self.flow.id}".encode())
        for id, one in sorted(self.flows.items()):
            hasher.update(f"\x00{id}\x00{one.digest}".encode())
        for id, one in sorted(self._ready.items()):
            for node in one.nodes.values():
                hasher.update(f"\x00{id}\x00{node.node.id}\x00{node.target}".encode() if node.target else b"")
        for name, tool in sorted(self._agents.items()):
            hasher.update(f"\x00{name}\x00{tool}".encode())
        return hasher.hexdigest()


def _spoken(given: object, language: str) -> object:
    """A value by language: in this one, else in the first there is."""
    if not isinstance(given, Mapping):
        return given
    table = cast("Mapping[str, object]", given)
    return table.get(language, next(iter(table.values()), None))
