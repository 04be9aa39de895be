"""What every run is made of, as the engine and other agents see it: the definition of an agent, and the tools that it
has of other people's servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

import msgspec

from lichen.core.ports.answer import AnswerType
from lichen.core.ports.call import Tool, ToolSpec
from lichen.core.ports.plan import Planner
from lichen.core.words.ids import AgentName, ToolName
from lichen.core.words.limits import Limits
from lichen.core.words.scope import Scope

OnMissing = Literal["resume", "ask", "finalize"]
"""What follows when a call lacks arguments: its planner is told; the customer is asked for them; the run ends with what
it has."""


class AgentDef(Protocol):
    """The definition of an agent."""

    @property
    def name(self) -> AgentName:
        """Unique in the runtime."""
        ...

    @property
    def planner(self) -> Planner:
        """Decides what a run does."""
        ...

    @property
    def tools(self) -> Mapping[ToolName, Tool]:
        """All it may call, by name."""
        ...

    @property
    def limits(self) -> Limits:
        """Bounds of each of its runs."""
        ...

    @property
    def answers(self) -> AnswerType | None:
        """What its answers have to be, None where words will do."""
        ...

    @property
    def on_missing(self) -> OnMissing:
        """What follows when a call lacks arguments."""
        ...

    @property
    def digest(self) -> str:
        """Pins the definition."""
        ...


class RemoteTools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an agent has of the server that a scope calls `server`: every tool of it that was accepted there, or those
    named in `only`, without those named in `without`. Names are the server's own.
    """

    server: str
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


class Offer(NamedTuple):
    """The servers that a scope has, and the contract of every tool that was accepted of them. A tool's name begins with
    that of its server and a dot."""

    servers: frozenset[str] = frozenset()
    specs: tuple[ToolSpec, ...] = ()


NOTHING = Offer()


class Remote(Protocol):
    """The servers of every scope, as far as somebody accepted what they offer."""

    def tools(self, scope: Scope, wanted: RemoteTools, /) -> tuple[Tool, ...]:
        """Those of the wanted tools that were accepted in the scope, by name; none of a server that it has not."""
        ...

    def offer(self, scope: Scope, /) -> Offer:
        """What policies of the scope may be about, whether or not an agent asks for it."""
        ...

    def version(self, scope: Scope, /) -> int:
        """Another number each time that what is said there changed."""
        ...


class NoRemote:
    """Where there are no servers."""

    def tools(self, scope: Scope, wanted: RemoteTools, /) -> tuple[Tool, ...]:
        """None."""
        return ()

    def offer(self, scope: Scope, /) -> Offer:
        """Nothing."""
        return NOTHING

    def version(self, scope: Scope, /) -> int:
        """Always the same."""
        return 0
