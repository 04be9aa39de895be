"""The sessions of a runtime: one for each run and manifest, as long as the run goes on, and few at once."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from lichen.core.ports.call import NotDone
from lichen.core.words.ids import RunId
from lichen.core.words.scope import Scope
from lichen.tools.clad.manifest import SessionTable
from lichen.tools.clad.runner import Job
from lichen.tools.clad.sessions.terminal import Ended, Running, Said, Start, Terminal

SESSIONS_MAX: Final = 32
TENANT_MAX: Final = 8

Over = Callable[[Scope, RunId], Awaitable[object]]
"""Returns once a run is over."""


class Key(NamedTuple):
    """Whose a session is."""

    scope: Scope
    run: RunId
    manifest: str


class Opening(NamedTuple):
    """How a session is begun: in a folder of its own, which it may write."""

    table: SessionTable
    ready: re.Pattern[str]
    job: Callable[[Path], Job]


class Session:
    """The program of one run, begun with the first call and again after it ended by itself or was idle. What is counted
    is counted over all of that."""

    def __init__(self, opening: Opening, start: Start) -> None:
        self._opening, self._start = opening, start
        self._terminal: Terminal | None = None
        self._folder: Path | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._turn = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()
        self._ends_s = asyncio.get_running_loop().time() + opening.table.session_timeout_seconds
        self._is_closed = False
        self.count = 0

    async def say(self, line: str, wait_s: float) -> Said:
        """What the program answers to a line. One that does not answer in time is ended.

        Raises NotDone where nothing was said to it, Ended, TimeoutError.
        """
        async with self._turn:
            terminal = await self._ready()
            self.count += 1
            try:
                async with asyncio.timeout(wait_s):
                    said = await terminal.say(line)
            except BaseException:  # where its next answer begins nobody could say
                await self._end()
                raise
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._opening.table.idle_timeout_seconds, self._end_idle, self.count)
            return said

    async def _ready(self) -> Terminal:
        """The program, ready for a line. Raises NotDone."""
        table = self._opening.table
        if self._idle is not None:
            self._idle.cancel()
        is_late = self._is_closed or asyncio.get_running_loop().time() >= self._ends_s
        if is_late or self.count >= table.max_interactions:
            await self._end()
            bound = "as long" if is_late else "as often"
            message = f"The session has been used {bound} as one run may."
            raise NotDone(message, code="session_over", retryable=False, recovery="replan")
        if self._terminal is not None and not self._terminal.is_alive:
            await self._end()
        if self._terminal is None:
            await self._begin()
        assert self._terminal is not None
        return self._terminal

    async def _begin(self) -> None:
        table = self._opening.table
        self._folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="lichen-session-"))
        try:
            running = await self._start(self._opening.job(self._folder))
            self._terminal = Terminal(running, self._opening.ready, table.interaction.output_max_bytes)
            async with asyncio.timeout(table.startup_timeout_seconds):
                await self._terminal.answer()
        except (Ended, TimeoutError) as error:
            await self._end()
            why = "ended" if isinstance(error, Ended) else "was not ready in time"
            message = f"The program {why} before anything was said to it."
            raise NotDone(message, code="session_not_ready", recovery="replan") from error
        except BaseException:
            await self._end()
            raise

    def _end_idle(self, count: int) -> None:
        ending = asyncio.ensure_future(self._ended_unless_used(count))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _ended_unless_used(self, count: int) -> None:
        async with self._turn:
            if self.count == count:
                await self._end()

    async def close(self) -> None:
        """Ends the program, whatever it is doing, for good."""
        self._is_closed = True
        if self._terminal is not None:
            await self._terminal.end()
        async with self._turn:
            await self._end()
        await asyncio.gather(*self._ending)

    async def _end(self) -> None:
        terminal, self._terminal = self._terminal, None
        folder, self._folder = self._folder, None
        if self._idle is not None:
            self._idle.cancel()
        if terminal is not None:
            await terminal.end()
        if folder is not None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _nowhere(job: Job, /) -> Running:
    raise NotDone("There is no jail, so no program is begun.", code="cage_unavailable", retryable=False)


async def _never(scope: Scope, run: RunId) -> None:
    await asyncio.get_running_loop().create_future()


class Sessions:
    """All of them. `over` says when a run is, `hides` are paths that no program has. Made of nothing there is no jail
    to begin one in."""

    def __init__(self, start: Start = _nowhere, over: Over = _never, hides: tuple[str, ...] = ()) -> None:
        self._start, self._over, self.hides = start, over, hides
        self._sessions: dict[Key, Session] = {}
        self._watching: dict[Key, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._sessions)

    def of(self, key: Key, opening: Opening) -> Session:
        """The session of a run, which goes on until the run is over. Raises NotDone where there are too many."""
        known = self._sessions.get(key)
        if known is not None:
            return known
        of_tenant = sum(other.scope.tenant == key.scope.tenant for other in self._sessions)
        if len(self._sessions) >= SESSIONS_MAX or of_tenant >= TENANT_MAX:
            raise NotDone("There are as many sessions as may be.", code="session_busy", recovery="replan")
        made = self._sessions[key] = Session(opening, self._start)
        self._watching[key] = asyncio.ensure_future(self._ended_with_run(key, made))
        return made

    async def _ended_with_run(self, key: Key, session: Session) -> None:
        try:
            with suppress(Exception):  # a run of which nothing can be read any more is over, too
                await self._over(key.scope, key.run)
        finally:
            del self._sessions[key]
            ending = self._watching.pop(key)
            self._ending.add(ending)
            await session.close()
            self._ending.discard(ending)

    async def close(self) -> None:
        """Ends all of them, and returns once they are gone."""
        for watching in self._watching.values():
            watching.cancel()
        await asyncio.gather(*self._watching.values(), *self._ending, return_exceptions=True)
