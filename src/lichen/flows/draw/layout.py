"""Where the boxes of a graph go: layers from above to below, few crossings, and room for the edges between them.

Ranks by longest path, order by barycentres, positions by least squares. Edges that lead back run at the sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from lichen.flows.draw.layers import SWEEPS, Edge, Layered, mean, ordered, ranked

GAP_Y: Final = 22.0  # between boxes and the layer of labels under them, and again between that and the next boxes
GAP_LABELS: Final = 34.0  # above labels: room for the edges to part
LANE: Final = 16.0
BEND: Final = 13.0  # how far below or above a box an edge that leads back turns
STEP: Final = 14.0  # between two edges at one box


class Box(NamedTuple):
    """A box by its centre."""

    x: float
    y: float
    width: float
    height: float
    layer: int


class Picture(NamedTuple):
    """Boxes by id, and for each edge its points; `lanes` has the x of the edges that lead back.

    `labels` has a box for the label of each edge that leads on.
    """

    boxes: Mapping[str, Box]
    paths: Sequence[Sequence[tuple[float, float]]]
    lanes: Mapping[int, float]
    labels: Mapping[int, Box]


def arranged(sizes: Mapping[str, tuple[float, float]], edges: Sequence[Edge]) -> Picture:
    """A place for every box and every edge; boxes that come first in `sizes` tend to stand above.

    Raises Invalid `flow_too_large`. The last few are remembered: a flow is looked at more often than it is changed.
    """
    return _arranged(tuple(sizes.items()), tuple(edges))


@lru_cache(16)
def _arranged(boxed: tuple[tuple[str, tuple[float, float]], ...], edges: tuple[Edge, ...]) -> Picture:
    sizes = dict(boxed)
    ranks, back = ranked(list(sizes), edges)
    graph = Layered(sizes, edges, ranks, back)
    layers = ordered(graph)
    xs = _positioned(layers, graph)
    boxes = _placed(layers, xs, graph)
    paths: list[Sequence[tuple[float, float]]] = []
    lanes = _lanes(edges, back, boxes)
    ports = _ports(edges, back, graph, boxes)
    for number, edge in enumerate(edges):
        start, end = ports[number]
        if number in back:
            paths.append(_around(boxes[edge.source], boxes[edge.target], lanes[number]))
        else:
            paths.append(_through(graph.chains[number], start, end, boxes))
    labels = {number: boxes[chain[1]] for number, chain in graph.chains.items() if edges[number].room}
    return Picture({node: boxes[node] for node in sizes}, paths, lanes, labels)


def _positioned(layers: Sequence[Sequence[str]], graph: Layered) -> dict[str, float]:
    xs: dict[str, float] = {}
    for layer in layers:
        xs |= _spread(layer, [0.0] * len(layer), graph)
    for sweep in range(SWEEPS):
        ties = graph.above if sweep % 2 == 0 else graph.below
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = [mean([xs[tied] for tied in ties.get(node, [])], xs[node]) for node in layer]
            xs |= _spread(layer, wanted, graph)
    both = {node: _pull(node, graph) for node in xs}
    for layer in (*layers, *reversed(layers)) * SWEEPS:
        wanted = [mean([xs[tied] for tied in both[node]], xs[node]) for node in layer]
        xs |= _spread(layer, wanted, graph)
    return xs


def _pull(node: str, graph: Layered) -> list[str]:
    """Who draws a box to its x: all it is tied to, but between boxes only what is below, to stand right above it."""
    is_between = graph.ranks[node] % 2 == 1
    return graph.below[node] if is_between else [*graph.above.get(node, []), *graph.below.get(node, [])]


def _spread(layer: Sequence[str], wanted: Sequence[float], graph: Layered) -> dict[str, float]:
    """Positions nearest to those wanted, by least squares, that keep the order and the gaps."""
    offsets = [0.0]
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + graph.gap(left, right))
    groups: list[tuple[float, int]] = []  # mean and size of what has been pushed together
    for position, offset in zip(wanted, offsets, strict=True):
        mean, size = position - offset, 1
        while groups and groups[-1][0] > mean:
            other, count = groups.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        groups.append((mean, size))
    means = [mean for mean, size in groups for _ in range(size)]
    return {node: mean + offset for node, mean, offset in zip(layer, means, offsets, strict=True)}


def _placed(layers: Sequence[Sequence[str]], xs: Mapping[str, float], graph: Layered) -> dict[str, Box]:
    boxes: dict[str, Box] = {}
    top = 0.0
    for rank, layer in enumerate(layers):
        tall = max((graph.sizes[node][1] for node in layer), default=0.0)
        for node in layer:
            width, height = graph.sizes[node]
            boxes[node] = Box(xs[node], top + tall / 2, width, height or tall, rank)
        following = max((graph.sizes[node][1] for below in layers[rank + 1 : rank + 2] for node in below), default=0.0)
        top += tall + (GAP_LABELS if following and rank % 2 == 0 else GAP_Y)
    return boxes


def _ports(
    edges: Sequence[Edge], back: set[int], graph: Layered, boxes: Mapping[str, Box]
) -> dict[int, tuple[float, float]]:
    """Where each edge leaves and enters its boxes, so that those of one box do not lie upon each other."""
    starts: dict[int, float] = {}
    ends: dict[int, float] = {}
    forward = [number for number in range(len(edges)) if number not in back]
    for node in dict.fromkeys(end for edge in edges for end in edge[:2]):
        box = boxes[node]
        room = max(0.0, box.width - 2 * STEP)
        leaving = [number for number in forward if edges[number].source == node]
        starts |= _fanned(leaving, box.x, room, {number: boxes[graph.chains[number][1]].x for number in leaving})
        entering = [number for number in forward if edges[number].target == node]
        ends |= _fanned(entering, box.x, room, {number: boxes[graph.chains[number][-2]].x for number in entering})
    return {number: (starts.get(number, 0.0), ends.get(number, 0.0)) for number in range(len(edges))}


def _fanned(numbers: Sequence[int], centre: float, room: float, towards: Mapping[int, float]) -> dict[int, float]:
    step = min(STEP, room / max(1, len(numbers) - 1))
    inorder = sorted(numbers, key=towards.__getitem__)
    return {number: centre + (place - (len(inorder) - 1) / 2) * step for place, number in enumerate(inorder)}


def _through(chain: Sequence[str], start: float, end: float, boxes: Mapping[str, Box]) -> list[tuple[float, float]]:
    source, target = boxes[chain[0]], boxes[chain[-1]]
    points = [(start, source.y + source.height / 2)]
    for node in chain[1:-1]:
        box = boxes[node]
        if not box.height:  # no label in this layer: nothing to keep clear of
            continue
        points += [(box.x, box.y - box.height / 2), (box.x, box.y + box.height / 2)]
    nearly = len(points) == 1 and abs(start - end) < STEP / 2
    return [*points, (start if nearly else end, target.y - target.height / 2)]


def _lanes(edges: Sequence[Edge], back: set[int], boxes: Mapping[str, Box]) -> dict[int, float]:
    """The x of every edge that leads back: outside of all it passes, short ones inside of long ones."""
    lanes: dict[int, float] = {}
    for number in sorted(back):
        if edges[number].source == edges[number].target:
            box = boxes[edges[number].source]
            lanes[number] = box.x + box.width / 2 + LANE - 2
    centre = mean([box.x for box in boxes.values()], 0.0)
    for number in sorted(
        back - set(lanes), key=lambda n: (boxes[edges[n].source].layer - boxes[edges[n].target].layer, n)
    ):
        source, target = boxes[edges[number].source], boxes[edges[number].target]
        passed = [box for box in boxes.values() if target.layer - 1 <= box.layer <= source.layer + 1]
        side = 1.0 if (source.x + target.x) / 2 >= centre else -1.0
        edge = max(side * box.x + box.width / 2 for box in passed)
        taken = [side * x for x in lanes.values() if side * x >= edge]
        lanes[number] = side * max([edge + LANE, *(x + LANE for x in taken)])
    return lanes


def _around(source: Box, target: Box, lane: float) -> list[tuple[float, float]]:
    side = 1.0 if lane >= source.x else -1.0
    leaves, enters = source.x + side * source.width * 0.3, target.x + side * target.width * 0.3
    below, above = source.y + source.height / 2, target.y - target.height / 2
    turns = [(leaves, below), (leaves, below + BEND), (lane, below + BEND)]
    return [*turns, (lane, above - BEND), (enters, above - BEND), (enters, above)]
