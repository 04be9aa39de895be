"""What a run's models say as they say it, and how far its calls are, for whoever may read all of the run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Literal

import msgspec

from lichen.core.deciders import events as e
from lichen.core.ports.model import DeltaKind
from lichen.core.words.ids import RunId, run_stream
from lichen.engine.journal.journal import Journal
from lichen.engine.pace.pieces import Piece, Pieces, Progress
from lichen.engine.pace.race import race


class PieceView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a reply to the attempt `step`/`attempt`: words, thinking, or arguments of the reply's call number
    `call`, to `tool`. A further attempt begins anew. `missed` pieces before it came faster than they were read. For
    whoever may not read contents `chars` says how long the text is, which is not shown.

    Of the kind `progress` are the words of the tool of the call `by`, which says that so much is `done` of a `total`;
    `attempt` is that of the call.
    """

    step: int
    attempt: int
    kind: DeltaKind | Literal["progress"]
    text: str
    call: int = 0
    tool: str = ""
    missed: int = 0
    chars: int = 0
    by: str = ""
    done: float | None = None
    total: float | None = None


async def pieces(of: Pieces, journal: Journal, run: RunId, sees: Callable[[], bool]) -> AsyncGenerator[PieceView]:
    """The pieces of a run from now on, in order, until it is over. `sees` says whether words are shown.

    Raises Unavailable when no record will come.
    """
    watch = journal.watch(run_stream(run), e.RunFinished)
    with of.follow(journal.scope, run) as follower:
        is_over = bool(journal.run(run).outcome)
        while not is_over:
            first = await race({"end": watch.next(), "piece": follower.more()})
            is_over = first == "end"
            for piece in follower.read():
                yield _view(piece) if sees() else _sealed(piece)


def _sealed(piece: Piece) -> PieceView:
    said, place = piece.delta, (piece.step, piece.attempt)
    if isinstance(said, Progress):
        return PieceView(*place, "progress", "", missed=piece.missed, chars=len(said.text), by=said.call)
    return PieceView(*place, said.kind, "", said.call, missed=piece.missed, chars=len(said.text))


def _view(piece: Piece) -> PieceView:
    said, place = piece.delta, (piece.step, piece.attempt)
    if isinstance(said, Progress):
        call, tool, done, total, text = said
        return PieceView(*place, "progress", text, tool=tool, missed=piece.missed, by=call, done=done, total=total)
    return PieceView(*place, said.kind, said.text, said.call, said.tool, piece.missed)
