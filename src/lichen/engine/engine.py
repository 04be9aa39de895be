"""What an engine is to whoever asks it for something, or runs it."""

from __future__ import annotations

from typing import Protocol

from lichen.core.words.scope import Actor, Scope
from lichen.engine.journal.journal import Journal
from lichen.engine.ports import Services


class Engine(Protocol):
    """Whatever keeps in flight what the logs of its scopes owe. Who wants something appends it to a journal; it goes on
    from there.

    Every engine passes `lichen.testing.engine_conformance`. They differ in where work runs, in its order and in nothing
    that a log could show.
    """

    services: Services
    """What its obligations are performed with."""

    # what operations ask

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes whose logs are open."""
        ...

    def journal(self, scope: Scope, /) -> Journal:
        """The journal of a scope's log, opened on first use."""
        ...

    def admit(self, scope: Scope, actor: Actor, /, *, ahead: int = 0) -> None:
        """Whether new work is taken, after so many pieces of the scope that were and are not appended yet.

        Raises Unavailable (`draining`, `overloaded`), and as `Services.quota` does."""
        ...

    async def turn(self, journal: Journal, /) -> None:
        """Returns when the scope may do its next piece of work. Raises Unavailable."""
        ...

    # what whoever runs it asks

    def start(self, scopes: tuple[Scope, ...], /) -> int:
        """Takes over everything these scopes owe, under a new epoch. Returns how many streams that is."""
        ...

    async def drain(self, grace_s: float, /) -> None:
        """Starts nothing new, gives what is in flight so long to end, then lets go."""
        ...

    def suspend(self) -> None:
        """The volume broke: drops what is in memory and cancels what is in flight."""
        ...

    def resume(self) -> int:
        """The volume accepts records again: takes over what the disk says is owed. Returns how many streams that is."""
        ...

    async def idle(self) -> None:
        """Returns once nothing is owed: all that is left are waits and timers."""
        ...

    @property
    def driven(self) -> int:
        """How many streams owe something now."""
        ...

    @property
    def timers(self) -> int:
        """How many timers are set."""
        ...
