"""Performs what is owed, one obligation at a time, whatever engine it is for and whenever that begins it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from lichen.core.deciders import events as e
from lichen.core.deciders.run import Call, Obligation, RunState
from lichen.core.words.errors import LichenError, Unavailable
from lichen.core.words.ids import CallId, MessageId, RunId, SessionId, StreamId
from lichen.core.words.scope import Scope
from lichen.engine.act import Act, SessionAct
from lichen.engine.acts.check import check
from lichen.engine.acts.child import cancel_child
from lichen.engine.acts.deliver import deliver, doubt
from lichen.engine.acts.execute import end_late, execute
from lichen.engine.acts.finish import finish
from lichen.engine.acts.places import give_back
from lichen.engine.acts.plan import plan
from lichen.engine.acts.settle import settle
from lichen.engine.acts.turn import open_turn
from lichen.engine.journal.journal import Journal
from lichen.engine.journal.seat import Seat
from lichen.engine.ports import Services, agent_of
from lichen.engine.sends.failures import unforeseen
from lichen.tools.workers.placement import StillRunning

_log = logging.getLogger("lichen.engine")


class Performer:
    """What an engine has in hand to do what is owed. It knows what still runs of calls that were cut off."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._closing: dict[tuple[Scope, str, CallId], asyncio.Future[Any]] = {}  # what still runs of a call
        self._is_closed = False

    def close(self) -> None:
        """What calls come to late is not heard any more."""
        self._is_closed = True

    def hear(self, seat: Seat, events: Sequence[e.Event]) -> None:
        """Tells the gate of calls that ended, and gives back the places of those that begin no more."""
        journal, stream, services = seat.journal, seat.stream, self.services
        for event in events:
            control = event.control
            if isinstance(control, e.CallFinished) and control.outcome != "unknown":
                services.gate.settle(journal.scope, RunId(stream.id), control.call, paid=control.outcome == "ok")
        if services.places.reserved and isinstance(state := journal.state(stream), RunState):
            give_back(services, journal.scope, state)

    def is_quick(self, journal: Journal, stream: StreamId, obligation: Obligation) -> bool:
        """Whether this waits for nothing outside the process, so that a task of its own would be waste."""
        if obligation.verb in ("turn", "finish", "child-cancel"):
            return True
        if obligation.verb not in ("plan", "check"):
            return False
        state = journal.run(RunId(stream.id))
        agent = agent_of(self.services, journal.scope, state)
        if agent is None or obligation.call is None:
            return agent is None or (agent.planner.pure and not state.plan_failures)
        call = state.calls.get(obligation.call)
        tool = agent.tools.get(call.tool) if call is not None else None
        return tool is None or tool.spec.facts_schema is None

    def executes(self, journal: Journal, stream: StreamId, call: CallId, task: asyncio.Task[None]) -> None:
        """Says which task executes a call, so that whoever settles it knows when that has let go."""
        key = (journal.scope, stream.id, call)
        self._closing[key] = task
        task.add_done_callback(lambda done: self._closing.pop(key, None) if self._closing.get(key) is done else None)

    async def perform(self, journal: Journal, stream: StreamId, obligation: Obligation) -> None:
        """Performs an obligation, whatever comes of it: what it led to stands in the log."""
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
                await plan(Act.on(services, journal, run), may_begin=lambda: not self._is_closed)
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
            case "doubt":
                await doubt(SessionAct.on(services, journal, SessionId(stream.id)), MessageId(o.id.split("/")[1]))
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
                if begun is not None and not self._is_closed:
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
        """Whether the executor of a call is gone that was cancelled, or was of a process before this one, so that a
        probe's `did not happen` can be believed."""
        key = (journal.scope, stream.id, call)
        begun = journal.run(RunId(stream.id)).calls.get(call)
        if begun is not None and not begun.doubt and not self.services.owning.is_alone():
            return False
        while (executor := self._closing.get(key)) is not None and not executor.done():
            await asyncio.wait([executor], timeout=self.services.options.closing_grace_s)
            if not executor.done():
                return False  # else what it left running may stand in its place
        return True
