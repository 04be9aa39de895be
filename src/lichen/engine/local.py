"""The engine of one process: performs what is owed, times it, and lets go of what waits."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import Call, Obligation, RunState
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.ids import CallId, MessageId, RunId, SessionId, StreamId, session_stream
from lichen.core.words.scope import Actor, Scope
from lichen.engine.act import Act, SessionAct
from lichen.engine.acts.check import check
from lichen.engine.acts.child import cancel_child
from lichen.engine.acts.deliver import deliver
from lichen.engine.acts.execute import end_late, execute
from lichen.engine.acts.finish import finish
from lichen.engine.acts.places import give_back
from lichen.engine.acts.plan import plan
from lichen.engine.acts.settle import settle
from lichen.engine.acts.turn import open_turn
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.seat import Seat
from lichen.engine.journal.tree import mirror
from lichen.engine.pace.step import at_once
from lichen.engine.pace.timers import Wheel
from lichen.engine.ports import Services, agent_of
from lichen.engine.reconciler import Reconciler
from lichen.engine.sends.failures import unforeseen
from lichen.log.log import Log
from lichen.log.volume import Volume
from lichen.tools.workers.placement import StillRunning

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
        self._reconciler = Reconciler(services.turns, begin=self._begin, at_rest=self._rest, failed=self._failed)
        self._resting: OrderedDict[Seat, None] = OrderedDict()
        self._closing: dict[tuple[Scope, str, CallId], asyncio.Future[Any]] = {}  # what still runs of a call
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_draining = False
        self.wheel = Wheel(services.clock, services.sleep, self._fire)

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self, scopes: tuple[Scope, ...]) -> int:
        """Takes over everything these scopes owe. Returns how many streams that is."""
        self._keep(asyncio.get_running_loop().create_task(self.wheel.run(), name=WHEEL))
        return sum(self._take_over(self.journal(scope)) for scope in scopes)

    def _take_over(self, journal: Journal) -> int:
        for stream, timers in journal.log.timers().items():
            self.wheel.set(journal.scope, stream, timers)
        owing = journal.log.owing()
        for stream in owing:
            state = journal.state(stream)
            if isinstance(state, (RunState, MailboxState)):
                journal.append({stream: (e.Draft(e.Owned(state.epoch + 1)),)})
        return len(owing)

    async def drain(self, grace_s: float = 10.0) -> None:
        """Starts nothing new, gives what is in flight `grace_s` to end, then lets go. Nothing is lost: what was cut
        off is settled by whoever opens the data next."""
        self._is_draining = True
        self._reconciler.stop()
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

    def admit(self, scope: Scope, actor: Actor) -> None:
        """Whether new work is taken. No tenant drives more than it leaves for the others.

        Raises Unavailable when the engine is draining or full, and as `quota` does.
        """
        self.services.quota(scope, actor)
        if self._is_draining:
            raise Unavailable("The runtime is shutting down.", code="draining")
        left = self.services.options.runs_max - self.driven
        if self._reconciler.driven_by(scope.tenant) >= left:
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
            journal = self._journals[scope] = Journal(scope, log, self._appended)
        return journal

    def _appended(self, seat: Seat, events: Sequence[e.Event]) -> None:
        scope, stream, state = seat.journal.scope, seat.stream, seat.journal.state(seat.stream)
        if not isinstance(state, (RunState, MailboxState)):
            return
        if state.timers is not seat.timers:
            seat.timers = state.timers
            self.wheel.set(scope, stream, state.timers)
        for event in events:
            control = event.control
            if isinstance(control, e.CallFinished) and control.outcome != "unknown":
                self.services.gate.settle(scope, RunId(stream.id), control.call, paid=control.outcome == "ok")
        if self.services.places.reserved and isinstance(state, RunState):
            give_back(self.services, scope, state)
        self._reconciler.move(seat)

    def _rest(self, seat: Seat) -> None:
        """Nothing is owed: a run leaves memory; a session stays a while, since people write more than once."""
        if seat.stream.kind != "session":
            seat.journal.forget(seat.stream)
            return
        self._resting[seat] = None
        self._resting.move_to_end(seat)
        if len(self._resting) > self.services.options.sessions_resting_max:
            oldest, _ = self._resting.popitem(last=False)
            oldest.journal.forget(oldest.stream)

    def _failed(self, seat: Seat, error: Exception) -> None:
        unforeseen(self.services, seat.journal.scope, seat.stream, "reconcile", error)

    def _begin(self, seat: Seat, obligation: Obligation) -> asyncio.Task[None] | None:
        journal, stream = seat.journal, seat.stream
        if self._is_quick(journal, stream, obligation):
            task = at_once(self._perform(journal, stream, obligation), obligation.id)
            return task and self._keep(task)
        work = self._perform_in_turn(journal, stream, obligation)
        task = self._keep(asyncio.get_running_loop().create_task(work, name=obligation.id))
        if obligation.verb == "exec" and obligation.call is not None:
            key = (journal.scope, stream.id, obligation.call)
            self._closing[key] = task
            task.add_done_callback(lambda t: self._closing.pop(key, None) if self._closing.get(key) is t else None)
        return task

    def _is_quick(self, journal: Journal, stream: StreamId, obligation: Obligation) -> bool:
        """Whether this waits for nothing outside the process, so that a task of its own would be waste."""
        if obligation.verb in ("turn", "finish", "child-cancel"):
            return True
        if obligation.verb not in ("plan", "check"):
            return False
        state = journal.run(RunId(stream.id))
        agent = agent_of(self.services, state)
        if agent is None or obligation.call is None:
            return agent is None or (agent.planner.pure and not state.plan_failures)
        call = state.calls.get(obligation.call)
        tool = agent.tools.get(call.tool) if call is not None else None
        return tool is None or tool.spec.facts_schema is None

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- obligations ---------------------------------------------------------------------------------------------

    async def _perform_in_turn(self, journal: Journal, stream: StreamId, obligation: Obligation) -> None:
        try:
            await self.turn(journal)
        except Unavailable:
            _log.warning("%s of %s: the volume does not accept records", obligation.id, stream)
        else:
            await self._perform(journal, stream, obligation)

    async def _perform(self, journal: Journal, stream: StreamId, obligation: Obligation) -> None:
        try:
            await self._dispatch(journal, stream, obligation)
        except Unavailable:
            _log.warning("%s of %s: the volume does not accept records", obligation.id, stream)
        except Exception as error:  # noqa: BLE001 - one obligation's bug may not stop the others; `explain` shows it
            unforeseen(self.services, journal.scope, stream, obligation.id, error)

    async def _dispatch(self, journal: Journal, stream: StreamId, o: Obligation) -> None:
        services, run = self.services, RunId(stream.id)
        match o.verb:
            case "plan":
                await plan(Act.on(services, journal, run))
            case "check" if o.call:
                await check(Act.on(services, journal, run), o.call)
            case "exec" if o.call:
                await self._execute(journal, run, o.call)
            case "settle" if o.call:
                let_go = await self._let_go(journal, stream, o.call)
                await settle(Act.on(services, journal, run), o.call, let_go=let_go)
            case "child-cancel" if o.call:
                cancel_child(Act.on(services, journal, run), o.call)
            case "finish":
                finish(Act.on(services, journal, run))
            case "turn":
                open_turn(SessionAct.on(services, journal, SessionId(stream.id)))
            case "deliver":
                await deliver(SessionAct.on(services, journal, SessionId(stream.id)), MessageId(o.id.split("/")[1]))
            case _:
                raise AssertionError(f"an obligation without its call: {o}")

    async def _execute(self, journal: Journal, run: RunId, call: CallId) -> None:
        begun, began_us = journal.run(run).calls.get(call), self.services.clock()
        try:
            await execute(Act.on(self.services, journal, run), call)
        except StillRunning as error:
            key, ended = (journal.scope, run, call), error.ended
            self._closing[key] = ended

            def tell(_: asyncio.Future[bytes]) -> None:
                if self._closing.get(key) is ended:
                    del self._closing[key]
                if begun is not None and not self._is_draining:
                    self._end_late(journal, run, begun, ended, self.services.clock() - began_us)

            ended.add_done_callback(tell)

    def _end_late(
        self, journal: Journal, run: RunId, begun: Call, ended: asyncio.Future[bytes], duration_us: int
    ) -> None:
        if ended.cancelled():
            return
        try:
            end_late(Act.on(self.services, journal, run), begun, ended, duration_us)
        except LichenError as error:  # a probe or a person will have to say it
            _log.warning("the late end of %s of %s: %s", begun.id, run, error.code)

    async def _let_go(self, journal: Journal, stream: StreamId, call: CallId) -> bool:
        """Whether the cancelled executor of a call is gone, so that a probe's `did not happen` can be believed."""
        executor = self._closing.get((journal.scope, stream.id, call))
        if executor is not None:
            await asyncio.wait([executor], timeout=self.services.options.closing_grace_s)
        return executor is None or executor.done()

    # -- timers and trouble --------------------------------------------------------------------------------------

    def _fire(self, scope: Scope, stream: StreamId, timer: str) -> None:
        if self._is_draining:
            return
        journal = self.journal(scope)
        try:
            fire(journal, stream, timer)
        except LichenError as error:
            _log.warning("timer %s of %s: %s", timer, stream, error.code)

    def suspend(self) -> None:
        """The volume broke: everything in memory is ahead of the disk and is dropped."""
        self._reconciler.let_go_of_all()
        self._resting.clear()
        for journal in self._journals.values():
            journal.set_broken(True)
        for call in self.services.places.reserved:
            self.services.places.release(call)
        for task in self._tasks:
            if task.get_name() != WHEEL:
                task.cancel()

    def resume(self) -> int:
        """The volume accepts records again: takes over what the disk says is owed."""
        for journal in self._journals.values():
            journal.set_broken(False)
        return sum(self._take_over(journal) for journal in self._journals.values())


def fire(journal: Journal, stream: StreamId, timer: str) -> None:
    """Appends what a due timer means, to the run and, if it ends a question, to the session."""
    state = journal.state(stream)
    if isinstance(state, MailboxState):
        if timer in state.timers:
            journal.append({stream: (e.Draft(e.TimerFired(timer)),)})
        return
    if not isinstance(state, RunState):
        return
    drafts = moves.fire(state, timer)
    appended = {stream: drafts}
    if state.session is not None and (mirrored := mirror(journal, state, drafts)):
        appended[session_stream(state.session)] = mirrored
    if drafts:
        journal.append(appended, turn=state.turn)
