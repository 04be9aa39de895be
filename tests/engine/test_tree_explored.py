"""Every state of a run with runs below it: their time stands still together, they end together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.run import RunState
from lichen.core.words.ids import RunId
from lichen.engine.journal import standstill
from lichen.testing.explore import ENDS, Broken, Graph, check_ends, check_states, explore
from tests.core.run_world import Batch, Bounds
from tests.engine.tree_world import (
    ACTS,
    ASKS,
    CALLS,
    RULES,
    TOLD,
    Tree,
    TreeBounds,
    TreeWorld,
    is_end,
    is_fair,
)

CALLS_TWO = Bounds(plans=((Batch(("child", "child")),),))
WORLDS = {
    "a child that asks": TreeBounds((CALLS, ASKS), cancels=1, pauses=1, crashes=1),
    "a child whose call is held": TreeBounds((CALLS, ACTS), cancels=1),
    "a grandchild that asks": TreeBounds((CALLS, CALLS, ASKS), ("call", "wait"), cancels=1, pauses=1),
    "a grandchild whose call is held": TreeBounds((CALLS, CALLS, ACTS), ("call", "wait"), cancels=1),
    "two children that ask": TreeBounds((CALLS_TWO, ASKS), ("call", "wait"), cancels=1),
}


def broken(graph: Graph[Tree]) -> list[Broken]:
    return [*graph.broken, *check_states(graph, RULES), *check_ends(graph, is_end, is_fair)]


@pytest.mark.req("LIC-6.24")
@pytest.mark.parametrize("name", WORLDS)
def test_time_stands_still_for_everybody_above_a_run_that_waits_and_all_end(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    graph = explore(TreeWorld(WORLDS[name]))
    record_property("explored", f"tree, {name}: {len(graph.nodes):,} states, {len(graph.edges):,} edges")
    assert broken(graph) == []


def _leave_halted(cancel: Callable[[RunState, str, str], moves.Drafts]) -> Callable[[RunState, str, str], moves.Drafts]:
    """One that is cancelled already stays halted."""
    return lambda s, code, id: () if s.cancel else cancel(s, code, id)


standstill_with_callers = standstill.with_callers


def _tell_nobody(moves: Any, run: Callable[[RunId], Any]) -> Any:
    return moves


def _tell_one(moves: Any, run: Callable[[RunId], Any]) -> Any:
    """Only the caller itself, and nobody above it."""
    told = standstill_with_callers(moves, run)
    added = [stream for stream in told if told[stream] != moves.get(stream)]
    return {stream: drafts for stream, drafts in told.items() if stream not in added[1:] or stream in moves}


def _tell_no_end(moves: Any, run: Callable[[RunId], Any]) -> Any:
    """That a child waits, and never that it goes on."""
    told: Mapping[Any, Any] = standstill_with_callers(moves, run)
    return {stream: tuple(draft for draft in drafts if not _is_resumed(draft)) for stream, drafts in told.items()}


def _is_resumed(draft: e.Draft) -> bool:
    return isinstance(draft.control, e.CallProgressed) and draft.control.what == "resumed"


MUTANTS = {"nobody is told": _tell_nobody, "one is told": _tell_one, "nobody goes on": _tell_no_end}


@pytest.mark.req("LIC-6.24")
@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_in_who_is_told_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "with_callers", MUTANTS[name])
    found = broken(explore(TreeWorld(TreeBounds((CALLS, CALLS, ASKS))), states_max=5_000))
    assert TOLD in {each.rule for each in found}, found


@pytest.mark.req("LIC-6.24")
def test_a_child_that_was_halted_while_it_ended_is_not_forgotten_by_a_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "cancel", _leave_halted(moves.cancel))
    found = broken(explore(TreeWorld(TreeBounds((CALLS, ASKS), cancels=1, pauses=1))))
    assert ENDS in {each.rule for each in found}, found
