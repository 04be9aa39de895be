"""What there is so far of a run's answer that has a type, for whoever may have the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from lichen.core.deciders import events as e
from lichen.core.words.ids import RunId, SessionId, run_stream
from lichen.core.words.scope import Scope
from lichen.engine.act import Act
from lichen.engine.engine import Engine
from lichen.engine.pace.deltas import PARTIAL_CHARS_MAX
from lichen.engine.pace.pieces import Piece, Progress
from lichen.engine.pace.race import race
from lichen.runtime.operations.valued import so_far, tree_of


async def partials(engine: Engine, scope: Scope, run: RunId) -> AsyncGenerator[Any]:
    """The value so far, each time there is more of it, and then all of it. Nothing of an answer without a type.

    Raises Unavailable when no record will come.
    """
    act, shown = Act.on(engine.services, engine.journal(scope), run), None
    kind, session = act.answer_type, act.state.session
    if kind is not None:
        texts = _alone(engine, scope, run) if session is None else _in_session(engine, scope, run, session)
        async for text in texts:
            tree = so_far(text, kind)
            if tree is not None and tree != shown:
                shown = tree
                yield tree
    await act.journal.durable(run=run)
    last = tree_of(engine, scope, run)
    if last is not None and last != shown:
        yield last


async def _alone(engine: Engine, scope: Scope, run: RunId) -> AsyncGenerator[str]:
    """What is said in the run's newest attempt at a plan, as it grows, until the run is over."""
    journal = engine.journal(scope)
    watch, said = journal.watch(run_stream(run), e.RunFinished), _Said()
    with engine.services.pieces.follow(scope, run) as follower:
        is_over = bool(journal.run(run).outcome)
        while not is_over:
            is_over = await race({"end": watch.next(), "piece": follower.more()}) == "end"
            for piece in follower.read():
                said.take(piece)
            if said.text:
                yield said.text


class _Said:
    """The words of one attempt. Those of which a piece is missing are none."""

    def __init__(self) -> None:
        self.text = ""
        self._attempt: tuple[int, int] = (-1, -1)
        self._is_whole = True

    def take(self, piece: Piece) -> None:
        """Adds a piece; a further attempt, and one that is tried again, begins anew."""
        if isinstance(piece.delta, Progress):
            self._is_whole = self._is_whole and not piece.missed
            return
        attempt = (piece.step, piece.attempt)
        if attempt != self._attempt or piece.delta.kind == "again":
            self.text, self._attempt, self._is_whole = "", attempt, True
        self._is_whole = self._is_whole and not piece.missed
        if piece.delta.kind == "text":
            self.text += piece.delta.text
        if not self._is_whole or len(self.text) > PARTIAL_CHARS_MAX:
            self.text, self._is_whole = "", False


async def _in_session(engine: Engine, scope: Scope, run: RunId, session: SessionId) -> AsyncGenerator[str]:
    """The same of a run that speaks in a session: what may be seen there."""
    journal, deltas = engine.journal(scope), engine.services.deltas
    watch = journal.watch(run_stream(run), e.RunFinished)
    while not journal.run(run).outcome:
        more = deltas.changed(scope, session)
        partial = deltas.speaking(scope, session)
        if partial is not None and partial.run == run:
            yield partial.text
        await race({"end": watch.next(), "more": more})
