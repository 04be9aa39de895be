"""The agents of a pack: files like any others, which see nothing of the disk but what lies in their pack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from lichen.agents.agent import Agent
from lichen.agents.files import load_agent
from lichen.agents.toolset import Toolset
from lichen.core.ports.call import Tool
from lichen.core.words.errors import Invalid
from lichen.runtime.packs.opening import Opened

FILES: Final = (".toml", ".json", ".yaml", ".yml")
COMMANDS: Final = ".clad.toml"


def agents_of(pack: Opened, tools: Sequence[Tool]) -> Iterator[Agent]:
    """The agents of a pack, which see the project's tools that they name. Raises Invalid as `load_agent` does, and
    (`pack_agent_commands`) where it would have a command of this machine run: code of a pack is a component."""
    for path in (*pack.agents, *pack.files):
        if path.endswith(COMMANDS):
            step = "Build it into a component, or give the project the tool and let the agent name it."
            message = "A pack may not bring commands of this machine."
            raise Invalid(message, code="pack_agent_commands", place=path, next_step=step)
    for path in pack.agents:
        if PurePosixPath(path).suffix in FILES and PurePosixPath(path).parent.name == "agents":
            made = load_agent(path, [Toolset("tools", tools)], root=Path(pack.root), files=pack.files)
            yield made.lying_in(pack.manifest.pack_id)
