"""The register of what is open in somebody's name: streams, sockets and long requests, ended when the name ends.

A revocation or erasure says so at once with `end`. Whatever else takes a name away, such as its time, is found by
looking: every CHECK_S seconds each name with something open is asked about once, however much is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import msgspec

from lichen.core.words.scope import Scope

CHECK_S = 0.5


class Key(msgspec.Struct, frozen=True):
    """An API key, by its id."""

    id: str


class Person(msgspec.Struct, frozen=True):
    """Somebody in a scope, by the pseudonym their records are under."""

    scope: Scope
    pseudonym: str


class Credential(msgspec.Struct, frozen=True):
    """The credential of somebody else's agent: where it counts, the domain that issued it, the key, and until when."""

    scope: Scope
    domain: str
    thumbprint: str
    until_us: int


Name = Key | Person | Credential


class Register:
    """Everything that is open, by the names it is open in. `is_good` says whether a name still counts."""

    def __init__(self, is_good: Callable[[Name], bool]) -> None:
        self._is_good = is_good
        self._endings: dict[Name, dict[asyncio.Event, None]] = {}
        self._watch: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many things are open; what is open in two names counts twice."""
        return sum(map(len, self._endings.values()))

    @contextmanager
    def holding(self, *names: Name) -> Generator[asyncio.Event]:
        """Something is open in these names within the context; the event is set when one of them ends."""
        ending = asyncio.Event()
        for name in names:
            self._endings.setdefault(name, {})[ending] = None
        self._look_after()
        try:
            yield ending
        finally:
            for name in names:
                self._forget(name, ending)

    def end(self, name: Name) -> None:
        """Ends whatever is open in this name."""
        for ending in self._endings.get(name, ()):
            ending.set()

    def close(self) -> None:
        """Stops looking."""
        if self._watch is not None:
            self._watch.cancel()

    def _forget(self, name: Name, ending: asyncio.Event) -> None:
        mine = self._endings.get(name, {})
        mine.pop(ending, None)
        if not mine:
            self._endings.pop(name, None)

    def _look_after(self) -> None:
        if self._endings and (self._watch is None or self._watch.done()):
            self._watch = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        """Ends what is open in names that stopped counting, as long as anything is open."""
        while self._endings:
            await asyncio.sleep(CHECK_S)
            for name in tuple(self._endings):
                if not self._counts(name):
                    self.end(name)

    def _counts(self, name: Name) -> bool:
        """A name that nobody can be asked about does not count."""
        with suppress(Exception):
            return self._is_good(name)
        return False
