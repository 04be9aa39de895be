"""Runtimes that break a promise, so that each judge can be seen to notice."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any, Final

import msgspec

from lichen.core.deciders import moves
from lichen.core.words.limits import NO_USAGE
from lichen.core.words.scope import Scope
from lichen.engine.intake import runs
from lichen.engine.ports import Traits
from lichen.runtime.operations.talk.taking import Taking
from tests.crash.others.platform import Cut


def doubt_nothing() -> None:
    """What was cut off is sent again, wherever it doubles."""

    def traits(self: Cut, scope: Scope) -> Traits:
        return Traits("same")

    Cut.traits = traits


def take_twice() -> None:
    """A letter that is replayed again is another message."""
    take, times = Taking.take, itertools.count()

    async def taken(self: Taking, message: Any, *, key: str | None = None) -> Any:
        id = f"{message.id}-{os.getpid()}-{next(times)}" if key else message.id
        return await take(self, msgspec.structs.replace(message, id=id), key=key)

    Taking.take = taken


def begin_twice() -> None:
    """A tick is noted as begun after its run, and the run has no name by which it is known again."""
    start: Any = runs.start

    async def started(request: Any, *args: Any, key: str, beside: Any, **more: Any) -> Any:
        run = await start(request, *args, key=f"{key}/{os.getpid()}", **more)
        await request.journal.durable(run=run)
        request.append(beside(run))
        return run

    runs.start = started


def lose_for_nothing() -> None:
    """A request of a call that was lost costs nothing."""
    lost = moves.lost

    def free(state: Any) -> moves.Drafts:
        return tuple(_free(draft) for draft in lost(state))

    moves.lost = free


def _free(draft: Any) -> Any:
    asked = msgspec.structs.replace(draft.control.asked, usage=NO_USAGE)
    return msgspec.structs.replace(draft, control=msgspec.structs.replace(draft.control, asked=asked))


SABOTAGES: Final[dict[str, Callable[[], None]]] = {
    each.__name__: each for each in (doubt_nothing, take_twice, begin_twice, lose_for_nothing)
}
