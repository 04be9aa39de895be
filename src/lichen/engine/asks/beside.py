"""What a call does besides while it is made: it asks models, each request gated, in what its run has left, recorded and
billed; and it says how far it is."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import isfinite
from typing import Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.model import Again, Choice, Connectable, Deltas, Model, ModelError, ModelReply, ModelRequest
from lichen.core.ports.policy import Asking, Check, Verdict
from lichen.core.ports.sent import Last
from lichen.core.words import faults
from lichen.core.words.errors import Denied, LichenError
from lichen.core.words.label import join
from lichen.core.words.limits import NO_USAGE
from lichen.engine.act import Act, CallAct
from lichen.engine.asks.bill import Bill
from lichen.engine.asks.keeping import Keeping, Part
from lichen.engine.asks.keys import Keys
from lichen.engine.asks.room import budgets_of, capped, room_for
from lichen.engine.asks.showing import shown_to
from lichen.engine.asks.used import Used, used_of
from lichen.engine.brief.asking import left_s
from lichen.engine.journal.labels import label_of
from lichen.engine.pace.pieces import Piece, Progress
from lichen.engine.sends.sends import refusal
from lichen.engine.sends.starts import ruling_of

ASKS_MAX: Final = 10  # of one call, whatever becomes of each
TOLD_MAX: Final = 1_000  # times that one attempt says how far it is
TOLD_EACH_US: Final = 200_000
TOLD_CHARS_MAX: Final = 200


class Asks:
    """What one attempt at a call asks, one request after the other, and what it tells. Implements `Beside`."""

    def __init__(self, act: CallAct) -> None:
        self._act, self._id, self._attempt = act, act.call.id, act.call.attempt
        self._turn = asyncio.Lock()
        self._count = self._told = 0
        self._told_us = -TOLD_EACH_US
        self.under_way: set[asyncio.Task[ModelReply]] = set()

    async def ask(self, model: Model, request: ModelRequest, /) -> ModelReply:
        """One reply. Raises Denied (`model_denied`, `secret_refused`, `stopped`), and ModelError: `call_over` where
        nobody waits for it any more."""
        self._count += 1
        if self._count > ASKS_MAX:
            raise _too_often()
        task = asyncio.ensure_future(self._in_turn(model, request))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:  # whoever asked is gone
            task.cancel()
            raise
        if task.cancelled():
            raise _over()
        return task.result()

    def tell(self, done: float, total: float | None = None, text: str = "") -> None:
        """Says how far the call is to whoever follows the run: a few times in a second, a thousand times in all."""
        act, now_us = self._act, self._act.services.clock()
        if self._told >= TOLD_MAX or now_us - self._told_us < TOLD_EACH_US or not isfinite(done):
            return
        self._told, self._told_us = self._told + 1, now_us
        words = "".join(each if each.isprintable() else " " for each in text[:TOLD_CHARS_MAX])
        whole = total if total is not None and isfinite(total) else None
        progress = Progress(self._id, act.call.tool, done, whole, words)
        act.services.pieces.tell(act.journal.scope, act.state.id, Piece(act.state.step, self._attempt, progress))

    async def close(self) -> None:
        """The call came to its end: nobody waits for a reply any more."""
        left = tuple(self.under_way)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    # -- one request ---------------------------------------------------------------------------------------------

    async def _in_turn(self, model: Model, request: ModelRequest) -> ModelReply:
        async with self._turn:
            return await self._one(model, request)

    async def _one(self, model: Model, request: ModelRequest, deltas: Deltas | None = None, /) -> ModelReply:
        if isinstance(model, Choice):
            return await model.ask(self._one, request, deltas)
        act = self._now()
        if act.call.asks >= ASKS_MAX:
            raise _too_often()
        request, check = shown_to(model, request), _question(act, model)
        verdict = _allowed(act, check)
        stand_in = act.services.stand_ins.get(act.state.agent)
        keys = Keys(act, model.name, check.label, act.note, lambda: _unused(self._now()))
        if isinstance(model, Connectable) and stand_in is None:
            keys.check()
        caps = capped(verdict.caps, verdict.policies, used_of(act, Used())) if verdict.caps else []
        room = room_for(act.services.prices, budgets_of(act, Used()) + caps, model.name, request)
        bill = Bill(model.name, room, act.services.prices, ruling_of(check, verdict))
        number, began_us, keeping = act.call.asks, act.services.clock(), Keeping(Last())
        act.note(e.Draft(e.CallAsked(self._id, number, model.name, room.reserved)))
        keeping.ask(f"{self._id}/{number}", room.request)
        try:
            if isinstance(model, Connectable):  # no death hides a request that somebody bills from the budgets
                await act.journal.durable(run=act.state.id)
                self._now()
            faults.hit("ask.before")
            reached = stand_in or act.services.reach(model, keys, act.journal.scope, _last_that_may_cost(bill))
            reply = await reached.generate(_in_time(act, room.request), None)
            faults.hit("ask.after")
            bill.answered(reply)
            keeping.reply(0, reply)
            return reply
        except BaseException as error:
            bill.broke(error, room.reserved, was_shown=False)
            raise
        finally:
            asked = e.CallAsked(self._id, number, model.name, asked=bill.closed(act.services.clock() - began_us))
            with suppress(LichenError):  # where nothing can be written any more, it is billed as lost
                _settle(act, asked, keeping.parts(None))

    def _now(self) -> CallAct:
        """The call as it is now, while it goes on. Raises ModelError (`call_over`), Denied (`stopped`)."""
        run = self._act.on_run(self._act.state.id)
        act, state = run.on_call(self._id), run.state
        if act is None or act.call.attempt != self._attempt or act.call.phase not in ("ready", "running"):
            raise _over()
        if state.is_over:
            raise _over()
        if act.services.gate.is_stopped(act.journal.scope, run=state.id, agent=state.agent, tool=act.call.tool):
            raise Denied("It was stopped.", code="stopped")
        return act


def _unused(act: CallAct) -> None:
    """What goes on is all that is asked."""


def _allowed(act: CallAct, check: Check) -> Verdict:
    verdict = act.services.gate.decide(check)
    if verdict.outcome != "allow":  # nobody can be waited for in the midst of a call
        act.note(refusal(act, check, verdict))
        raise Denied(f"Policy does not let this call use {check.resource}.", code="model_denied")
    return verdict


def _question(act: CallAct, model: Model) -> Check:
    state = act.state
    return Check(
        scope=act.journal.scope,
        actor=act.actor,
        action="model.invoke",
        resource=model.name,
        run=state.id,
        session=state.session,
        label=join(state.label, label_of(act.services, act.journal.scope, state, act.call)),
        requesters=state.requesters,
        language=act.language,
        asking=Asking(lambda: used_of(act, Used()), act.services.tags(model.name), act.call.tool),
    )


def _last_that_may_cost(bill: Bill) -> Again:
    def again(error: ModelError, was_shown: bool) -> None:
        """A try that may have been billed was the last: there is no more reserved."""
        if bill.of_try(error, was_shown=was_shown) != NO_USAGE:
            raise error

    return again


def _in_time(act: Act, request: ModelRequest) -> ModelRequest:
    left = left_s(act.state, act.services.clock())
    return msgspec.structs.replace(request, time_s=left) if left < request.time_s else request


def _settle(act: CallAct, asked: e.CallAsked, parts: list[Part]) -> None:
    """Says what became of the request, unless it counts as lost by now."""
    state = act.look()
    if f"{asked.call}/{asked.number}" not in state.asks:
        return
    keeps = act.services.keeps_requests and not act.journal.is_erased(act.subject)
    contents = moves.as_contents(parts, state.subject) if keeps else ()
    act.note(e.Draft(asked, contents, label_of(act.services, act.journal.scope, state, act.call)))


def _over() -> ModelError:
    return ModelError("The call is over.", code="call_over", retryable=False, tries=0)


def _too_often() -> ModelError:
    return ModelError("One call asked models too often.", code="model_asked_too_often", retryable=False, tries=0)
