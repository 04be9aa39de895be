"""The engine of one process: performs what is owed, times it, and lets go of what waits."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

from lichen.core.deciders import events as e
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import Obligation, RunState
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.ids import SessionId, StreamId
from lichen.core.words.scope import Actor, Scope
from lichen.engine.due import fire, take_over
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.seat import Seat
from lichen.engine.pace.step import at_once
from lichen.engine.pace.timers import Wheel
from lichen.engine.performer import Performer
from lichen.engine.ports import Services
from lichen.engine.reconciler import Reconciler
from lichen.engine.sends.failures import unforeseen
from lichen.log.log import Log
from lichen.log.volume import Volume
from lichen.tools.workers.step import eagerly

_log = logging.getLogger("lichen.engine")
WHEEL = "timers"  # the name of the task that turns the wheel


class LocalEngine:
    """Drives every stream of a volume. `start` takes over what an earlier process left, `drain` lets go in order.

    `opened` is told of every log before anything happens in it.
    """

    def __init__(
        self, services: Services, volume: Volume, *, opened: Callable[[Scope, Log], None] = lambda scope, log: None
    ) -> None:
        self.services = services
        self._volume = volume
        self._opened = opened
        self._journals: dict[Scope, Journal] = {}
        self._performer = Performer(services)
        self._reconciler = Reconciler(services.turns, begin=self._begin, at_rest=self._rest, failed=self._failed)
        self._resting: OrderedDict[Seat, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False
        self._wheel = Wheel(services.clock, services.sleep, self._fire)

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self, scopes: tuple[Scope, ...]) -> int:
        """Takes over everything these scopes owe. Returns how many streams that is."""
        self._keep(asyncio.get_running_loop().create_task(self._wheel.run(), name=WHEEL))
        return sum(take_over(self.services, self.journal(scope), self._wheel) for scope in scopes)

    async def drain(self, grace_s: float = 10.0) -> None:
        """Starts nothing new, gives what is in flight `grace_s` to end, then lets go. Nothing is lost: what was cut
        off is settled by whoever opens the data next."""
        self._is_draining = True
        self._reconciler.stop()
        self._performer.close()
        acting = [task for task in self._tasks if task.get_name().startswith(("exec/", "deliver/", "finish"))]
        if acting:
            await asyncio.wait(acting, timeout=grace_s)
        self._reconciler.let_go_of_all()
        everything = tuple(self._tasks)
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)

    async def idle(self) -> None:
        """Returns once nothing is in flight: all that is left are waits and timers."""
        await self._reconciler.idle()

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes whose logs are open."""
        return tuple(self._journals)

    @property
    def driven(self) -> int:
        """How many streams are driven now."""
        return len(self._reconciler)

    @property
    def timers(self) -> int:
        """How many timers are set."""
        return len(self._wheel)

    def admit(self, scope: Scope, actor: Actor, *, ahead: int = 0) -> None:
        """Whether new work is taken, after so many pieces of the scope that were and are not appended yet. No tenant
        drives more than it leaves for the others.

        Raises Unavailable when the engine is draining or full, and as `quota` does.
        """
        self.services.quota(scope, actor)
        if self._is_draining:
            raise Unavailable("The runtime is shutting down.", code="draining")
        left = self.services.options.runs_max - self.driven - ahead
        if self._reconciler.driven_by(scope.tenant) + ahead >= left:
            raise Unavailable("There are as many runs in flight as may be, beside those of others.", code="overloaded")

    async def turn(self, journal: Journal) -> None:
        """Returns when the scope may do its next piece of work: records find room, and its tenant's turn has come."""
        await journal.log.room()
        while await self.services.turns.turn(journal.scope.tenant) and not journal.log.has_room:
            await journal.log.room()

    # -- streams -------------------------------------------------------------------------------------------------

    def journal(self, scope: Scope) -> Journal:
        """The journal of a scope's log, opened on first use."""
        journal = self._journals.get(scope)
        if journal is None:
            log = self._volume.log(scope)
            self._opened(scope, log)
            journal = self._journals[scope] = Journal(scope, log, self._appended, self.services.turns)
        return journal

    def _appended(self, seat: Seat, events: Sequence[e.Event]) -> None:
        scope, stream, state = seat.journal.scope, seat.stream, seat.journal.state(seat.stream)
        if not isinstance(state, (RunState, MailboxState)):
            return
        if state.timers is not seat.timers:
            seat.timers = state.timers
            self._wheel.set(scope, stream, state.timers)
        self._performer.hear(seat, events)
        self._reconciler.move(seat)

    def _rest(self, seat: Seat) -> None:
        """Nothing is owed: a run leaves memory; a session stays a while, since people write more than once, unless it
        is closed."""
        if seat.stream.kind != "session" or seat.journal.mailbox(SessionId(seat.stream.id)).is_closed:
            self._resting.pop(seat, None)
            seat.journal.forget(seat.stream)
            return
        self._resting[seat] = None
        self._resting.move_to_end(seat)
        if len(self._resting) > self.services.options.sessions_resting_max:
            oldest, _ = self._resting.popitem(last=False)
            oldest.journal.forget(oldest.stream)

    def _failed(self, seat: Seat, error: Exception) -> None:
        unforeseen(self.services, seat.journal.scope, seat.stream, "reconcile", error)

    def _begin(self, seat: Seat, obligation: Obligation, /, *, has_turn: bool) -> asyncio.Task[None] | None:
        journal, stream, performer = seat.journal, seat.stream, self._performer
        if performer.is_quick(journal, stream, obligation):
            task = at_once(performer.perform(journal, stream, obligation), obligation.id)
            return task and self._keep(task)
        perform = performer.perform if has_turn else self._perform_in_turn
        work = eagerly(perform(journal, stream, obligation), obligation.id)
        if not isinstance(work, asyncio.Task):
            return None
        if obligation.verb == "exec" and obligation.call is not None:
            performer.executes(journal, stream, obligation.call, work)
        return self._keep(work)

    async def _perform_in_turn(self, journal: Journal, stream: StreamId, obligation: Obligation) -> None:
        try:
            await self.turn(journal)
        except Unavailable:
            _log.warning("%s of %s: the volume does not accept records", obligation.id, stream)
        else:
            await self._performer.perform(journal, stream, obligation)

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- timers and trouble --------------------------------------------------------------------------------------

    def _fire(self, scope: Scope, stream: StreamId, timer: str) -> None:
        if self._is_draining:
            return
        journal = self.journal(scope)
        try:
            fire(self.services, journal, stream, timer)
        except LichenError as error:
            _log.warning("timer %s of %s: %s", timer, stream, error.code)

    def suspend(self) -> None:
        """The volume broke: everything in memory is ahead of the disk and is dropped."""
        self._reconciler.let_go_of_all()
        self._resting.clear()
        for journal in self._journals.values():
            journal.set_broken(True)
        for call in tuple(self.services.places.reserved):
            self.services.places.release(call)
        for task in self._tasks:
            if task.get_name() != WHEEL:
                task.cancel()

    def resume(self) -> int:
        """The volume accepts records again: takes over what the disk says is owed."""
        for journal in self._journals.values():
            journal.set_broken(False)
        return sum(take_over(self.services, journal, self._wheel) for journal in self._journals.values())
