"""The port of everything that shuts processes in, and what became of one."""

from __future__ import annotations

from asyncio.subprocess import Process
from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from lichen.core.cage.grant import Grant, Tier
from lichen.core.words.errors import Invalid, Unavailable

Exceeded = Literal["", "memory", "cpu", "processes", "wall"]
"""Which bound a process was killed for, if any."""


class Command(msgspec.Struct, frozen=True):
    """What is run: its words, where, and every variable that it gets. `hides` are paths below what it may read that it
    does not have all the same. `credentials` are fields that are added to its requests to a host, which it never has.
    """

    words: tuple[str, ...]
    cwd: str | None = None
    env: Mapping[str, str] = {}
    hides: tuple[str, ...] = ()
    credentials: Mapping[str, Mapping[str, str]] = {}


class Caged(Protocol):
    """A process that was started in a cage. It is killed with everything that it started, when it is killed, when
    whoever started it ends, however that ends, and when it exceeds a bound."""

    @property
    def process(self) -> Process:
        """Its standard streams, and its exit."""
        ...

    @property
    def exceeded(self) -> Exceeded:
        """The bound that it was killed for."""
        ...

    def kill(self) -> None:
        """Kills it with everything that it started; what they said can be read still."""
        ...

    async def end(self) -> None:
        """Kills it, and returns once all of it is gone and nothing leads to it any more."""
        ...


class Cage(Protocol):
    """One way to shut processes in."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def tier(self) -> Tier:
        """How well it shuts in."""
        ...

    async def start(self, command: Command, grant: Grant) -> Caged:
        """A process that has what is granted. Raises Unavailable (`cage_unavailable`) where it cannot be shut in so,
        Invalid (`grant_refused`) for a grant that would open the cage, NotFound (`program_unknown`).
        """
        ...


class CageUnavailable(Unavailable):
    """Nothing here shuts a process in as well as is wanted. It was not started."""

    code = "cage_unavailable"
    next_step = "`lichen doctor` says what this machine can do; install the extra with pip install '.[cage]'."


class GrantRefused(Invalid):
    """What is granted would open the cage."""

    code = "grant_refused"
    next_step = "Grant the folder that the code works on, and nothing above it."
