"""What a pack that is loaded brings: its components as tools, and its agents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import Tool
from lichen.runtime.packs.opening import Opened

if TYPE_CHECKING:
    from lichen.runtime.packs.components import Made, Same
    from lichen.tools.wasm.component_tool import ComponentTool


class Brought(msgspec.Struct, frozen=True):
    """A pack that is loaded: what was made of its components, None where it has none, and its agents."""

    pack: Opened
    made: Made | None = None
    agents: tuple[Agent, ...] = ()

    @property
    def place(self) -> str:
        """Where the pack lies."""
        return str(self.pack.root)

    @property
    def tools(self) -> Sequence[Tool]:
        """The operations of its components, but those that another pack brought already."""
        return () if self.made is None else self.made.tools

    @property
    def all_tools(self) -> Sequence[Tool]:
        """The operations of its components, whichever pack brought them first."""
        return () if self.made is None else self.made.every


def with_components(pack: Opened, home: Path, before: Iterable[Brought], old: Iterable[Brought] = ()) -> Brought:
    """A pack with its components as tools, beside packs that were made `before`; nothing of an `old` one that is the
    same is made anew. Raises Invalid (`tool_twice`), and as `made_of`."""
    if not pack.components:
        return Brought(pack)
    from lichen.runtime.given.components import awaiting
    from lichen.runtime.packs.components import made_of, names_of, same_of  # for packs with components only

    taken: dict[str, Same] = {}
    there: dict[str, ComponentTool] = {}
    for each in before:
        for component in each.pack.components if each.made is not None else ():
            assert each.made is not None
            taken[each.made.names[component.said.id]] = same_of(component, each.pack)
        there |= {tool.spec.name: tool for tool in each.made.tools} if each.made is not None else {}
    names = names_of(pack, taken)
    for each in old:
        if each.made is not None and (each.pack.digest, each.pack.allow, each.made.names) == (
            pack.digest,
            pack.allow,
            names,
        ):
            return Brought(pack, each.made)
    awaits = None if old else awaiting(home)  # what takes another's place has to be right before
    return Brought(pack, made_of(pack, names, home, there=there, awaits=awaits))
