"""Tools of other people's servers: which of them an agent asks for, and which of those it has in a scope."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from lichen.core.ports.call import Tool, ToolSpec
from lichen.core.words.scope import Scope


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
