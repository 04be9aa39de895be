"""A flow by itself, without a project: what its nodes are about stands in for the real thing and says what a case says.

Every flow in its folder is there; tools do nothing and have no contract, agents answer what stubs of their name give,
and whoever has to approve something is `ops`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import Arguments, CallMeta, CannotTell, NotDone, Probe, Resources, ToolSpec
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.ids import ToolName
from lichen.evals.document import Case, Stub
from lichen.evals.stubs import Ask, fits, given
from lichen.flows.ir import Flow
from lichen.flows.read.load import load
from lichen.flows.syntax.naming import agent_names, components_of, pack_of, tool_names
from lichen.flows.text.reach import fields_of
from lichen.flows.walk.compiled import Need, needs
from lichen.runtime.given.state import STATE_TOOLS
from lichen.runtime.project.flows import Hosting, flow_agents
from lichen.runtime.project.project import Project
from lichen.settings.file import DeclaredActor, Settings, Tenant, WebChat
from lichen.tools.arguments.described import canonical, read
from lichen.tools.spec import pinned

TENANT: Final = "test"
OPERATOR: Final = "ops"
_OURS: Final = frozenset(tool.spec.name for tool in STATE_TOOLS)
_ANYTHING: Final = {"type": "object"}


class StandIn:
    """A tool that there is only by name: it takes any object, and a stub says what it gives."""

    def __init__(self, name: str, asks: Ask | None = None) -> None:
        self.asks = asks
        self.spec = pinned(
            ToolSpec(
                name=ToolName(name),
                description="Stands in for a tool.",
                effects="none",
                input_schema=_ANYTHING,
                output_schema={},
            )
        )

    def bound(self, resources: Resources) -> StandIn:
        """Itself."""
        return self

    def decode(self, args: bytes) -> Arguments:
        """Any object. Raises InvalidArguments."""
        return canonical(read(args, _ANYTHING))

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """None, as a JSON object."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """What is said to whoever is asked. Raises NotDone: its error, or `stub_missing` where nobody is asked."""
        if self.asks is not None:
            return given(self.asks(self.spec.name, msgspec.json.decode(args.data)))
        message = f"The case has no stub for {self.spec.name} with these arguments."
        raise NotDone(message, code="stub_missing", retryable=False)

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """Nobody can tell."""
        return CannotTell()


class Canned:
    """The planner of an agent that stands in: it answers what the stubs of its name give for what it is asked."""

    pure: bool = True

    def __init__(self, name: str, stubs: Sequence[Stub], asks: Ask | None = None) -> None:
        self.digest = f"canned/{name}"
        self._name, self._stubs, self._asks = name, tuple(stubs), asks

    async def plan(self, input: PlanInput) -> Plan:
        """The answer, or `stub_missing`."""
        asked = {"message": "\n".join(message.text for message in input.input)}
        stub = next((stub for stub in self._stubs if fits(stub.args, asked)), None)
        if stub is None and self._asks is not None:
            stub = self._asks(self._name, asked)
        if stub is None or stub.error:
            return Plan(failure="stub_missing" if stub is None else stub.error)
        return Plan(answer=stub.result if isinstance(stub.result, str) else msgspec.json.encode(stub.result).decode())


def alone(path: Path, case: Case, *, asks: Ask | None = None) -> tuple[Project, Case]:
    """The project that a flow is by itself, for one case, with the case as it is held there. `asks` says what tools
    and agents give that no stub is about.

    Raises FlowInvalid and Invalid for a flow that cannot be walked.
    """
    house = _House(path)
    agents = {
        name: Agent(name, planner=Canned(name, _of(case.stubs, name, written), asks)) for name, written in house.agents
    }
    flows = flow_agents(house.hosted, tuple(agents.values()), tools=[StandIn(name, asks) for name, _ in house.tools])
    target = next(agent.name for agent in flows if _is_of(agent, path))
    operator = DeclaredActor(OPERATOR, "operator", ("operator", *house.roles))
    tenant = Tenant(agent=target, actors=(operator,), webchat=WebChat(), development=("dev",))
    project = Project(
        Settings(path.parent, path.parent / ".lichen", {TENANT: tenant}),
        (*flows, *agents.values()),
        flows=tuple(agent.name for agent in flows),
    )
    called = {written: name for name, written in house.tools}
    own = (stub for stub in case.stubs if not any(stub.tool in each for each in house.agents))
    stubs = tuple(msgspec.structs.replace(stub, tool=called.get(stub.tool, stub.tool)) for stub in own)
    return project, msgspec.structs.replace(case, stubs=stubs, agent=case.agent or target)


def _is_of(agent: Agent, path: Path) -> bool:
    flow = getattr(agent.planner, "flow", None)
    return isinstance(flow, Flow) and flow.path == str(path)


def _of(stubs: Iterable[Stub], *names: str) -> list[Stub]:
    return [stub for stub in stubs if stub.tool in names]


class _House:
    """The flows of a folder, and what their nodes are about: by the names that it has here, and as it is written."""

    def __init__(self, path: Path) -> None:
        flows = [load(each) for each in sorted(path.parent.glob("*.ygtc"))]
        self.hosted = [Hosting(flow, pack=pack_of(flow.path)) for flow in flows if flow.kind != "component-config"]
        wanted = [(one, need) for one in self.hosted for need in needs(one.flow)]
        of_tools = [(_tool(one, need), need.name) for one, need in wanted if need.kind == "tool"]
        self.tools = tuple({name: (name, written) for name, written in of_tools if name not in _OURS}.values())
        of_agents = [(agent_names(need.name, one.pack)[:1], need.name) for one, need in wanted if need.kind == "agent"]
        self.agents = tuple({names[0]: (names[0], written) for names, written in of_agents if names}.values())
        self.roles = tuple(sorted({role for one in self.hosted for role in _roles(one.flow)}))


def _tool(one: Hosting, need: Need) -> str:
    names = tool_names(need.name, one.pack, components_of(one.flow.path).get(need.node.id, ""))
    return next((name for name in names if name in _OURS), names[0] if names else need.name)


def _roles(flow: Flow) -> Iterable[str]:
    for node in flow.nodes.values():
        role = fields_of(node.input).get("role")
        if isinstance(role, str) and "{" not in role:
            yield role
