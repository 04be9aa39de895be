"""Tools under another name, or another contract: the small wrappers that agents put around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import msgspec

from lichen.core.ports.call import Arguments, CallMeta, Probe, Produced, Resources, Tool, ToolSpec
from lichen.core.words.ids import ToolName
from lichen.tools.spec import checked_name, pinned


@runtime_checkable
class Renaming(Protocol):
    """A tool that knows how to take another name itself."""

    def renamed(self, name: ToolName) -> Tool:
        """The same tool under `name`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Renamed:
    """A tool under another name; in everything else it is the tool it wraps."""

    tool: Tool
    spec: ToolSpec

    def decode(self, args: bytes) -> Arguments:
        """As the tool does."""
        return self.tool.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """As the tool does."""
        return await self.tool.facts(args, meta)

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes | Produced:
        """As the tool does."""
        return await self.tool.execute(args, meta)

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """As the tool does."""
        return await self.tool.probe(args, meta)

    def bound(self, resources: Resources) -> Renamed:
        """The tool as it works in a runtime, under this name."""
        return Renamed(self.tool.bound(resources), self.spec)


def renamed(tool: Tool, name: str) -> Tool:
    """`tool` under `name`. Raises Invalid (`tool_invalid`) when that is no tool name."""
    checked = checked_name(name)
    if isinstance(tool, Renaming):
        return tool.renamed(checked)
    inner = tool.tool if isinstance(tool, Renamed) else tool
    return Renamed(inner, pinned(msgspec.structs.replace(tool.spec, name=checked)))
