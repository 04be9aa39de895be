"""Text of a model as it comes, for whoever looks on now: never in the log, gone when the message itself is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from lichen.core.ports.model import Delta
from lichen.core.ports.model import Deltas as Pieces
from lichen.core.words.ids import CallId, RunId, SessionId
from lichen.core.words.scope import Scope

PARTIAL_CHARS_MAX = 64 * 1024

Key = tuple[Scope, SessionId]
MayShow = Callable[[], bool]
"""Whether what is said in an attempt may go to its session as things stand, whatever it says."""


class Partial(msgspec.Struct, frozen=True):
    """All that a model has said so far in one planning attempt, in `pieces` pieces.

    It is an announcement and no message: the attempt may fail, or policy may word the message differently. `is_value`:
    it is the JSON of a value that the customer is told in a sentence. `note` is a line about what goes on, in the place
    of words.
    """

    run: RunId
    step: int
    attempt: int
    text: str = ""
    pieces: int = 0
    is_value: bool = False
    note: str = ""

    def shown(self) -> Partial:
        """The same as customers see it: of a value only that somebody is typing."""
        return Partial(self.run, self.step, self.attempt, is_value=True) if self.is_value else self


class Deltas:
    """The sessions in which a model is speaking. A slow reader misses pieces and never text: it reads what there is.

    Nothing is held for anybody, so a reader costs an event and a session costs its one text, while it is spoken.
    Whether it may be shown is asked when somebody looks for the first time.
    """

    def __init__(self) -> None:
        self._partials: dict[Key, Partial] = {}
        self._may_show: dict[Key, MayShow | bool] = {}
        self._waiting: dict[Key, list[asyncio.Future[None]]] = {}
        self._notes: dict[Key, dict[CallId, tuple[Partial, Callable[[], str]]]] = {}

    def speaking(self, scope: Scope, session: SessionId) -> Partial | None:
        """What is being said in this session and may be seen, else what is being done; None for neither."""
        key = (scope, session)
        partial = self._partials.get(key)
        if partial is None:
            return self._noted(key)
        may_show = self._may_show.get(key, False)
        if isinstance(may_show, bool):
            return partial if may_show else None
        self._may_show[key] = is_shown = may_show()
        return partial if is_shown else None

    def changed(self, scope: Scope, session: SessionId) -> asyncio.Future[None]:
        """Done when more was said from now on, or when it is over. Cancel it to be forgotten."""
        key = (scope, session)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        future.add_done_callback(lambda future: self._forget(key, future))
        return future

    def _forget(self, key: Key, future: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(key, [])
        if future in waiting:
            waiting.remove(future)
            if not waiting:
                del self._waiting[key]

    def begin(self, scope: Scope, session: SessionId, partial: Partial, may_show: MayShow = lambda: True) -> Pieces:
        """The place where a model's reply goes, piece by piece: customers see its text, and nothing of
        what it thinks or calls. What was being said there before is forgotten."""
        key = (scope, session)
        self._may_show[key] = may_show
        self._set(key, partial)

        def add(piece: Delta) -> None:
            if piece.kind not in ("text", "again"):
                return
            said = self._partials.get(key)
            if piece.kind == "again" and said is not None and _is_same(said, partial):
                self._set(key, msgspec.structs.replace(said, text="", pieces=said.pieces + 1))
                return
            if said is not None and _is_same(said, partial) and len(said.text) < PARTIAL_CHARS_MAX:
                self._set(key, msgspec.structs.replace(said, text=said.text + piece.text, pieces=said.pieces + 1))

        return add

    def end(self, scope: Scope, session: SessionId, partial: Partial) -> None:
        """It is over, however it ended: what there is to say stands in the log."""
        said = self._partials.get((scope, session))
        if said is not None and _is_same(said, partial):
            del self._partials[scope, session], self._may_show[scope, session]
            self._wake((scope, session))

    def note(self, scope: Scope, session: SessionId, call: CallId, partial: Partial, note: Callable[[], str]) -> None:
        """A call is being made that may be spoken of. `note` gives the line about it, empty for none."""
        self._notes.setdefault((scope, session), {})[call] = (partial, note)
        self._wake((scope, session))

    def unnote(self, scope: Scope, session: SessionId, call: CallId) -> None:
        """The call is over."""
        notes = self._notes.get((scope, session), {})
        notes.pop(call, None)
        if not notes:
            self._notes.pop((scope, session), None)

    def _noted(self, key: Key) -> Partial | None:
        """The line about the newest of the calls that have one."""
        for partial, note in reversed(self._notes.get(key, {}).values()):
            if text := note():
                return msgspec.structs.replace(partial, note=text)
        return None

    def _set(self, key: Key, partial: Partial) -> None:
        self._partials[key] = partial
        self._wake(key)

    def _wake(self, key: Key) -> None:
        for future in self._waiting.pop(key, ()):
            if not future.done():
                future.set_result(None)


def _is_same(a: Partial, b: Partial) -> bool:
    return (a.run, a.step, a.attempt) == (b.run, b.step, b.attempt)
