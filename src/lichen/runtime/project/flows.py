"""Flows as agents: each hosted under a name, with the tools, agents and flows that its nodes are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Final

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import Tool
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import AgentName
from lichen.core.words.limits import Limits
from lichen.flows.ir import Flow
from lichen.flows.syntax.naming import (
    agent_names,
    components_of,
    folder_of,
    hosted_name,
    is_agent_name,
    joined,
    pack_of,
    tool_names,
)
from lichen.flows.walk.compiled import Need, invalid, needs
from lichen.flows.walk.planner import FlowPlanner
from lichen.runtime.given.state import STATE_TOOLS
from lichen.runtime.given.telling import tell
from lichen.runtime.given.withdrawal import withdraw

MONTH_S: Final = 30 * 86_400.0
FLOW_LIMITS: Final = Limits(calls=256, time_s=MONTH_S, failures=256)
"""Bounds of a flow's run. Its time stands still while it or a child run waits for a person; calls and children have
limits of their own."""


class Hosting(msgspec.Struct, frozen=True):
    """A flow, and what its project says of it: a name, the pack it lies in, and what operations and agents are called
    here that its nodes write in another way. `@node` instead of an operation is that node alone. `lies_in` is the pack
    as it calls itself, which rules of access name; `calls` are the tools that its pack brings, by the words that a node
    may name each by."""

    flow: Flow
    name: str = ""
    pack: str = ""
    lies_in: str = ""
    tools: Mapping[str, str] = {}
    agents: Mapping[str, str] = {}
    calls: Mapping[str, str] = {}

    @property
    def path(self) -> tuple[str, str]:
        """What rules of access call it: its pack and its id, as they are written."""
        return self.lies_in or folder_of(self.flow.path), self.flow.id


def flow_agents(
    flows: Sequence[Flow | Hosting], agents: Sequence[Agent] = (), *, tools: Sequence[Tool] = (), only: str = ""
) -> tuple[Agent, ...]:
    """An agent for every flow, named as the project says, else by its id, else by its pack and id.

    Tools are found among `tools` and those of `agents`, agents among `agents`, flows among `flows`, in the same pack
    first. With `only` that flow alone becomes one. Raises Invalid at `file:line:column` (`flow_invalid`, `flow_empty`,
    `flow_twice`, `flow_unknown`, `flow_ambiguous`, `flow_mapping`, `agent_unknown`, `tool_unknown`).
    """
    given = [one if isinstance(one, Hosting) else Hosting(one, pack=pack_of(one.path)) for one in flows]
    known = _named([one for one in given if one.flow.kind != "component-config"])
    house = _House(known, agents, {tool.spec.name: tool for tool in tools})
    return tuple(house.agent(name) for name in known if only in ("", name))


class Part(msgspec.Struct, frozen=True):
    """A flow under the name it has here, and what each node is about under the names they have here."""

    name: str
    hosting: Hosting
    flow: Flow  # the name is its id
    needs: tuple[Need, ...]
    targets: Mapping[str, str]


class _House:
    """Everything that nodes may be about."""

    def __init__(self, known: Mapping[str, Hosting], agents: Sequence[Agent], tools: Mapping[str, Tool]) -> None:
        self._known = known
        self._agents = {agent.name: agent for agent in agents}
        self._own = {tool.spec.name: tool for agent in agents for tool in agent.tools.values()}
        self._tools = {**{tool.spec.name: tool for tool in (*STATE_TOOLS, withdraw, tell)}, **self._own, **tools}
        self._parts: dict[str, Part] = {}

    def parts(self, name: str) -> tuple[Part, ...]:
        """The flow of this name and those it may come to."""
        found: dict[str, Part] = {}
        waiting = [name]
        while waiting:
            part = self._part(waiting.pop())
            if part.name not in found:
                found[part.name] = part
                waiting += [part.targets[need.node.id] for need in part.needs if self._leads(part, need)]
        return tuple(found.values())

    def agent(self, name: str) -> Agent:
        """The flow of this name as an agent."""
        parts = self.parts(name)
        flow, description = parts[0].flow, parts[0].flow.metadata.description or parts[0].flow.metadata.title
        asked = {part.targets[need.node.id] for part in parts for need in part.needs if need.kind == "agent"}
        as_tools: dict[str, Tool] = {agent: self._as_tool(agent) for agent in asked if agent in self._agents}
        planner = FlowPlanner(
            flow,
            flows=[part.flow for part in parts],
            agents={agent: tool.spec.name for agent, tool in as_tools.items()},
            targets={part.name: part.targets for part in parts},
            paths={part.name: part.hosting.path for part in parts},
        )
        tools: dict[str, Tool] = {tool.spec.name: tool for tool in as_tools.values()}
        for part in parts:
            for need in part.needs:
                if need.kind == "tool":
                    tools[part.targets[need.node.id]] = self._tools[part.targets[need.node.id]]
        made = Agent(name, planner=planner, tools=tools.values(), limits=FLOW_LIMITS, description=description)
        return made.lying_in(*parts[0].hosting.path)

    def _leads(self, part: Part, need: Need) -> bool:
        return need.kind == "flow" and part.targets[need.node.id] in self._known

    def _part(self, name: str) -> Part:
        if name not in self._parts:
            self._parts[name] = self._made(name, self._known[name])
        return self._parts[name]

    def _made(self, name: str, one: Hosting) -> Part:
        flow = one.flow
        if not flow.nodes:
            step = "Write a node under `nodes`, or leave the file out of `flows`."
            raise Invalid("The flow has no nodes to walk.", code="flow_empty", next_step=step, place=flow.path)
        wanted = needs(flow)
        components = components_of(flow.path)
        targets = {need.node.id: self._target(one, need, components) for need in wanted}
        _check_mapping(one, wanted)
        return Part(name, one, msgspec.structs.replace(flow, id=name), wanted, targets)

    def _target(self, one: Hosting, need: Need, components: Mapping[str, str]) -> str:
        match need.kind:
            case "tool":
                return self._tool(one, need, components)
            case "agent":
                named = one.agents.get(need.name)
                found = (named,) if named else agent_names(need.name, one.pack)
                return next((name for name in found if name in self._agents), named or need.name)
            case _:
                return self._flow(one, need)

    def _tool(self, one: Hosting, need: Need, components: Mapping[str, str]) -> str:
        mapped = one.tools.get(f"@{need.node.id}") or one.tools.get(need.name)
        component = components.get(need.node.id, "")
        names = (mapped,) if mapped else (*_own(one, need.name, component), *tool_names(need.name, one.pack, component))
        found = next((name for name in names if name in self._tools), None)
        if found is not None:
            return found
        wanted = f"There is no tool {' or '.join(map(repr, names)) or repr(need.name)}."
        step = f"Name one of: {', '.join(sorted(self._tools))}; or add it to `tools` in lichen.toml"
        step += f', or map it there: {{ file = "...", tools = {{ "{need.name}" = "..." }} }}.'
        raise invalid(one.flow, need.node, wanted, code="tool_unknown", next_step=step)

    def _flow(self, one: Hosting, need: Need) -> str:
        """The flow of this id in the same pack, else the only one there is. One that is missing is left to the planner,
        which says where it is named."""
        fits = [name for name, other in self._known.items() if need.name in (other.flow.id, name)]
        near = [name for name in fits if _folder(self._known[name].flow) == _folder(one.flow)]
        found = near or fits
        if len(found) > 1:
            step = f"Name one of: {', '.join(sorted(found))}."
            message = f"Several flows are called {need.name!r}."
            raise invalid(one.flow, need.node, message, code="flow_ambiguous", next_step=step)
        return found[0] if found else need.name

    def _as_tool(self, name: str) -> Tool:
        """The tool that is this agent: one that the project has already, else a new one."""
        there = next((tool for tool in self._own.values() if tool.spec.agent == name), None)
        return there or self._agents[AgentName(name)].as_tool(template="{message}")


def _named(given: Sequence[Hosting]) -> dict[str, Hosting]:
    """The flows by the names they have here. Raises Invalid (`flow_twice`, `flow_id`)."""
    ids = [one.flow.id for one in given if not one.name]
    found: dict[str, Hosting] = {}
    for one in given:
        name = one.name or hosted_name(one.flow, one.pack, is_shared=ids.count(one.flow.id) > 1)
        if not is_agent_name(name):
            step = "Write lower-case words joined by dots: shop.welcome."
            raise Invalid(f"{name!r} is no name for a flow.", code="flow_id", next_step=step, place=one.flow.path)
        if name in found:
            other = found[name].flow.path
            message = f"Two flows are called {name!r}: this one and the one of {other}."
            step = f'Give one a name: {{ file = "{one.flow.path}", name = "..." }}.'
            raise Invalid(message, code="flow_twice", next_step=step, place=one.flow.path)
        found[name] = one
    return found


def _own(one: Hosting, written: str, component: str) -> Iterator[str]:
    """The tools of the flow's own pack that an operation means: its component's first."""
    words = joined(written)
    ways = (f"{joined(component)}.{words.rpartition('.')[2]}", words) if component else (words,)
    yield from (one.calls[way] for way in ways if way in one.calls)


def _folder(flow: Flow) -> PurePath:
    folder = PurePath(flow.path).parent
    return folder.parent if folder.name == "flows" else folder


def _check_mapping(one: Hosting, wanted: Iterable[Need]) -> None:
    """Raises Invalid (`flow_mapping`) for an operation or agent that the project maps and no node names."""
    named = {need.name for need in wanted} | {f"@{id}" for id in one.flow.nodes}
    for key in (*one.tools, *one.agents):
        if key not in named:
            raise Invalid(
                f"The project maps {key!r}, and no node of the flow is about that.",
                code="flow_mapping",
                next_step=f"Write one of: {', '.join(sorted(need.name for need in wanted)) or 'nothing'}.",
                place=one.flow.path,
            )
