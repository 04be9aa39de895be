"""Flows as files: read, hosted as the project says, and made again of other texts of the same files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lichen.agents.agent import Agent, Source
from lichen.core.ports.call import Tool
from lichen.core.words.errors import Invalid
from lichen.flows.read.load import parse, text_of
from lichen.flows.syntax.naming import folder_of, hosted_name, pack_of
from lichen.runtime.project.flows import Hosting, flow_agents
from lichen.settings.file import FlowFile


class FlowFiles(NamedTuple):
    """The flow files of a project by path, with what it says of each, and the agents and tools their nodes may name.

    `packs` are the packs that files lie in which are nowhere on the disk; their flows are always named after those.
    """

    root: Path
    said: Mapping[str, FlowFile]
    agents: Sequence[Agent]
    tools: Sequence[Tool]
    packs: Mapping[str, str] = {}

    def hosting(self, path: str, text: bytes) -> Hosting:
        """The flow of a text as the project hosts it. Raises Invalid with file, line and column."""
        if path in self.packs:
            flow, pack = parse(text.decode(), path).flow, pack_of(f"{self.packs[path]}/flow")
            return Hosting(flow, hosted_name(flow, pack, is_shared=True), pack, self.packs[path])
        said = self.said.get(path, FlowFile(path))
        within = str(Path(path).relative_to(self.root))
        pack, lies_in = pack_of(within), folder_of(within)
        return Hosting(parse(text.decode(), path).flow, said.name, pack, lies_in, said.tools, said.agents)

    def made(self, flows: Sequence[Hosting], texts: Mapping[str, bytes]) -> tuple[Agent, ...]:
        """Agents of the flows that can be made again of what these texts will hold. Raises Invalid."""
        found = flow_agents(flows, self.agents, tools=self.tools)
        return tuple(agent.from_source(Source(texts, self._again(agent.name))) for agent in found)

    def _again(self, name: str) -> Callable[[Mapping[str, bytes]], Agent]:
        def again(files: Mapping[str, bytes]) -> Agent:
            flows = [self.hosting(path, text) for path, text in files.items()]
            found = next((one for one in self.made(flows, files) if one.name == name), None)
            if found is None:
                raise Invalid(f"The files hold no flow {name!r}.", code="flow_missing", next_step="Put its id back.")
            return found

        return again


def text_in(path: str) -> bytes:
    """The text of a flow's file. Raises Invalid."""
    return text_of(Path(path)).encode()


def without_broken(flows: Sequence[Hosting], error: Invalid) -> list[Hosting]:
    """The flows but the one that the error is about; none when it does not say which."""
    path = (error.place or "").split(":")[0]
    rest = [one for one in flows if one.flow.path != path]
    return rest if len(rest) < len(flows) else []
