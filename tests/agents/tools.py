"""Tools that are only contracts."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.core.ports.call import Arguments, CallMeta, CannotTell, Probe, Resources, ToolSpec
from lichen.tools.spec import pinned
from tests.agents.shop import spec


class FakeTool:
    """Does what it is told to: nothing."""

    def __init__(self, spec: ToolSpec) -> None:
        self._spec = spec

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    def bound(self, resources: Resources) -> FakeTool:
        return self

    def decode(self, args: bytes) -> Arguments:
        return Arguments(args.strip())

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        return b'{"facts":1}'

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes:
        return msgspec.json.encode({"tool": self._spec.name})

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        return CannotTell()


def fake(name: str, **changes: Any) -> FakeTool:
    """A tool of this name."""
    return FakeTool(pinned(spec(name, **changes)))
