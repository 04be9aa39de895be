"""What agents have of packs' components, kept with them: the very file of each pack, and what it was called here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from lichen.agents.agent import Agent
from lichen.core.ports.call import Tool
from lichen.core.words.errors import Denied, NotFound
from lichen.runtime.packs.brought import Brought
from lichen.runtime.packs.lent import Lent
from lichen.runtime.packs.shelf import Shelf

COMPONENT: Final = "component:"  # begins the tag of a tool that says whose code it is


class Lending:
    """Gives agents the components of packs, also of those that are not in force any more. `denied` are digests that are
    never loaded."""

    def __init__(self, home: Path, shelf: Shelf, denied: Collection[str]) -> None:
        self._home, self._shelf, self._denied = home, shelf, denied
        self._packs: tuple[Brought, ...] = ()

    def have(self, packs: Sequence[Brought], /) -> None:
        """These packs are in force from now on."""
        self._packs = tuple(packs)

    def lent(self, agent: Agent, /) -> tuple[Lent, ...]:
        """The packs whose components an agent asks, kept from now on. Raises Unavailable (`pack_not_kept`)."""
        return tuple(self._kept(each) for each in self._packs if _asks(agent, each))

    def _kept(self, each: Brought) -> Lent:
        assert each.made is not None, "nobody asks the components of a pack without any"
        self._shelf.keep(each.pack)
        return Lent(each.pack.manifest.pack_id, each.pack.digest, each.made.names)

    def tools(self, lent: Lent, /) -> Sequence[Tool]:
        """The tools of a pack that was kept, with what the project grants that pack now.

        Raises NotFound (`pack_gone`), Denied (`pack_denied`), and as `Shelf.tools`.
        """
        now = next((each.pack for each in self._packs if each.pack.manifest.pack_id == lent.pack), None)
        if now is None:
            step = "Name it in `packs` again."
            raise NotFound("The project names this pack no more.", code="pack_gone", next_step=step)
        if lent.digest in self._denied:
            raise Denied("This pack is never to be loaded.", code="pack_denied", next_step="See `denied` of [packs].")
        return self._shelf.tools(self._home, lent.digest, lent.names, now.said)

    def prune(self, digests: Collection[str], /) -> None:
        """Drops what was kept of other packs than these and those in force."""
        self._shelf.prune({*digests, *(each.pack.digest for each in self._packs)})


def _asks(agent: Agent, each: Brought) -> bool:
    mine = {tag for tool in agent.tools.values() for tag in tool.spec.tags if tag.startswith(COMPONENT)}
    return any(tag in mine for tool in each.all_tools for tag in tool.spec.tags)
