"""Tools that are agents: a contract like any other, behind which the engine performs a child run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from lichen.core.ports.call import Arguments, CallMeta, CannotTell, Probe, Resources, ToolSpec
from lichen.core.words.errors import LichenError
from lichen.core.words.ids import AgentName
from lichen.tools.arguments.codec import ArgumentCodec, ResultCodec
from lichen.tools.spec import checked_name, pinned


class Task(BaseModel):
    """What an agent is asked when its tool declares nothing else."""

    message: Annotated[str, Field(min_length=1, description="What the agent should do, with everything it must know.")]


class AgentTool:
    """The contract of an agent as a tool. It executes nothing itself."""

    spec: ToolSpec

    def __init__(self, spec: ToolSpec, arguments: ArgumentCodec) -> None:
        self.spec = spec
        self._arguments = arguments

    def bound(self, resources: Resources) -> Self:
        """Itself: a child run needs nothing of the process."""
        return self

    def decode(self, args: bytes) -> Arguments:
        """Canonical input of the child run. Raises InvalidArguments."""
        return self._arguments.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: the gate decides on the child's own calls."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        """Raises LichenError (`child_run_expected`): whoever performs calls starts a child run instead."""
        message = "The tool of an agent was executed instead of a child run."
        raise LichenError(message, code="child_run_expected", next_step="Start a run of the agent in `spec.agent`.")

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: the child's own stream tells."""
        return CannotTell()


def agent_tool(
    agent: str,
    *,
    description: str,
    input_type: Any = Task,
    output_type: Any = str,
    name: str | None = None,
    timeout_s: float = 120.0,
    audit: Sequence[str] = (),
    tags: Sequence[str] = (),
    cost: int = 1,
) -> AgentTool:
    """The agent called `agent` as a tool: `input_type`, whose values are JSON objects, is what its run starts with.

    The tool is called like the agent unless `name` says otherwise. Raises Invalid (`tool_invalid`).
    """
    arguments = ArgumentCodec(input_type)
    spec = ToolSpec(
        name=checked_name(name or agent),
        description=description,
        effects="child",
        input_schema=arguments.schema,
        output_schema=ResultCodec(output_type).schema,
        timeout_s=float(timeout_s),
        audit=tuple(audit),
        tags=tuple(tags),
        cost=cost,
        agent=AgentName(agent),
    )
    return AgentTool(pinned(spec), arguments)
