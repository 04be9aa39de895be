"""Tools and models that say what an eval says they do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, cast, runtime_checkable

import msgspec

from lichen.agents.agent import Agent
from lichen.agents.models.model import ScriptedModel
from lichen.core.ports.call import Arguments, CallMeta, CannotTell, NotDone, Probe, Produced, Resources, Tool, ToolSpec
from lichen.core.ports.model import ModelCall, ModelReply
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import ToolName
from lichen.evals.document import ModelSays, Stub

Ask = Callable[[str, Any], Stub]
"""Says what a call of a tool gives, by its name and arguments."""


@runtime_checkable
class Asking(Protocol):
    """A tool that is there only by name, and may ask what it gives where no stub says so."""

    @property
    def asks(self) -> Ask | None:
        """Asks, by name and arguments."""
        ...


class Stubbed:
    """A tool whose contract is the real one's, and whose facts and results an eval gives. Nothing is done."""

    def __init__(self, tool: Tool, stubs: Sequence[Stub]) -> None:
        self._tool, self._stubs = tool, stubs

    @property
    def spec(self) -> ToolSpec:
        """The real tool's."""
        return self._tool.spec

    def bound(self, resources: Resources) -> Stubbed:
        """The same, over the tool as it works in a runtime: its facts may be asked."""
        return Stubbed(self._tool.bound(resources), self._stubs)

    def decode(self, args: bytes) -> Arguments:
        """As the real tool does."""
        return self._tool.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """What the stub says; the real tool's where it says nothing, for facts only read."""
        stub = self._of(args)
        if stub is None or stub.facts is None:
            return await self._tool.facts(args, meta)
        return msgspec.json.encode(stub.facts)

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes | Produced:
        """What the stub says. Raises NotDone (its `error`, else `stub_missing`)."""
        stub = self._of(args)
        if stub is None and isinstance(self._tool, Asking) and self._tool.asks is not None:
            return await self._tool.execute(args, meta)
        if stub is None:
            raise NotDone("The eval has no stub for these arguments.", code="stub_missing", retryable=False)
        return given(stub)

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """Nobody can tell."""
        return CannotTell()

    def _of(self, args: Arguments) -> Stub | None:
        given = msgspec.json.decode(args.data)
        return next((stub for stub in self._stubs if fits(stub.args, given)), None)


def given(stub: Stub) -> bytes:
    """What a stub says, as JSON. Raises NotDone (its `error`)."""
    if stub.error:
        raise NotDone(f"The eval says: {stub.error}.", code=stub.error, retryable=False)
    return msgspec.json.encode(stub.result)


def fits(expected: Any, given: Any) -> bool:
    """Whether `given` has all that is expected of it: an object may have more."""
    if not isinstance(expected, Mapping) or not isinstance(given, Mapping):
        return expected == given
    members, has = cast("Mapping[str, Any]", expected), cast("Mapping[str, Any]", given)
    return all(name in has and fits(value, has[name]) for name, value in members.items())


def stubbed(agents: Sequence[Agent], stubs: Sequence[Stub]) -> tuple[Agent, ...]:
    """The agents with these stubs in the place of their tools. Raises NotFound (`tool_unknown`)."""
    known = {name for agent in agents for name in agent.tools}
    for stub in stubs:
        if stub.tool not in known:
            step = f"Name one of {', '.join(sorted(known))}."
            raise NotFound(f"No agent has a tool {stub.tool!r}.", code="tool_unknown", next_step=step)
    return tuple(_with_stubs(agent, stubs) for agent in agents)


def _with_stubs(agent: Agent, stubs: Sequence[Stub]) -> Agent:
    of_tool = {name: [stub for stub in stubs if stub.tool == name] for name in agent.tools}
    if not any(of_tool.values()):
        return agent
    tools = {name: Stubbed(tool, of_tool[name]) if of_tool[name] else tool for name, tool in agent.tools.items()}
    made = copy.copy(agent)
    object.__setattr__(made, "tools", MappingProxyType(tools))
    return made


def script(replies: Sequence[ModelSays]) -> ScriptedModel:
    """A model that gives these replies in order."""
    return ScriptedModel([_reply(each) for each in replies])


def _reply(says: ModelSays) -> ModelReply:
    calls = [
        ModelCall(f"call_{number}", ToolName(call.tool), msgspec.json.encode(call.args))
        for number, call in enumerate(says.calls)
    ]
    return ModelReply(says.text, tuple(calls), model="scripted:")
