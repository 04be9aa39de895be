"""Every state a run can reach within small bounds keeps every rule of `run_rules`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lichen.core.words.limits import Limits
from lichen.testing.explore import explore
from tests.core import run_rules
from tests.core.run_world import Batch, Bounds, RunWorld

EFFECTS = ("none", "idempotent", "once", "child")

WORLDS = {
    "one call of any kind": Bounds(
        plans=(tuple(Batch((effects,)) for effects in EFFECTS),),
        attempts=2,
        checks=2,
        queues=1,
        crashes=1,
        cancels=1,
        pauses=1,
        is_late=True,
        is_pure=False,
    ),
    "any two calls at once": Bounds(
        plans=(tuple(Batch((a, b)) for i, a in enumerate(EFFECTS) for b in EFFECTS[i:]),), crashes=1, cancels=1
    ),
    "two steps that act once": Bounds(plans=((Batch(("once",)),),) * 2, attempts=2, crashes=1, cancels=1),
    "three crashes": Bounds(
        plans=(tuple(Batch((effects,)) for effects in EFFECTS[1:]),), attempts=3, crashes=3, cancels=1, is_late=True
    ),
    "a child that waits": Bounds(plans=((Batch(("child",)),),), attempts=2, cancels=1, pauses=1, child_waits=3),
    "two children that wait": Bounds(plans=((Batch(("child", "child")),),), child_waits=2),
    "two pauses": Bounds(plans=((Batch(("once", "none")), Batch(("child",))),), crashes=1, pauses=2),
    "every limit": Bounds(
        plans=(
            (
                Batch(("none",)),
                Batch(("none",), refused=1),
                Batch(("none",), cost=0),
                Batch(("once", "none"), refused=1),
                Batch(("none",) * 3),
                Batch(("none",), ("external",), tokens=9),
            ),
        )
        * 2,
        limits=Limits(calls=2, failures=1, fan_out=2, tokens=5),
        errors=2,
        inputs=1,
        cancels=1,
        pauses=1,
    ),
    "bookkeeping beside an answer": Bounds(
        plans=(
            (
                Batch(("none",), cost=0, role="bookkeeping", answers=True),
                Batch(("once", "none"), cost=0, role="bookkeeping", answers=True, refused=1),
            ),
            (Batch(("none",), cost=0, role="bookkeeping", answers=True), Batch(("none",))),
        ),
        crashes=1,
        cancels=1,
        pauses=1,
        inputs=1,
        attempts=2,
    ),
    "a call that ends the run": Bounds(
        plans=((Batch(("once",), cost=0, role="terminal"), Batch(("none",), cost=0, role="terminal", refused=1)),) * 2,
        crashes=1,
        cancels=1,
        pauses=1,
        inputs=1,
        attempts=2,
        is_late=True,
    ),
    "two failed steps": Bounds(plans=((Batch(("none",)), Batch(("none",), refused=1)),) * 3, limits=Limits(failures=2)),
    "a plan after each call": Bounds(
        plans=(
            (
                Batch(("none", "once"), resume="each"),
                Batch(("none",), ("clarification",), resume="each", on_expiry="deny"),
            ),
            (Batch(("none",)),),
        ),
        errors=1,
        cancels=1,
        is_pure=False,
    ),
    "a plan that waits for the next call": Bounds(
        plans=((Batch(("child", "none"), resume="each"),), (Batch((), resume="each"),)),
        crashes=1,
        cancels=1,
        is_pure=False,
    ),
    "a plan that waits for whatever is over next": Bounds(
        plans=(
            (Batch(("none",), ("external", "timer"), resume="each"),),
            (Batch((), resume="each"), Batch((), withdraws=1, resume="each")),
            (Batch((), withdraws=1, resume="each"),),
        ),
        crashes=1,
        cancels=1,
    ),
    "a model that a person has to agree to": Bounds(
        plans=((Batch(("once",)),),), holds=2, inputs=1, crashes=1, cancels=1, pauses=1, is_pure=False
    ),
    "a model that a person has to agree to beside calls": Bounds(
        plans=((Batch(("none", "child"), resume="each"),),), holds=1, errors=1, cancels=1, is_pure=False
    ),
    "waits of the planner": Bounds(
        plans=(
            (
                Batch((), ("clarification", "external")),
                Batch((), ("timer",)),
                Batch(("once",), ("external",), on_expiry="deny"),
            ),
        ),
        crashes=1,
        cancels=1,
        pauses=1,
        inputs=1,
        is_pure=False,
    ),
}


@pytest.mark.req(
    "GOA-15.1",
    "GOA-15.2",
    "GOA-19.1",
    "GOA-21.2",
    "GOA-28.4",
    "GOA-31.2",
    "GOA-38.1",
    "GOA-42.1",
    "GOA-42.2",
    "GOA-45.1",
    "GOA-49.1",
)
@pytest.mark.req("LIC-1.1", "LIC-6.1", "LIC-7.3", "LIC-7.4", "LIC-12.41")
@pytest.mark.parametrize("name", WORLDS)
def test_a_run_keeps_its_rules_whatever_happens(name: str, record_property: Callable[[str, object], None]) -> None:
    world = RunWorld(WORLDS[name])
    graph = explore(world)
    record_property("explored", f"run, {name}: {len(graph.nodes):,} states, {len(graph.edges):,} edges")
    assert run_rules.check(graph, world.started) == []
