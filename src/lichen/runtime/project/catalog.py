"""The agents a runtime hosts, by name and digest: the current version for new runs, the pinned one for those under way.

What a file says is kept beside the logs under the digest of the agent it makes, with the packs whose components it
asks, so that a run which waited over a restart goes on with the agent, flow, prompts and code it began with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from lichen.agents.agent import Agent
from lichen.core.ports.call import Tool
from lichen.core.remote.tools import NoRemote, Remote
from lichen.core.words.errors import Conflict, LichenError, NotFound, Unavailable
from lichen.core.words.ids import AgentName
from lichen.core.words.scope import Scope
from lichen.engine.ports import NOBODY, Whose
from lichen.log.disk.files import write_whole
from lichen.runtime.packs.lent import Lent
from lichen.runtime.project.hosting import Hosted, family

if TYPE_CHECKING:
    from lichen.runtime.packs.brought import Brought

FOLDER = "catalog"  # in the data directory


class Stored(msgspec.Struct, frozen=True):
    """The files a version was made of, and the packs whose components it asks."""

    name: str
    files: Mapping[str, bytes]
    packs: tuple[Lent, ...] = ()


class Lender(Protocol):
    """Keeps packs, and gives the tools of those that were kept."""

    def have(self, packs: Sequence[Brought], /) -> None:
        """These packs are in force from now on."""
        ...

    def lent(self, agent: Agent, /) -> tuple[Lent, ...]:
        """The packs whose components an agent asks, which are kept from now on. Raises Unavailable."""
        ...

    def tools(self, lent: Lent, /) -> Sequence[Tool]:
        """The tools of a pack that was kept. Raises LichenError where it is not there, or may not be loaded."""
        ...

    def prune(self, digests: Collection[str], /) -> None:
        """Drops what was kept of other packs than these and those in force."""
        ...


class NoLender:
    """There are no packs."""

    def have(self, packs: Sequence[Brought], /) -> None:
        """Nothing."""

    def lent(self, agent: Agent, /) -> tuple[Lent, ...]:
        """None."""
        return ()

    def tools(self, lent: Lent, /) -> Sequence[Tool]:
        """Raises NotFound (`pack_gone`)."""
        raise NotFound("No packs are kept here.", code="pack_gone")

    def prune(self, digests: Collection[str], /) -> None:
        """Nothing."""


class Revised(Protocol):
    """Which revision of a pack somebody has."""

    def version(self, name: AgentName, scope: Scope, whose: Whose, /) -> Hosted | Literal["own"] | None:
        """The version of an agent of a pack for these, None where theirs has none of this name; `own` stands for what
        the project itself hosts."""
        ...


class NotRevised:
    """Packs have no revisions."""

    def version(self, name: AgentName, scope: Scope, whose: Whose, /) -> Hosted | Literal["own"] | None:
        """What the project hosts."""
        return "own"


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
        lender: Lender | None = None,
        packs: Sequence[Brought] = (),
    ) -> None:
        self._folder = home / FOLDER
        self._host = host
        self._remote = remote or NoRemote()
        self._guard = guard
        self._lender = lender or NoLender()
        self.revised: Revised = NotRevised()
        self._equipped: dict[tuple[str, Scope], tuple[int, Hosted]] = {}
        self._given: tuple[Agent, ...] = ()
        self._packs: tuple[Brought, ...] = ()
        self._current: dict[AgentName, Hosted] = {}
        self._versions: dict[tuple[AgentName, str], Hosted | None] = {}
        self._has_begun = False
        self.replace(agents, packs)

    @property
    def agents(self) -> tuple[Agent, ...]:
        """The current agents, without those that are only called by others."""
        return self._given

    # -- what the engine asks ---------------------------------------------------------------------------------------

    def get(self, name: AgentName, scope: Scope, whose: Whose = NOBODY, /) -> Hosted | None:
        """The version that new runs of these begin with."""
        self._has_begun = True
        version = self.revised.version(name, scope, whose)
        return self._with_remote(self._current.get(name) if version == "own" else version, scope)

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
        self.replace((*self._given, agent), self._packs)

    def replace(self, agents: Sequence[Agent], packs: Sequence[Brought] = ()) -> tuple[AgentName, ...]:
        """Makes these current, with the packs that brought some of them, and says which are new or another version.
        Runs under way keep theirs."""
        everything = family(agents)
        self._lender.have(packs)
        for agent in everything:
            self._keep(agent)
        hosted = {agent.name: self._known(agent) for agent in everything}
        changed = tuple(name for name, one in hosted.items() if self._digest(name) != one.digest)
        self._versions |= {(name, one.digest): one for name, one in hosted.items()}
        self._current, self._given, self._packs = hosted, tuple(agents), tuple(packs)
        return changed

    def also(self, agents: Sequence[Agent]) -> Mapping[AgentName, Hosted]:
        """These beside the current ones, for runs that are pinned to them."""
        everything = family(agents)
        for agent in everything:
            self._keep(agent)
        hosted = {agent.name: self._known(agent) for agent in everything}
        self._versions |= {(name, one.digest): one for name, one in hosted.items()}
        return hosted

    def _known(self, agent: Agent) -> Hosted:
        return self._versions.get((agent.name, agent.digest)) or self._host(agent)

    def _digest(self, name: AgentName) -> str:
        current = self._current.get(name)
        return current.digest if current is not None else ""

    def prune(self, digests: Collection[str], packs: Collection[str] = ()) -> None:
        """Drops packs that neither these versions of agents nor the current ones have, and that are not named."""
        stored = (self._stored(digest) for digest in {*digests, *(one.digest for one in self._current.values())})
        lent = (each.digest for one in stored if one is not None for each in one.packs)
        self._lender.prune({*lent, *packs})

    # -- the disk ----------------------------------------------------------------------------------------------------

    def _keep(self, agent: Agent) -> None:
        """Stores what the agent was made of, once; the process goes on without where the disk is full."""
        path = self._folder / agent.digest
        if agent.source is None or path.exists():
            return
        try:
            data = msgspec.json.encode(Stored(agent.name, agent.source.files, self._lender.lent(agent)))
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, data)
        except (OSError, Unavailable):
            return

    def _restored(self, name: AgentName, digest: str) -> Hosted | None:
        """The version made again of the files that were kept; None unless that is it to the digest."""
        now = next((agent for agent in family(self._given) if agent.name == name), None)
        if now is None or now.source is None:
            return None
        stored = self._stored(digest)
        if stored is None:
            return None
        try:
            lent = [tool for each in stored.packs for tool in self._lender.tools(each)]
            agent = now.source.again(stored.files, lent)
        except LichenError:
            return None
        return self._host(agent) if (agent.name, agent.digest) == (name, digest) else None

    def _stored(self, digest: str) -> Stored | None:
        """What is kept of a version."""
        try:
            return msgspec.json.decode((self._folder / digest).read_bytes(), type=Stored)
        except (OSError, msgspec.DecodeError):
            return None
