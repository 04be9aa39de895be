"""Flows as files: read, hosted as the project says, and made again of other texts of the same files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lichen.agents.agent import Agent, Source
from lichen.core.ports.call import Tool
from lichen.core.words.errors import Invalid
from lichen.flows.ir import Flow
from lichen.flows.read.load import parse, text_of
from lichen.flows.syntax.naming import folder_of, hosted_name, pack_of
from lichen.flows.walk.compiled import needs
from lichen.runtime.project.flows import Hosting, flow_agents
from lichen.settings.file import FlowFile

if TYPE_CHECKING:
    from lichen.runtime.packs.brought import Brought


class PackedFlows(NamedTuple):
    """A pack that flows lie in: its id, what the project maps for its flows, and what they may call its tools."""

    id: str
    tools: Mapping[str, str] = {}
    calls: Mapping[str, str] = {}


class FlowFiles(NamedTuple):
    """The flow files of a project by path, with what it says of each, and the agents and tools their nodes may name.

    `packs` are those that files lie in which are nowhere on the disk, by the files; their flows are always named after
    the pack, and ask its own components first.
    """

    root: Path
    said: Mapping[str, FlowFile]
    agents: Sequence[Agent]
    tools: Sequence[Tool]
    packs: Mapping[str, PackedFlows] = {}

    def hosting(self, path: str, text: bytes) -> Hosting:
        """The flow of a text as the project hosts it. Raises Invalid with file, line and column."""
        if path in self.packs:
            of, flow = self.packs[path], parse(text.decode(), path).flow
            pack = pack_of(f"{of.id}/flow")
            name = hosted_name(flow, pack, is_shared=True)
            return Hosting(flow, name, pack, of.id, _named(of, flow), {}, of.calls)
        said = self.said.get(path, FlowFile(path))
        within = str(Path(path).relative_to(self.root))
        pack, lies_in = pack_of(within), folder_of(within)
        return Hosting(parse(text.decode(), path).flow, said.name, pack, lies_in, said.tools, said.agents)

    def made(self, flows: Sequence[Hosting], texts: Mapping[str, bytes], only: str = "") -> tuple[Agent, ...]:
        """Agents of the flows, or of one, that can be made again of what these texts will hold. Raises Invalid."""
        found = flow_agents(flows, self.agents, tools=self.tools, only=only)
        return tuple(agent.from_source(Source(texts, self._again(agent.name))) for agent in found)

    def _again(self, name: str) -> Callable[[Mapping[str, bytes], Sequence[Tool]], Agent]:
        def again(files: Mapping[str, bytes], instead: Sequence[Tool] = ()) -> Agent:
            house = self._replace(tools=(*self.tools, *instead))
            flows = [house.hosting(path, text) for path, text in files.items()]
            found = next(iter(house.made(flows, files, name)), None)
            if found is None:
                raise Invalid(f"The files hold no flow {name!r}.", code="flow_missing", next_step="Put its id back.")
            return found

        return again


def _named(lies_in: PackedFlows, flow: Flow) -> dict[str, str]:
    """What the project maps for the flows of a pack, as far as this one names it."""
    if not lies_in.tools:
        return {}
    return {need.name: lies_in.tools[need.name] for need in needs(flow) if need.name in lies_in.tools}


def check_mapped(brought: Brought, flows: Sequence[Hosting]) -> None:
    """Raises Invalid (`flow_mapping`) for an operation that is mapped for a pack, and that none of its flows names."""
    own = [one for one in flows if one.flow.path in brought.pack.flows]
    for key in brought.pack.tools:
        if not any(key in one.tools for one in own):
            message, step = (
                f"The project maps {key!r}, and no flow of the pack names that.",
                "Correct it, or leave it out.",
            )
            raise Invalid(message, code="flow_mapping", next_step=step, place=brought.place)


def flows_of(brought: Brought) -> PackedFlows:
    """What the flows of a pack have of it."""
    found = PackedFlows(brought.pack.manifest.pack_id, brought.pack.tools)
    return found if brought.made is None else found._replace(calls=brought.made.calls)


def text_in(path: str) -> bytes:
    """The text of a flow's file. Raises Invalid."""
    return text_of(Path(path)).encode()


def without_broken(flows: Sequence[Hosting], error: Invalid) -> list[Hosting]:
    """The flows but the one that the error is about; none when it does not say which."""
    path = (error.place or "").split(":")[0]
    rest = [one for one in flows if one.flow.path != path]
    return rest if len(rest) < len(flows) else []
