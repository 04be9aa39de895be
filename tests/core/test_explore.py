"""The explorer finds what it looks for: everything reachable, and every broken rule with a way that leads to it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import pytest

from lichen.core.deciders import events as e
from lichen.testing import explore as x

Lights = tuple[bool, ...]


class Switches:
    """Lamps that are switched on one by one, in any order; the last may not stand alone."""

    def __init__(self, lamps: int, *, breaks: bool = False) -> None:
        self.lamps = lamps
        self.breaks = breaks

    def first(self) -> Lights:
        return (False,) * self.lamps

    def key(self, node: Lights) -> Hashable:
        return node

    def steps(self, node: Lights) -> Iterator[x.Step[Lights]]:
        for i, is_on in enumerate(node):
            if not is_on:
                yield x.Step(f"on {i}", (e.Owned(i),), (*node[:i], True, *node[i + 1 :]))
        if self.breaks and all(node):
            raise ZeroDivisionError


def owned(controls: x.Controls) -> int:
    (control,) = controls
    assert isinstance(control, e.Owned)
    return control.epoch


def test_every_state_is_visited_once_and_every_edge_is_kept() -> None:
    graph = x.explore(Switches(4))
    assert len(graph.nodes) == len(set(graph.nodes)) == 2**4
    assert len(graph.edges) == 4 * 2**3


def test_a_state_is_told_by_a_shortest_way_to_it() -> None:
    graph = x.explore(Switches(3))
    assert graph.path(graph.nodes.index((True, False, True))) == ("on 0", "on 2")
    assert graph.path(0) == ()


def test_an_exception_is_a_broken_rule_and_not_the_end() -> None:
    graph = x.explore(Switches(2, breaks=True))
    assert [(b.rule, b.path) for b in graph.broken] == [(x.RAISES, ("on 0", "on 1"))]


def test_a_world_larger_than_it_says_is_a_broken_rule() -> None:
    assert [b.rule for b in x.explore(Switches(5), states_max=20).broken] == [x.SMALL]


def test_a_rule_about_states_is_broken_where_it_first_does_not_hold() -> None:
    (broken,) = x.check_states(x.explore(Switches(3)), {"never two": lambda node: sum(node) < 2})
    assert broken.rule == "never two"
    assert broken.path == ("on 0", "on 1")


def test_a_rule_about_edges_sees_both_ends() -> None:
    def grows(before: Lights, edge: x.Edge, after: Lights) -> bool:
        return sum(after) == sum(before) + 1

    graph = x.explore(Switches(3))
    assert x.check_edges(graph, {"grows": grows}) == []
    assert [b.path for b in x.check_edges(graph, {"never": lambda before, edge, after: after[2]})] == [("on 0",)]


def test_a_state_from_which_no_end_is_reached_fairly_is_found() -> None:
    graph = x.explore(Switches(2))
    assert x.check_ends(graph, all, lambda edge: True) == []
    (stuck,) = x.check_ends(graph, all, lambda edge: edge.name != "on 1")
    assert stuck == x.Broken(x.ENDS, "(False, False)", ())


@pytest.mark.parametrize(("first", "then"), [(0, 2), (2, 0)])
def test_a_fact_of_any_path_counts_where_paths_meet(first: int, then: int) -> None:
    def tracer(before: Lights, controls: x.Controls, after: Lights, t: x.Trace) -> None:
        if owned(controls) == first:
            t.begin(("burning", str(first)))
        if owned(controls) == then:
            t.forbid("not after", ("burning", str(first)))

    (broken,) = x.check_paths(x.explore(Switches(3)), tracer)
    assert broken == x.Broken("not after", f"burning {first}", (f"on {first}", f"on {then}"))


def test_a_fact_that_ended_is_forbidden_no_more() -> None:
    def tracer(before: Lights, controls: x.Controls, after: Lights, t: x.Trace) -> None:
        match owned(controls):
            case 0:
                t.forbid("not after", ("lit",))
            case 1:
                t.begin(("lit",))
            case _:
                t.end(("lit",))

    (broken,) = x.check_paths(x.explore(Switches(3)), tracer)
    assert broken.path == ("on 1", "on 0")


def test_facts_within_one_edge_count_in_order() -> None:
    def tracer(before: Lights, controls: x.Controls, after: Lights, t: x.Trace) -> None:
        t.forbid("first", ("here",))
        t.begin(("here",))
        t.forbid("second", ("here",))
        t.end(("here",))
        t.forbid("third", ("here",))

    broken = x.check_paths(x.explore(Switches(1)), tracer)
    assert [b.rule for b in broken] == ["second"]


def test_rules_may_look_at_states_through_something_worked_out_once() -> None:
    seen = x.explore(Switches(3)).seen_as(sum)
    assert seen.nodes.count(2) == 3
    assert [b.path for b in x.check_states(seen, {"never three": lambda lit: lit < 3})] == [("on 0", "on 1", "on 2")]
