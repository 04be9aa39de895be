"""The agents a runtime hosts, by name and digest: the current version for new runs, the pinned one for those under way.

What a file says is kept beside the logs under the digest of the agent it makes, so that a run which waited over a
restart goes on with the agent, flow and prompts it began with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import Tool
from lichen.core.remote.tools import NoRemote, Remote
from lichen.core.words.errors import Conflict, LichenError
from lichen.core.words.ids import AgentName
from lichen.core.words.scope import Scope
from lichen.runtime.project.hosting import Hosted, family

FOLDER = "catalog"  # in the data directory


class Stored(msgspec.Struct, frozen=True):
    """The files a version was made of."""

    name: str
    files: Mapping[str, bytes]


class Catalog:
    """Implements the engine's `Agents`. `host` binds an agent to the runtime's workers and stores, `guard` puts a tool
    of somebody else's server behind its circuit breaker."""

    def __init__(
        self,
        home: Path,
        agents: Sequence[Agent],
        host: Callable[[Agent], Hosted],
        remote: Remote | None = None,
        *,
        guard: Callable[[Tool], Tool] = lambda tool: tool,
    ) -> None:
        self._folder = home / FOLDER
        self._host = host
        self._remote = remote or NoRemote()
        self._guard = guard
        self._equipped: dict[tuple[str, Scope], tuple[int, Hosted]] = {}
        self._given: tuple[Agent, ...] = ()
        self._current: dict[AgentName, Hosted] = {}
        self._versions: dict[tuple[AgentName, str], Hosted | None] = {}
        self._has_begun = False
        self.replace(agents)

    @property
    def agents(self) -> tuple[Agent, ...]:
        """The current agents, without those that are only called by others."""
        return self._given

    # -- what the engine asks ---------------------------------------------------------------------------------------

    def get(self, name: AgentName, scope: Scope, /) -> Hosted | None:
        """The version that new runs begin with."""
        self._has_begun = True
        return self._with_remote(self._current.get(name), scope)

    def pinned(self, name: AgentName, digest: str, scope: Scope, /) -> Hosted | None:
        """The version that a run began with; None when neither this process nor the disk has it any more."""
        self._has_begun = True
        current = self._current.get(name)
        if not digest or (current is not None and current.digest == digest):
            return self._with_remote(current, scope)
        key = name, digest
        if key not in self._versions:
            self._versions[key] = self._restored(name, digest)
        return self._with_remote(self._versions[key], scope)

    def _with_remote(self, one: Hosted | None, scope: Scope) -> Hosted | None:
        """The agent with what the scope has of the servers it asks for. A tool of its own goes before another's."""
        if one is None or not one.remote:
            return one
        version = self._remote.version(scope)
        known = self._equipped.get((one.digest, scope))
        if known is None or known[0] != version:
            found = [tool for wanted in one.remote for tool in self._remote.tools(scope, wanted)]
            tools = {tool.spec.name: self._guard(tool) for tool in found} | {**one.tools}
            known = self._equipped[one.digest, scope] = version, msgspec.structs.replace(one, tools=tools)
        return known[1]

    # -- changes -----------------------------------------------------------------------------------------------------

    def register(self, agent: Agent) -> None:
        """Hosts one agent more. Raises Conflict (`registration_closed`) once a run has begun, or was taken over."""
        if self._has_begun:
            raise Conflict(
                "Agents are registered before the first run.",
                code="registration_closed",
                next_step="Give it when the runtime is opened, or as a file, and run `lichen reload`.",
            )
        self.replace((*self._given, agent))

    def replace(self, agents: Sequence[Agent]) -> tuple[AgentName, ...]:
        """Makes these current, and says which of them are new or another version. Runs under way keep theirs."""
        everything = family(agents)
        for agent in everything:
            self._keep(agent)
        hosted = {agent.name: self._known(agent) for agent in everything}
        changed = tuple(name for name, one in hosted.items() if self._digest(name) != one.digest)
        self._versions |= {(name, one.digest): one for name, one in hosted.items()}
        self._current, self._given = hosted, tuple(agents)
        return changed

    def _known(self, agent: Agent) -> Hosted:
        return self._versions.get((agent.name, agent.digest)) or self._host(agent)

    def _digest(self, name: AgentName) -> str:
        current = self._current.get(name)
        return current.digest if current is not None else ""

    # -- the disk ----------------------------------------------------------------------------------------------------

    def _keep(self, agent: Agent) -> None:
        """Stores what the agent was made of, once; the process goes on without where the disk is full."""
        path = self._folder / agent.digest
        if agent.source is None or path.exists():
            return
        data = msgspec.json.encode(Stored(agent.name, agent.source.files))
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = path.with_suffix(".new")
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            made.replace(path)
        except OSError:
            return

    def _restored(self, name: AgentName, digest: str) -> Hosted | None:
        """The version made again of the files that were kept; None unless that is it to the digest."""
        now = next((agent for agent in family(self._given) if agent.name == name), None)
        if now is None or now.source is None:
            return None
        try:
            stored = msgspec.json.decode((self._folder / digest).read_bytes(), type=Stored)
            agent = now.source.again(stored.files)
        except (OSError, msgspec.DecodeError, LichenError):
            return None
        return self._host(agent) if (agent.name, agent.digest) == (name, digest) else None
