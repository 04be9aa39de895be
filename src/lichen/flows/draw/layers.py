"""Into which layer each box of a graph goes, and in which order: ranks by longest path, order by barycentres."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from lichen.core.words.errors import Invalid

GAP_X: Final = 30.0
GAP_THIN: Final = 16.0  # beside an edge or a label
SWEEPS: Final = 12
LABEL_HEIGHT: Final = 14.0
BOXES_MAX: Final = 3_000  # the thin ones counted: more cannot be followed by an eye


class Edge(NamedTuple):
    """From one box to another; `room` is the width that its label needs, 0 without one."""

    source: str
    target: str
    room: float = 0.0


class Layered:
    """The boxes in every second layer, and a thin one or a label in every layer that an edge passes.

    Raises Invalid `flow_too_large` when there would be too many.
    """

    def __init__(
        self, sizes: Mapping[str, tuple[float, float]], edges: Sequence[Edge], ranks: dict[str, int], back: set[int]
    ) -> None:
        self.real = frozenset(sizes)
        self.sizes = dict(sizes)
        self.ranks = {node: 2 * rank for node, rank in ranks.items()}
        self.chains: dict[int, list[str]] = {}
        self.above: dict[str, list[str]] = {}
        self.below: dict[str, list[str]] = {}
        for number, edge in enumerate(edges):
            if number not in back:
                self.chains[number] = self._chain(number, edge)

    def _chain(self, number: int, edge: Edge) -> list[str]:
        first, last = self.ranks[edge.source], self.ranks[edge.target]
        if len(self.sizes) + last - first > BOXES_MAX:
            message = "The flow has too many long ways for a picture."
            raise Invalid(message, code="flow_too_large", next_step="Split the flow, or draw it with --format mermaid.")
        chain = [edge.source, *(f"{number}\0{rank}" for rank in range(first + 1, last)), edge.target]
        for rank, node in enumerate(chain, first):
            self.ranks.setdefault(node, rank)
            self.sizes.setdefault(node, (8.0, 0.0))
        if edge.room:
            self.sizes[chain[1]] = (edge.room, LABEL_HEIGHT)
        for upper, lower in pairwise(chain):
            self.below.setdefault(upper, []).append(lower)
            self.above.setdefault(lower, []).append(upper)
        return chain

    def gap(self, left: str, right: str) -> float:
        """How far the middles of two neighbours must be apart."""
        between = GAP_X if left in self.real and right in self.real else GAP_THIN
        return (self.sizes[left][0] + self.sizes[right][0]) / 2 + between


def ranked(nodes: Sequence[str], edges: Sequence[Edge]) -> tuple[dict[str, int], set[int]]:
    """The rank of each node, from 0 above, and the numbers of the edges that lead back."""
    leaving: dict[str, list[tuple[int, str]]] = {node: [] for node in nodes}
    for number, edge in enumerate(edges):
        leaving[edge.source].append((number, edge.target))
    done, back = _visited(nodes, leaving)
    ranks = dict.fromkeys(nodes, 0)
    for node in reversed(done):
        for number, target in leaving[node]:
            if number not in back:
                ranks[target] = max(ranks[target], ranks[node] + 1)
    entered = {edge.target for number, edge in enumerate(edges) if number not in back}
    for node in nodes:  # what nothing leads to stands right above what it leads to
        following = [ranks[target] for number, target in leaving[node] if number not in back]
        if node not in entered and following:
            ranks[node] = min(following) - 1
    return ranks, back


def _visited(nodes: Sequence[str], leaving: Mapping[str, Sequence[tuple[int, str]]]) -> tuple[list[str], set[int]]:
    """The nodes in the order in which a walk into the depth is done with them, and the edges it met that lead back."""
    back: set[int] = set()
    done: list[str] = []
    state: dict[str, bool] = {}  # True while it is being visited
    for root in nodes:
        if root in state:
            continue
        state[root] = True
        stack = [(root, iter(leaving[root]))]
        while stack:
            node, rest = stack[-1]
            step = next(rest, None)
            if step is None:
                state[node] = False
                done.append(node)
                stack.pop()
            elif state.get(step[1]) is True:
                back.add(step[0])
            elif step[1] not in state:
                state[step[1]] = True
                stack.append((step[1], iter(leaving[step[1]])))
    return done, back


def ordered(graph: Layered) -> list[list[str]]:
    """The layers from above to below, each from left to right, with as few crossings as a few sweeps find."""
    layers: list[list[str]] = [[] for _ in range(max(graph.ranks.values(), default=-1) + 1)]
    for node, rank in graph.ranks.items():
        layers[rank].append(node)
    places = {node: number for layer in layers for number, node in enumerate(layer)}
    best, fewest = [list(layer) for layer in layers], _crossings(layers, graph)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        ties = graph.above if sweep % 2 == 0 else graph.below
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            layer.sort(key=lambda node: mean([places[tied] for tied in ties.get(node, [])], places[node]))
            places.update((node, number) for number, node in enumerate(layer))
        crossings = _crossings(layers, graph)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def mean(values: Sequence[float], default: float) -> float:
    """The mean, or `default` of no values."""
    return sum(values) / len(values) if values else default


def _crossings(layers: Sequence[Sequence[str]], graph: Layered) -> int:
    found = 0
    for upper, lower in pairwise(layers):
        places = {node: number for number, node in enumerate(lower)}
        met: list[int] = []
        for node in upper:
            ties = sorted(places[below] for below in graph.below.get(node, []))
            found += sum(len(met) - bisect_right(met, tie) for tie in ties)
            for tie in ties:
                insort(met, tie)
    return found
