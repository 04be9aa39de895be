"""Runtimes that break a promise, so that a judge can be seen to notice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.ports.call import CallMeta, DidNotHappen
from lichen.core.words.limits import NO_USAGE
from lichen.engine.asks.asker import Asker
from tests.crash import world


def forget_what_was_lost() -> None:
    """An attempt that was lost is noted, and costs nothing."""
    lost = moves.lost

    def free(state: Any) -> moves.Drafts:
        return tuple(
            msgspec.structs.replace(draft, control=msgspec.structs.replace(draft.control, usage=NO_USAGE, requests=()))
            for draft in lost(state)
        )

    moves.lost = free


def bill_twice() -> None:
    """A plan of a life after a death is billed again with what it took."""
    requests = Asker.requests.fget
    assert requests is not None

    def doubled(asker: Asker) -> tuple[e.ModelAsked, ...]:
        found = requests(asker)
        return (*found, *found) if "--point" not in sys.argv else found

    Asker.requests = property(doubled)  # type: ignore[assignment,method-assign]


def bill_less() -> None:
    """Of an attempt that asks twice only the last reply is billed."""
    requests = Asker.requests.fget
    assert requests is not None
    Asker.requests = property(lambda asker: requests(asker)[-1:])  # type: ignore[assignment,method-assign]


def doubt_nothing() -> None:
    """A payment that was cut off counts as one that did not happen."""

    def probe(idempotency_key: str, *, meta: CallMeta) -> world.Done | DidNotHappen:
        return DidNotHappen()

    world.probe_pay = probe  # type: ignore[assignment]


SABOTAGES: Final[dict[str, Callable[[], None]]] = {
    each.__name__: each for each in (forget_what_was_lost, bill_twice, bill_less, doubt_nothing)
}
