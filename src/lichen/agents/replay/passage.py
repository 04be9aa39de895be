"""One run of the code from its start: what was recorded is served, what is new is collected, and what follows is
stopped.

The code goes on until each of its branches has ended or waits for something new. New requests to models are asked at
once, all that come before the first reply; one that comes later waits for the next plan, so that each reply is in the
log before the code goes on to ask for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from lichen.agents.replay.diverged import Diverged, shortened, told_of
from lichen.agents.replay.entries import (
    Called,
    Entry,
    Failed,
    Questioned,
    Replied,
    Said,
    Told,
    digest,
    outline,
)
from lichen.agents.replay.tape import Answer, Tape
from lichen.agents.replay.wanted import Wanted, WantedAnswer, WantedCall, WantedReply
from lichen.core.ports.model import Model, ModelError, ModelReply, ModelRequest
from lichen.core.ports.plan import CallRequest, CallResult, PlanInput, WaitRequest
from lichen.core.words.errors import Denied

T = TypeVar("T")
Code = Callable[[], Awaitable[Any]]

PASSES: Final = 64  # of the loop without anything new, after which the code waits for us
SERVED_AT_ONCE: Final = 32  # before others get their turn
ASKED_AT_ONCE_MAX: Final = 16  # requests to models; others wait for the next plan
PATIENCE_S: Final = 5.0  # for branches in threads, until what they do not ask for again counts as missing
SHORT_PATIENCE_S: Final = 0.2  # where the code itself waits for something else
END_S: Final = 5.0  # for code that is stopped to end by itself

_CURRENT: ContextVar[Passage | None] = ContextVar("lichen_passage", default=None)


def current() -> Passage | None:
    """The passage that this code is run in; None outside of one."""
    return _CURRENT.get()


class Passage:
    """What one run through the code asks for. Everything is called on its loop: `on_loop` brings a thread there.

    After `run`, `wanted` holds what the next plan is made of, `entries` what it records, `says` what it sends, and
    `failure` why a model gave no reply.
    """

    def __init__(self, tape: Tape, input: PlanInput, *, patience_s: float = PATIENCE_S) -> None:
        self.tape = tape
        self.input = input
        self.has_reply = False  # of a model, or that it gives none: what a plan has to record
        self.entries: list[Entry] = []
        self.says: list[str] = []
        self.has_said = False  # now, or when it was recorded
        self.wanted: list[Wanted] = []
        self.failure: ModelError | None = None
        self._patience_s = patience_s
        self._stirred = asyncio.Event()
        self._moves = 0
        self._asking: set[asyncio.Task[None]] = set()
        self._is_over = False
        self._code: asyncio.Task[Any] | None = None
        self._loop = asyncio.get_running_loop()

    # -- what the code asks for ----------------------------------------------------------------------------------

    async def reply(self, model: Model, request: ModelRequest, *, shown: bool = False) -> ModelReply:
        """What the model says. Raises Denied and ModelError as the model, or policy, did."""
        asked = outline(model.name, request)
        found = await self._served(asked.key)
        if found is not None:
            return _told_again(found.entry)
        return await self._new(WantedReply(asked, told_of(asked), model, request, shown=shown))

    async def call(self, call: CallRequest) -> CallResult:
        """How the call ended."""
        key = Called(call.tool, digest(call.args)).key
        found = await self._served(key)
        if found is not None and found.result is not None:
            return found.result
        told = f"{call.tool}({shortened(call.args.decode('utf-8', 'replace'))})"
        return await self._new(WantedCall(key, told, call))

    async def answer(self, question: WaitRequest) -> Answer:
        """How the question ended."""
        key = Questioned(digest(question)).key
        found = await self._served(key)
        if found is not None and found.answer is not None:
            return found.answer
        return await self._new(WantedAnswer(key, f"the question {question.public_text!r}", question))

    def say(self, text: str) -> None:
        """Sends this with the next plan, once."""
        self.has_said = True
        said = Said(digest(text))
        self._stir()
        if self.tape.take(said.key) is None:
            self.entries.append(said)
            self.says.append(text)

    def time_us(self) -> int:
        """The time: that of the plan for which the code first asked here."""
        us = self.tape.time()
        if us is None:
            us = self.input.run.now_us
            self.entries.append(Told(us))
        return us

    def on_loop(self, asked: Awaitable[T]) -> T:
        """What a thread of the code asks for; the thread waits for it. Raises RuntimeError on the loop itself."""

        async def ask() -> T:
            return await asked

        if _is_running(self._loop):
            raise RuntimeError("This would wait for itself: ask with await.")
        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()

    async def _served(self, key: Any) -> Any:
        """What was recorded of the next such request."""
        if self._is_over:
            raise asyncio.CancelledError
        self._stir()
        if self._moves % SERVED_AT_ONCE == 0:
            await asyncio.sleep(0)
        return self.tape.take(key)

    async def _new(self, wanted: Wanted) -> Any:
        self.wanted.append(wanted)
        self._stir()
        return await wanted.future

    def _stir(self) -> None:
        self._moves += 1
        self._stirred.set()

    # -- how it goes on ------------------------------------------------------------------------------------------

    async def run(self, code: Code) -> asyncio.Task[Any]:
        """Runs the code until it ended or waits for what is not recorded; the task of it, which is done if it ended.

        Raises Diverged when it does not ask again for something that is recorded.
        """
        token = _CURRENT.set(self)
        try:
            self._code = asyncio.ensure_future(_awaited(code))
        finally:
            _CURRENT.reset(token)
        self._code.add_done_callback(lambda _: self._stir())
        await self.go_on(self._code)
        return self._code

    async def go_on(self, code: asyncio.Task[Any]) -> None:
        """Until the code has ended or waits for something new. Raises Diverged as `run`."""
        while True:
            await self._idle(code)
            if not await self._has_asked_all(code):
                continue
            if code.done() or not self._ask_models():
                return

    async def _idle(self, code: asyncio.Task[Any]) -> None:
        """Until the code has ended, or each of its branches waits for something new."""
        while not code.done():
            if self._asking or not self.wanted:
                self._stirred.clear()
                await self._stirred.wait()
                continue
            if await self._stays_still(code):
                return

    async def _stays_still(self, code: asyncio.Task[Any]) -> bool:
        moves = self._moves
        for _ in range(PASSES):
            await asyncio.sleep(0)
            if moves != self._moves or code.done():
                return False
        return True

    async def _has_asked_all(self, code: asyncio.Task[Any]) -> bool:
        """Whether the code asked again for all that is recorded. It is given time to, and Diverged if it does not."""
        left = self.tape.first_left
        if left is None or self.input.reason == "finalize":
            return True
        if code.done():
            if code.cancelled() or code.exception() is not None:
                return True  # why it failed says more
            raise Diverged(left, None)
        moves = self._moves
        patience_s = self._patience_s
        if any(wanted.asker is code for wanted in self.wanted):
            patience_s = min(patience_s, SHORT_PATIENCE_S)
        self._stirred.clear()
        try:
            async with asyncio.timeout(patience_s):
                await self._stirred.wait()
        except TimeoutError:
            if moves == self._moves:
                raise Diverged(left, self.wanted[0]) from None
        return False

    def _ask_models(self) -> bool:
        """Asks models what is asked of them, unless one has replied; whether there is anything to wait for."""
        if self.has_reply or self.failure is not None or self.input.reason == "finalize":
            return False
        asks = [wanted for wanted in self.wanted if isinstance(wanted, WantedReply)][:ASKED_AT_ONCE_MAX]
        for wanted in asks:
            self.wanted.remove(wanted)
            task = asyncio.create_task(self._ask(wanted))
            self._asking.add(task)
            task.add_done_callback(self._asked)
        return bool(asks)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._stir()

    async def _ask(self, wanted: WantedReply) -> None:
        try:
            reply = await self.input.model(wanted.model, wanted.request, self.input.deltas if wanted.shown else None)
        except Denied as error:
            self._fail(wanted, Failed(wanted.asked, error.code, error.message, is_denied=True), error)
        except ModelError as error:
            if error.retryable:  # this plan fails, and the run asks again
                self.failure = self.failure or error
                self.wanted.append(wanted)
                return
            self._fail(wanted, Failed(wanted.asked, error.code, str(error)), error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the code that asked has to hear of it
            wanted.future.set_exception(error)
        else:
            self.has_reply = True
            self.entries.append(Replied(wanted.asked, reply))
            _resolve(wanted, reply)

    def _fail(self, wanted: Wanted, failed: Failed, error: Exception) -> None:
        """The code is told, now and whenever it is run again."""
        self.has_reply = True
        self.entries.append(failed)
        if not wanted.future.done():
            wanted.future.set_exception(error)

    # -- the end -------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Stops what is still going on; what it asks for from now on is cancelled."""
        self._is_over = True
        left = [*self._asking, *([self._code] if self._code is not None else [])]
        for task in left:
            task.cancel()
        for wanted in self.wanted:
            wanted.future.cancel()
        ending = [task for task in left if not task.done()]
        if ending:
            await asyncio.wait(ending, timeout=END_S)
        for task in left:
            if task.done() and not task.cancelled():
                task.exception()  # looked at: what it says was told, or does not count any more


def _resolve(wanted: Wanted, value: Any) -> None:
    if not wanted.future.done():
        wanted.future.set_result(value)


def _told_again(entry: Any) -> ModelReply:
    match entry:
        case Replied(reply=reply):
            return reply
        case Failed(code=code, message=message, is_denied=True):
            raise Denied(message, code=code)
        case Failed(code=code, message=message):
            raise ModelError(message, code=code, retryable=False)
        case _:
            raise AssertionError("only what a model was asked is told here")


def _is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this thread is the loop's."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


async def _awaited(code: Code) -> Any:
    return await code()
