"""A second engine, as plain as can be: whenever something moved, all that is owed anywhere is looked at again.

It has no turns, no shares and no quick work. What a log shows of it is what it shows of any engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import Obligation, RunState
from lichen.core.deciders.streams import decide
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.ids import StreamId
from lichen.core.words.scope import Actor, Scope
from lichen.engine.due import fire, take_over
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.seat import Seat
from lichen.engine.pace.timers import Wheel
from lichen.engine.performer import Performer
from lichen.engine.ports import Services
from lichen.log.volume import Volume


class SimulatedEngine:
    """An engine whose every piece of work is a task."""

    def __init__(self, services: Services, volume: Volume) -> None:
        self.services = services
        self._volume = volume
        self._performer = Performer(services)
        self._wheel = Wheel(services.clock, services.sleep, self._fire)
        self._journals: dict[Scope, Journal] = {}
        self._owing: list[Seat] = []
        self._moved, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._working: set[asyncio.Task[None]] = set()
        self._serving: list[asyncio.Task[None]] = []
        self._is_draining = False

    # -- what operations ask -------------------------------------------------------------------------------------

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes whose logs are open."""
        return tuple(self._journals)

    def journal(self, scope: Scope, /) -> Journal:
        """The journal of a scope's log, opened on first use."""
        if scope not in self._journals:
            self._journals[scope] = Journal(scope, self._volume.log(scope), self._appended)
        return self._journals[scope]

    def admit(self, scope: Scope, actor: Actor, /, *, ahead: int = 0) -> None:
        """Whether new work is taken. Raises Unavailable (`draining`, `overloaded`), and as `Services.quota` does."""
        self.services.quota(scope, actor)
        if self._is_draining:
            raise Unavailable("The runtime is shutting down.", code="draining")
        if self.driven + ahead >= self.services.options.runs_max:
            raise Unavailable("There are as many runs in flight as may be.", code="overloaded")

    async def turn(self, journal: Journal, /) -> None:
        """Returns when the log has room for what is next. Raises Unavailable."""
        await journal.log.room()

    # -- what whoever runs it asks -------------------------------------------------------------------------------

    def start(self, scopes: tuple[Scope, ...], /) -> int:
        """Takes over everything these scopes owe. Returns how many streams that is."""
        self._serving = [asyncio.ensure_future(self._wheel.run()), asyncio.ensure_future(self._look_again())]
        return sum(take_over(self.services, self.journal(scope), self._wheel) for scope in scopes)

    async def drain(self, grace_s: float, /) -> None:
        """Starts nothing new, gives what is in flight so long to end, then lets go."""
        self._is_draining = True
        self._performer.close()
        if self._working:
            await asyncio.wait(self._working, timeout=grace_s)
        everything = (*self._working, *self._serving)
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)

    def suspend(self) -> None:
        """The volume broke: drops what is in memory and cancels what is in flight."""
        for seat in tuple(self._owing):
            self._leave(seat)
        for task in self._working:
            task.cancel()
        for journal in self._journals.values():
            journal.set_broken(True)

    def resume(self) -> int:
        """The volume accepts records again: takes over what the disk says is owed. Returns how many streams that is."""
        for journal in self._journals.values():
            journal.set_broken(False)
        return sum(take_over(self.services, journal, self._wheel) for journal in self._journals.values())

    async def idle(self) -> None:
        """Returns once nothing is owed."""
        await self._idle.wait()

    @property
    def driven(self) -> int:
        """How many streams owe something now."""
        return len(self._owing)

    @property
    def timers(self) -> int:
        """How many timers are set."""
        return len(self._wheel)

    # -- the loop ------------------------------------------------------------------------------------------------

    def _appended(self, seat: Seat, events: Sequence[e.Event]) -> None:
        state = seat.journal.state(seat.stream)
        assert isinstance(state, (RunState, MailboxState))
        self._wheel.set(seat.journal.scope, seat.stream, state.timers)
        self._performer.hear(seat, events)
        if not seat.is_driven and decide(state):
            seat.is_driven = True
            self._owing.append(seat)
            self._idle.clear()
        self._moved.set()

    async def _look_again(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            for seat in tuple(self._owing):
                if not self._is_draining:
                    self._look(seat)

    def _look(self, seat: Seat) -> None:
        owed = {obligation.id: obligation for obligation in decide(seat.journal.state(seat.stream))}
        for gone in seat.inflight.keys() - owed.keys():
            if (task := seat.inflight.pop(gone)) is not None:
                task.cancel()
        for id in owed.keys() - seat.inflight.keys():
            seat.inflight[id] = self._begin(seat, owed[id])
        if not owed:
            self._leave(seat)
            seat.journal.forget(seat.stream)

    def _begin(self, seat: Seat, obligation: Obligation) -> asyncio.Task[None]:
        task = self._work(self._performer.perform(seat.journal, seat.stream, obligation))
        if obligation.verb == "exec" and obligation.call is not None:
            self._performer.executes(seat.journal, seat.stream, obligation.call, task)
        return task

    def _work(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    def _leave(self, seat: Seat) -> None:
        for task in seat.inflight.values():
            if task is not None:
                task.cancel()
        seat.inflight.clear()
        seat.is_driven = False
        self._owing.remove(seat)
        if not self._owing:
            self._idle.set()

    def _fire(self, scope: Scope, stream: StreamId, timer: str) -> None:
        if not self._is_draining:
            with suppress(LichenError):  # the volume broke: the timer is set again when it is taken over
                fire(self.services, self.journal(scope), stream, timer)
