"""Every state of a run whose planner asks models: budgets hold whatever dies, and nothing is billed twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.folds import plans
from lichen.core.deciders.runstate import RunState
from lichen.core.words.limits import NO_USAGE, Limits
from lichen.testing.explore import check_states, explore
from tests.core import run_rules
from tests.core.asking_world import FITS, RULES, TRUE, AskingWorld, of_runs
from tests.core.run_world import Batch, Bounds

replace = msgspec.structs.replace

NARROW = Limits(tokens=5)
DEAD = Bounds(plans=(), limits=NARROW, crashes=2, cancels=1, inputs=1)
ASKING = Bounds(plans=((Batch(("once",)),),), limits=NARROW, crashes=1, cancels=1)
WORLDS = {
    "two requests, two deaths": AskingWorld(DEAD, asks=2),
    "a call between requests": AskingWorld(Bounds(plans=((Batch(("once",)),),), limits=NARROW, crashes=1), asks=2),
    "failed plans": AskingWorld(Bounds(plans=(), limits=NARROW, errors=2, crashes=1, inputs=1, cancels=1), asks=2),
    "a child that uses tokens": AskingWorld(
        Bounds(plans=((Batch(("child",)),),), limits=NARROW, attempts=2, cancels=1), asks=1
    ),
    "two children that use tokens": AskingWorld(Bounds(plans=((Batch(("child", "child")),),), limits=NARROW), asks=1),
    "a call that asks": AskingWorld(ASKING, asks=1, of_calls=2),
    "two calls that ask": AskingWorld(
        Bounds(plans=((Batch(("once", "none")),),), limits=NARROW, cancels=1), asks=1, of_calls=1
    ),
    "a plan beside a call that asks": AskingWorld(
        Bounds(plans=((Batch(("none",), resume="each"),), (Batch(("none",)),)), limits=NARROW, crashes=1),
        asks=1,
        of_calls=2,
    ),
    "a plan beside its calls": AskingWorld(
        Bounds(plans=((Batch(("once", "none"), resume="each"),), (Batch(("none",)),)), limits=NARROW), asks=1
    ),
}


@pytest.mark.req("LIC-24.31")
@pytest.mark.parametrize("name", WORLDS)
def test_a_run_that_asks_models_keeps_within_its_budget_whatever_is_lost(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    world = WORLDS[name]
    graph = explore(world)
    record_property("explored", f"asking, {name}: {len(graph.nodes):,} states, {len(graph.edges):,} edges")
    assert [*check_states(graph, RULES), *run_rules.check(of_runs(graph), world.started)] == []


class Mutant(NamedTuple):
    """A fault, and the rule that catches it."""

    of: Any
    name: str
    mutate: Callable[[Any], Any]
    rule: str
    world: AskingWorld = AskingWorld(DEAD, asks=2)


def _for_nothing(lost: Callable[[RunState], moves.Drafts]) -> Callable[[RunState], moves.Drafts]:
    def free(s: RunState) -> moves.Drafts:
        drafts = lost(s)
        return tuple(e.Draft(replace(draft.control, usage=NO_USAGE)) for draft in drafts)

    return free


def _for_the_last(lost: Callable[[RunState], moves.Drafts]) -> Callable[[RunState], moves.Drafts]:
    def cheap(s: RunState) -> moves.Drafts:
        asking = s.asking
        return lost(s if asking is None else replace(s, asking=replace(asking, used=NO_USAGE)))

    return cheap


def _reserve_nothing(left: Any) -> Any:
    def tokens_left(s: RunState) -> int:
        return left.fget(replace(s, asking=None))

    return property(tokens_left)


def _keep(billed: Callable[[RunState, e.Planned], Any]) -> Callable[[RunState, e.Planned], Any]:
    return lambda s, c: {key: value for key, value in billed(s, c).items() if key != "asking"}


def _drop_void(billed: Callable[[RunState, e.Planned], Any]) -> Callable[[RunState, e.Planned], Any]:
    return lambda s, c: billed(s, c) if s.wants_plan(c.step, c.attempt) else {"asking": None}


def _lost_for_nothing(lost: Callable[[Any], e.Draft]) -> Callable[[Any], e.Draft]:
    return lambda each: lost(replace(each, usage=NO_USAGE))


def _reserve_nothing_for_calls(left: Any) -> Any:
    return property(lambda s: left.fget(replace(s, asks={})))


MUTANTS = {
    "a lost request of a call costs nothing": Mutant(
        moves, "_lost_ask", _lost_for_nothing, TRUE, WORLDS["a call that asks"]
    ),
    "requests of calls are not counted": Mutant(
        RunState, "tokens_left", _reserve_nothing_for_calls, FITS, WORLDS["two calls that ask"]
    ),
    "a lost attempt costs nothing": Mutant(moves, "lost", _for_nothing, TRUE),
    "of a lost attempt only the last request costs": Mutant(moves, "lost", _for_the_last, TRUE),
    "requests that are under way are not counted": Mutant(RunState, "tokens_left", _reserve_nothing, FITS),
    "what was reserved stays so": Mutant(plans, "_billed", _keep, TRUE),
    "an attempt that was overtaken is not billed": Mutant(plans, "_billed", _drop_void, TRUE),
}


@pytest.mark.req("LIC-24.31")
@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_in_what_is_reserved_is_caught_by_its_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    monkeypatch.setattr(mutant.of, mutant.name, mutant.mutate(getattr(mutant.of, mutant.name)))
    broken = check_states(explore(mutant.world, states_max=20_000), RULES)
    assert mutant.rule in {each.rule for each in broken}, broken
