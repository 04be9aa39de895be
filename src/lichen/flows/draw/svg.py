"""A flow as a picture: SVG that stands alone, and sits in any page, light or dark.

Colours are attributes and take a page's `--lichen-*` properties where there are some, so that no style sheet of ours is
needed and none of the page's is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from lichen.core.words.errors import Invalid
from lichen.flows.draw import pen
from lichen.flows.draw.layers import Edge
from lichen.flows.draw.layout import Box, Picture, arranged
from lichen.flows.ir import Flow
from lichen.flows.read.graph import Drawn, Graph, Mark, graph_of

NODES_MAX: Final = 300
LABEL_CHARS_MAX: Final = 30
HEIGHT: Final = 48.0
MARGIN: Final = 24.0
ID_PX: Final = 8.2  # what a letter takes at most on average, in fonts that are wide
SMALL_PX: Final = 6.5
WIDE_PX: Final = 380.0
LOOSE_IN_A_COLUMN: Final = 6

_MARKS: Final = {
    "start": "The flow begins here",
    "end": "The flow ends here",
    "reply": "Replies, and the flow ends here",
}


def svg(flow: Flow, taken: Sequence[str] = (), current: str | None = None) -> str:
    """The flow from above to below. `taken` are the nodes walked, in their order; `current` is where the run stands.

    Raises Invalid `flow_too_large` for more nodes or long ways than a picture can hold.
    """
    if len(flow.nodes) > NODES_MAX:
        message = f"The flow has {len(flow.nodes)} nodes; a picture holds {NODES_MAX}."
        raise Invalid(message, code="flow_too_large", next_step="Split the flow, or draw it with --format mermaid.")
    return _Drawing(flow, taken, current).text()


class _Drawing:
    """One picture while it is put together."""

    def __init__(self, flow: Flow, taken: Sequence[str], current: str | None) -> None:
        self._flow = flow
        self._graph = graph_of(flow)
        self._current = current
        walked = taken if current is None or current in taken[-1:] else (*taken, current)
        self._taken = frozenset(walked)
        self._steps = frozenset(pairwise(walked))
        self._edges, self._labels = _edges(self._graph)
        self._picture: Picture = arranged(_sizes(self._graph), [*self._edges, *_hidden(self._graph)])

    def text(self) -> str:
        """The whole document."""
        left, top, width, height = self._bounds()
        name = self._flow.metadata.title or self._flow.id
        size = f'width="{pen.number(width)}" height="{pen.number(height)}"'
        view = f'viewBox="{" ".join(map(pen.number, (left, top, width, height)))}" {size}'
        back = Box(left + width / 2, top + height / 2, width, height, 0)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {view} role="img" font-family="{pen.FONT}" font-size="13">',
            f"<title>{pen.escaped(f'Flow {name}: {len(self._flow.nodes)} nodes')}</title>",
            pen.rect(back, 0, 12, pen.fill("paper")),
            self._halo(),
            *(self._edge(number) for number in self._inorder()),
            *(self._node(node) for node in self._graph.nodes),
            *(self._mark(mark) for mark in self._graph.marks),
            *(self._label(number) for number in range(len(self._edges))),
            "</svg>",
        ]
        return "\n".join(part for part in parts if part) + "\n"

    def _inorder(self) -> list[int]:
        return sorted(range(len(self._edges)), key=self._is_taken)  # those taken lie above the others

    def _is_taken(self, number: int) -> bool:
        source, target = self._edges[number].source, self._edges[number].target
        return (source, target) in self._steps

    def _bounds(self) -> tuple[float, float, float, float]:
        boxes = self._picture.boxes.values()
        points = [point for path in self._picture.paths[: len(self._edges)] for point in path]
        xs = [x for box in boxes for x in (box.x - box.width / 2, box.x + box.width / 2)] + [x for x, _ in points]
        ys = [y for box in boxes for y in (box.y - box.height / 2, box.y + box.height / 2)] + [y for _, y in points]
        for number, (text, _) in self._labels.items():
            x, _, anchor = self._label_at(number)
            wide = _label_width(text)
            xs += [x + wide] if anchor == "start" else [x - wide] if anchor == "end" else [x - wide / 2, x + wide / 2]
        left, top = min(xs, default=0.0) - MARGIN, min(ys, default=0.0) - MARGIN
        return left, top, max(xs, default=0.0) + MARGIN - left, max(ys, default=0.0) + MARGIN - top

    def _halo(self) -> str:
        box = self._picture.boxes.get(self._current or "")
        return pen.rect(box, 6, 15, pen.fill("green-fill")) if box is not None else ""

    def _edge(self, number: int) -> str:
        path = self._picture.paths[number]
        d = pen.rounded(path) if number in self._picture.lanes else pen.smooth(path)
        is_taken = self._is_taken(number)
        tone, width = ("green", "2.4") if is_taken else ("line", "1.5")
        head = "" if self._edges[number].target.startswith("\0") and not is_taken else pen.head(path, tone)
        line = f'<path d="{d}" fill="none" {pen.stroke(tone)} stroke-width="{width}" stroke-linecap="round"/>'
        return f"{line}{head}"

    def _label(self, number: int) -> str:
        if number not in self._labels:
            return ""
        text, whole = self._labels[number]
        x, y, anchor = self._label_at(number)
        halo = f'{pen.stroke("paper")} stroke-width="5" stroke-linejoin="round" paint-order="stroke"'
        tone = "green" if self._is_taken(number) else "soft"
        title = f"<title>{pen.escaped(whole)}</title>" if whole != text else ""
        place = f'x="{pen.number(x)}" y="{pen.number(y)}" text-anchor="{anchor}" font-size="11"'
        return f"<text {place} {pen.fill(tone)} {halo}>{title}{pen.escaped(text)}</text>"

    def _label_at(self, number: int) -> tuple[float, float, str]:
        path = self._picture.paths[number]
        if number in self._picture.lanes:
            (x, below), (_, above) = path[2], path[3]
            return (
                (x + 6, (below + above) / 2 + 4, "start")
                if x >= path[0][0]
                else (x - 6, (below + above) / 2 + 4, "end")
            )
        box = self._picture.labels[number]
        return box.x, box.y + 4, "middle"

    def _node(self, node: Drawn) -> str:
        box = self._picture.boxes[node.id]
        is_taken = node.id in self._taken
        border = f'{pen.stroke("green" if is_taken else "line")} stroke-width="{2 if is_taken else 1.2}"'
        border += ' stroke-dasharray="5 4"' if node.is_loose else ""
        ink, about = ("soft", f"{node.id}: {node.operation}, nothing leads here") if node.is_loose else ("ink", "")
        name, operation = _elided(node.id, int((box.width - 56) / ID_PX)), node.operation
        said = _elided(operation, int((box.width - 56) / SMALL_PX))
        parts = [
            f"<g><title>{pen.escaped(about or f'{node.id}: {operation}')}</title>",
            pen.rect(box, 0, 10, f"{pen.fill('card')} {border}"),
            pen.icon(box, node.look),
            pen.text(name, box.x - box.width / 2 + 46, box.y - 3, f'font-weight="600" {pen.fill(ink)}'),
            pen.text(said, box.x - box.width / 2 + 46, box.y + 13, f'font-size="11" {pen.fill("soft")}'),
            "</g>",
        ]
        return "".join(parts)

    def _mark(self, mark: Mark) -> str:
        box = self._picture.boxes[f"\0{mark.id}"]
        here = f'cx="{pen.number(box.x)}" cy="{pen.number(box.y)}"'
        title = f"<title>{pen.escaped(': '.join(filter(None, (_MARKS[mark.what], mark.label))))}</title>"
        ring = f'<circle {here} r="8" {pen.fill("card")} {pen.stroke("soft")} stroke-width="1.5"/>'
        match mark.what:
            case "start" if mark.label:
                name = _elided(mark.label, LABEL_CHARS_MAX)
                pill = pen.rect(box, 0, box.height / 2, f"{pen.fill('raised')} {pen.stroke('line')}")
                inside = pen.text(name, box.x, box.y + 4, f'text-anchor="middle" font-size="11" {pen.fill("soft")}')
                return f"<g>{title}{pill}{inside}</g>"
            case "start":
                return f'<g>{title}<circle {here} r="6" {pen.fill("soft")}/></g>'
            case "end":
                return f'<g>{title}{ring}<circle {here} r="4" {pen.fill("soft")}/></g>'
            case "reply":
                return f"<g>{title}{ring}{pen.turned(box)}</g>"


def _sizes(graph: Graph) -> dict[str, tuple[float, float]]:
    """The size of everything; where a flow begins comes first, so that it stands above."""
    starts = {f"\0{mark.id}": _start_size(mark.label) for mark in graph.marks if mark.what == "start"}
    nodes = {node.id: (_width(node), HEIGHT) for node in graph.nodes}
    return starts | nodes | {f"\0{mark.id}": (16.0, 16.0) for mark in graph.marks if mark.what != "start"}


def _start_size(label: str) -> tuple[float, float]:
    return (20 + _label_width(_elided(label, LABEL_CHARS_MAX)), 22.0) if label else (16.0, 16.0)


def _edges(graph: Graph) -> tuple[list[Edge], dict[int, tuple[str, str]]]:
    """The edges, and the labels of some of them: as written, and whole."""
    edges: list[Edge] = []
    labels: dict[int, tuple[str, str]] = {}
    found = [tuple(way) for way in graph.ways]
    for mark in graph.marks:
        end = f"\0{mark.id}"
        found.append((end, mark.of, "") if mark.what == "start" else (mark.of, end, mark.label))
    for source, target, label in found:
        text = _elided(" ".join(label.split()), LABEL_CHARS_MAX)
        if text:
            labels[len(edges)] = (text, label)
        edges.append(Edge(source, target, _label_width(text) if text else 0.0))
    return edges, labels


def _hidden(graph: Graph) -> list[Edge]:
    """Edges that nobody sees, from the start to nodes that nothing leads to and from one of these to the next: they
    stand in columns beside the flow then, not in a row above it."""
    led = {way.target for way in graph.ways if way.source != way.target}
    roots = [node.id for node in graph.nodes if node.is_loose and node.id not in led]
    starts = [f"\0{mark.id}" for mark in graph.marks if mark.what == "start"][:1]
    found: list[Edge] = []
    for i, root in enumerate(roots):
        before = roots[i - 1 : i] if i % LOOSE_IN_A_COLUMN else starts
        found += [Edge(source, root) for source in before]
    return found


def _width(node: Drawn) -> float:
    return min(WIDE_PX, max(132.0, 60 + len(node.id) * ID_PX, 60 + len(node.operation) * SMALL_PX))


def _label_width(text: str) -> float:
    return len(text) * SMALL_PX


def _elided(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(1, room - 1)]}…"
