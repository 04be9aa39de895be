"""Flows as agents: each hosted under its own id, with the tools, agents and flows that its nodes are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lichen.agents.agent import Agent
from lichen.core.call import Tool
from lichen.core.errors import Invalid
from lichen.core.limits import Limits
from lichen.flows.compiled import Need, invalid, needs
from lichen.flows.ir import Flow
from lichen.flows.planner import FlowPlanner
from lichen.runtime.state import STATE_TOOLS
from lichen.runtime.withdrawal import withdraw

MONTH_S: Final = 30 * 86_400.0
FLOW_LIMITS: Final = Limits(calls=256, time_s=MONTH_S, failures=256)
"""Bounds of a flow's run. Its time passes while a child run waits for a person; calls and children have limits of
their own."""


def flow_agents(
    flows: Sequence[Flow], agents: Sequence[Agent] = (), *, tools: Sequence[Tool] = ()
) -> tuple[Agent, ...]:
    """An agent for every flow, named by its id.

    Tools are found among `tools` and those of `agents`, agents among `agents`, flows among `flows`. A flow that another
    one calls need not have an agent's name; it is a part of that one then. Raises Invalid at `file:line:column`
    (`flow_invalid`, `flow_id`, `flow_twice`, `flow_unknown`, `agent_unknown`, `tool_unknown`).
    """
    known = {flow.id: flow for flow in flows}
    if len(known) != len(flows):
        twice = next(flow for flow in flows if known[flow.id] is not flow)
        raise Invalid(
            f"Two flows have the id {twice.id!r}.", code="flow_twice", place=twice.path, next_step="Rename one."
        )
    wanted = {flow.id: needs(flow) for flow in flows if flow.kind != "component-config"}
    called = {need.name for found in wanted.values() for need in found if need.kind == "flow"}
    hosted = [known[id] for id in wanted if id not in called or _is_name(id)]
    given = _tools(agents, tools)
    return tuple(_agent(flow, known, wanted, agents, given) for flow in hosted)


def _agent(
    flow: Flow,
    known: Mapping[str, Flow],
    wanted: Mapping[str, tuple[Need, ...]],
    agents: Sequence[Agent],
    given: Mapping[str, Tool],
) -> Agent:
    parts = _parts(flow, known, wanted)
    asked = _agent_tools((need.name for part in parts for need in wanted[part.id] if need.kind == "agent"), agents)
    planner = FlowPlanner(flow, flows=parts, agents={name: tool.spec.name for name, tool in asked.items()})
    tools: dict[str, Tool] = {tool.spec.name: tool for tool in asked.values()}
    for part in parts:
        for need in wanted[part.id]:
            if need.kind == "tool":
                tools[need.name] = _tool(part, need, given)
    if not _is_name(flow.id):
        raise Invalid(
            f"The flow id {flow.id!r} is no name for what customers meet.",
            code="flow_id",
            next_step="Write lower-case words joined by dots, `id: shop.welcome`; or call it from another flow.",
            place=flow.path,
        )
    description = flow.metadata.description or flow.metadata.title
    return Agent(flow.id, planner=planner, tools=tools.values(), limits=FLOW_LIMITS, description=description)


def _parts(flow: Flow, known: Mapping[str, Flow], wanted: Mapping[str, tuple[Need, ...]]) -> list[Flow]:
    """The flow and those it may come to. One that is missing is left to the planner, which says where it is named."""
    found = {flow.id: flow}
    waiting = [flow]
    while waiting:
        for need in wanted[waiting.pop().id]:
            if need.kind == "flow" and need.name in wanted and need.name not in found:
                found[need.name] = known[need.name]
                waiting.append(known[need.name])
    return list(found.values())


def _agent_tools(names: Iterable[str], agents: Sequence[Agent]) -> dict[str, Tool]:
    """The tool that is each of these agents: one that the project has already, else a new one."""
    there = {tool.spec.agent: tool for tool in _tools(agents, ()).values() if tool.spec.agent}
    by_name = {agent.name: agent for agent in agents}
    found: dict[str, Tool] = {}
    for name in names:
        agent = next((agent for known, agent in by_name.items() if known == name), None)
        if agent is not None:
            found[name] = there.get(agent.name) or agent.as_tool(template="{message}")
    return found


def _tools(agents: Sequence[Agent], tools: Sequence[Tool]) -> dict[str, Tool]:
    """Every tool by name: the state tools, those of these agents, and those given for flows."""
    given = [*STATE_TOOLS, withdraw, *(tool for agent in agents for tool in agent.tools.values()), *tools]
    return {tool.spec.name: tool for tool in given}


def _tool(flow: Flow, need: Need, given: Mapping[str, Tool]) -> Tool:
    tool = given.get(need.name)
    if tool is None:
        step = f"Name one of: {', '.join(sorted(given))}; or add it to `tools` in lichen.toml."
        raise invalid(flow, need.node, f"There is no tool {need.name!r}.", code="tool_unknown", next_step=step)
    return tool


def _is_name(id: str) -> bool:
    parts = id.split(".")
    return len(parts) > 1 and len(id) <= 64 and all(part.isidentifier() and part == part.lower() for part in parts)
