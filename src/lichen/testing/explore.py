"""Visits every state a decider can reach, breadth first, and checks what must hold in each and along every path.

A *world* says what can happen next in a state; *rules* say what may not. A rule about one state or one edge is
looked at where it stands. A rule about paths speaks of *facts*: an edge begins and ends facts and forbids others, and
since an edge does the same to every path that comes through it, one pass over the graph answers for all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from lichen.core.deciders.events import Control

N = TypeVar("N")
V = TypeVar("V")
Controls = tuple[Control, ...]

RAISES = "nothing raises"
ENDS = "every state can end"
SMALL = "the world is as small as it says"


class Step(NamedTuple, Generic[N]):
    """One thing that can happen: its name, the records it appends, and the state that follows."""

    name: str
    controls: Controls
    after: N


class World(Protocol[N]):
    """Something to explore. `steps` may raise: that is found and told like any other broken rule."""

    def first(self) -> N:
        """The state in which it begins."""
        ...

    def key(self, node: N) -> Hashable:
        """What tells this state from others."""
        ...

    def steps(self, node: N) -> Iterable[Step[N]]:
        """Everything that can happen in this state."""
        ...


class Edge(NamedTuple):
    """A step between two states, named by their numbers."""

    source: int
    name: str
    controls: Controls
    target: int


class Broken(NamedTuple):
    """A rule that does not hold, what is wrong, and the steps that lead there."""

    rule: str
    detail: str
    path: tuple[str, ...]


class Graph(Generic[N]):
    """Every state and edge of a world. `found` holds for each state the edge by which it was first reached."""

    def __init__(self, first: N) -> None:
        self.nodes: list[N] = [first]
        self.edges: list[Edge] = []
        self.found: list[int] = [-1]
        self.broken: list[Broken] = []

    def path(self, node: int) -> tuple[str, ...]:
        """The names of a shortest way to a state."""
        names: list[str] = []
        while self.found[node] >= 0:
            edge = self.edges[self.found[node]]
            names.append(edge.name)
            node = edge.source
        return tuple(reversed(names))

    def seen_as(self, look: Callable[[N], V]) -> Graph[V]:
        """The same graph with every state seen through `look`, so that rules need not work out the same thing again."""
        graph = Graph(look(self.nodes[0]))
        graph.nodes += [look(node) for node in self.nodes[1:]]
        graph.edges, graph.found, graph.broken = self.edges, self.found, self.broken
        return graph


def explore(world: World[N], *, states_max: int = 500_000) -> Graph[N]:
    """Every reachable state. Stops early, with a broken rule, when there are more than `states_max`."""
    first = world.first()
    graph = Graph(first)
    numbers = {world.key(first): 0}
    at = 0
    while at < len(graph.nodes):
        if len(graph.nodes) > states_max:
            graph.broken.append(Broken(SMALL, f"more than {states_max} states", graph.path(at)))
            break
        try:
            for step in world.steps(graph.nodes[at]):
                _add(graph, numbers, world, at, step)
        except Exception as error:  # noqa: BLE001 - whatever a decider raises is what is looked for
            if RAISES not in {broken.rule for broken in graph.broken}:
                graph.broken.append(Broken(RAISES, repr(error), graph.path(at)))
        at += 1
    return graph


def _add(graph: Graph[N], numbers: dict[Hashable, int], world: World[N], source: int, step: Step[N]) -> None:
    key = world.key(step.after)
    target = numbers.get(key)
    if target is None:
        target = numbers[key] = len(graph.nodes)
        graph.nodes.append(step.after)
        graph.found.append(len(graph.edges))
    graph.edges.append(Edge(source, step.name, step.controls, target))


# -- rules about one state or one edge ---------------------------------------------------------------------------

StateRule = Callable[[N], bool]
EdgeRule = Callable[[N, Edge, N], bool]


def check_states(graph: Graph[N], rules: dict[str, StateRule[N]]) -> list[Broken]:
    """For each rule the first state in which it does not hold."""
    broken: list[Broken] = []
    for name, holds in rules.items():
        bad = next((i for i, node in enumerate(graph.nodes) if not holds(node)), None)
        if bad is not None:
            broken.append(Broken(name, repr(graph.nodes[bad]), graph.path(bad)))
    return broken


def check_edges(graph: Graph[N], rules: dict[str, EdgeRule[N]]) -> list[Broken]:
    """For each rule the first edge over which it does not hold."""
    broken: list[Broken] = []
    nodes = graph.nodes
    for name, holds in rules.items():
        bad = next((e for e in graph.edges if not holds(nodes[e.source], e, nodes[e.target])), None)
        if bad is not None:
            broken.append(Broken(name, repr(nodes[bad.target]), (*graph.path(bad.source), bad.name)))
    return broken


def check_ends(graph: Graph[N], is_end: Callable[[N], bool], is_fair: Callable[[Edge], bool]) -> list[Broken]:
    """The first state from which no end can be reached over fair edges alone."""
    into: list[list[int]] = [[] for _ in graph.nodes]
    for edge in graph.edges:
        if is_fair(edge):
            into[edge.target].append(edge.source)
    ending = {i for i, node in enumerate(graph.nodes) if is_end(node)}
    queue = deque(ending)
    while queue:
        for source in into[queue.popleft()]:
            if source not in ending:
                ending.add(source)
                queue.append(source)
    stuck = next((i for i in range(len(graph.nodes)) if i not in ending), None)
    return [] if stuck is None else [Broken(ENDS, repr(graph.nodes[stuck]), graph.path(stuck))]


# -- rules about paths -------------------------------------------------------------------------------------------

Fact = tuple[str, ...]


class Trace:
    """What one edge does to the facts that hold when it is taken. Calls count in the order in which they are made."""

    def __init__(self) -> None:
        self.forbidden: dict[Fact, str] = {}  # fact that may not hold before -> the rule that says so
        self.begun: set[Fact] = set()
        self.ended: set[Fact] = set()
        self.broken: list[tuple[str, Fact]] = []  # within this very edge

    def forbid(self, rule: str, *facts: Fact) -> None:
        """None of these holds now, or the rule is broken."""
        for fact in facts:
            if fact in self.begun:
                self.broken.append((rule, fact))
            elif fact not in self.ended:
                self.forbidden.setdefault(fact, rule)

    def begin(self, *facts: Fact) -> None:
        """These hold from now on."""
        self.begun.update(facts)
        self.ended.difference_update(facts)

    def end(self, *facts: Fact) -> None:
        """These hold no longer."""
        self.ended.update(facts)
        self.begun.difference_update(facts)


class _Masks(NamedTuple):
    forbidden: int
    begun: int
    ended: int


Tracer = Callable[[N, Controls, N, Trace], None]


def check_paths(graph: Graph[N], tracer: Tracer[N]) -> list[Broken]:
    """For each rule the first path along which it does not hold."""
    traces = [_trace(graph, edge, tracer) for edge in graph.edges]
    broken = {
        rule: Broken(rule, " ".join(fact), (*graph.path(edge.source), edge.name))
        for edge, trace in zip(graph.edges, traces, strict=True)
        for rule, fact in trace.broken
    }
    bits: dict[Fact, int] = {}
    masks = [_masks(trace, bits) for trace in traces]
    holding = _spread(graph, masks)
    for edge, trace, mask in zip(graph.edges, traces, masks, strict=True):
        if hit := holding[edge.source] & mask.forbidden:
            for fact, rule in trace.forbidden.items():
                if hit & bits[fact] and rule not in broken:
                    broken[rule] = Broken(rule, " ".join(fact), _witness(graph, masks, bits[fact], edge))
    return list(broken.values())


def _trace(graph: Graph[N], edge: Edge, tracer: Tracer[N]) -> Trace:
    trace = Trace()
    tracer(graph.nodes[edge.source], edge.controls, graph.nodes[edge.target], trace)
    return trace


def _masks(trace: Trace, bits: dict[Fact, int]) -> _Masks:
    return _Masks(*(_mask(facts, bits) for facts in (trace.forbidden, trace.begun, trace.ended)))


def _mask(facts: Iterable[Fact], bits: dict[Fact, int]) -> int:
    mask = 0
    for fact in facts:
        mask |= bits.setdefault(fact, 1 << len(bits))
    return mask


def _spread(graph: Graph[N], masks: Sequence[_Masks]) -> list[int]:
    """For each state every fact that holds there after some path."""
    out = _outgoing(graph)
    holding = [0] * len(graph.nodes)
    queue = deque(range(len(graph.nodes)))
    is_queued = [True] * len(graph.nodes)
    while queue:
        node = queue.popleft()
        is_queued[node] = False
        for i in out[node]:
            target = graph.edges[i].target
            reached = holding[target] | (holding[node] & ~masks[i].ended) | masks[i].begun
            if reached != holding[target]:
                holding[target] = reached
                if not is_queued[target]:
                    is_queued[target] = True
                    queue.append(target)
    return holding


def _outgoing(graph: Graph[N]) -> list[list[int]]:
    out: list[list[int]] = [[] for _ in graph.nodes]
    for i, edge in enumerate(graph.edges):
        out[edge.source].append(i)
    return out


def _witness(graph: Graph[N], masks: Sequence[_Masks], bit: int, last: Edge) -> tuple[str, ...]:
    """A shortest path after which the fact holds when `last` is taken."""
    out = _outgoing(graph)
    came: dict[tuple[int, bool], tuple[tuple[int, bool], str] | None] = {(0, False): None}
    queue = deque(came)
    while (last.source, True) not in came:
        node, holds = queue.popleft()
        for i in out[node]:
            edge, mask = graph.edges[i], masks[i]
            after = (edge.target, bool(mask.begun & bit) or (holds and not mask.ended & bit))
            if after not in came:
                came[after] = ((node, holds), edge.name)
                queue.append(after)
    names = [last.name]
    at = came[last.source, True]
    while at is not None:
        names.append(at[1])
        at = came[at[0]]
    return tuple(reversed(names))
