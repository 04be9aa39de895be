"""The shapes and colours of a picture of a flow, as SVG text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from lichen.flows.draw.layout import Box
from lichen.flows.read.graph import Look

FONT: Final = "ui-sans-serif, system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, DejaVu Sans, sans-serif"

_ROUND: Final = 'stroke-linecap="round" stroke-linejoin="round"'

_TONES: Final = {
    "paper": ("#fbfcfa", "#0f1411"),
    "card": ("#ffffff", "#161d19"),
    "ink": ("#17201b", "#e4ebe6"),
    "soft": ("#5c6a62", "#9fada5"),
    "line": ("#a9b6ad", "#4a5951"),
    "green": ("#1f6b47", "#7fd0a4"),
    "green-fill": ("#dcf0e4", "#17382a"),
    "amber": ("#8a5200", "#f0b95c"),
    "amber-fill": ("#fbecd0", "#3c2c10"),
    "blue": ("#1d5a99", "#8cc0f5"),
    "blue-fill": ("#dcebfa", "#173049"),
    "violet": ("#67409f", "#c6a9f5"),
    "violet-fill": ("#ece3f8", "#30214a"),
    "raised": ("#eef1ec", "#1e2722"),
}

_LOOKS: Final[dict[Look, tuple[str, str, str]]] = {
    "say": ("green", "green-fill", "M2.5 3.5h11v7h-6l-3 2.6v-2.6h-2z"),
    "ask": ("amber", "amber-fill", "M8 2.2a5.8 5.8 0 1 0 .01 0M8 4.8v3.4l2.3 1.6"),
    "approve": (
        "amber",
        "amber-fill",
        "M8 1.8l5 1.9v3.8c0 3.2-2.1 5.4-5 6.7c-2.9-1.3-5-3.5-5-6.7v-3.8zM5.7 7.9l1.7 1.7l3-3.2",
    ),
    "agent": ("violet", "violet-fill", "M8 2l1.5 4.5l4.5 1.5l-4.5 1.5l-1.5 4.5l-1.5-4.5l-4.5-1.5l4.5-1.5z"),
    "tool": (
        "blue",
        "blue-fill",
        "M9.6 2.4a3.4 3.4 0 0 0-3 5.2L2.4 11.8l1.8 1.8l4.2-4.2a3.4 3.4 0 0 0 4.8-4l-2 2L9.3 5.5l2-2a3 3 0 0 0-1.7-1.1z",
    ),
    "state": (
        "soft",
        "raised",
        "M3 4.2c0-2.3 10-2.3 10 0v7.6c0 2.3-10 2.3-10 0zM3 4.2c0 2.3 10 2.3 10 0M3 8c0 2.3 10 2.3 10 0",
    ),
    "flow": ("soft", "raised", "M4 2.5v5.5a2.5 2.5 0 0 0 2.5 2.5h6M9.8 7.6l2.9 2.9l-2.9 2.9"),
}


def smooth(path: Sequence[tuple[float, float]]) -> str:
    """A path of curves between layers that is straight through the layers it passes."""
    x, y = path[0]
    parts = [f"M{number(x)} {number(y)}"]
    for step, (to_x, to_y) in enumerate(path[1:], 1):
        if step % 2 == 0:  # through the layer of other boxes, straight down
            parts.append(f"L{number(to_x)} {number(to_y)}")
        else:
            middle = number((y + to_y) / 2)
            parts.append(f"C{number(x)} {middle} {number(to_x)} {middle} {number(to_x)} {number(to_y)}")
        x, y = to_x, to_y
    return "".join(parts)


def rounded(path: Sequence[tuple[float, float]]) -> str:
    """A path of straight lines with round corners."""
    parts = [f"M{number(path[0][0])} {number(path[0][1])}"]
    for (ax, ay), (x, y), (bx, by) in zip(path, path[1:], path[2:], strict=False):
        before, after = abs(x - ax) + abs(y - ay), abs(bx - x) + abs(by - y)
        radius = min(8.0, before / 2, after / 2)
        from_x, from_y = x + (ax - x) / (before or 1) * radius, y + (ay - y) / (before or 1) * radius
        to_x, to_y = x + (bx - x) / (after or 1) * radius, y + (by - y) / (after or 1) * radius
        parts.append(f"L{number(from_x)} {number(from_y)}Q{number(x)} {number(y)} {number(to_x)} {number(to_y)}")
    return "".join(parts) + f"L{number(path[-1][0])} {number(path[-1][1])}"


def head(path: Sequence[tuple[float, float]], tone: str) -> str:
    """The tip of an arrow at a path's end."""
    x, y = path[-1]
    return f'<path d="M{number(x)} {number(y)}l-4.2 -7.5h8.4z" {fill(tone)} {stroke(tone)} stroke-linejoin="round"/>'


def rect(box: Box, wider: float, radius: float, style: str) -> str:
    """A box drawn as a rectangle, wider on every side by `wider`."""
    place = f'x="{number(box.x - box.width / 2 - wider)}" y="{number(box.y - box.height / 2 - wider)}"'
    size = f'width="{number(box.width + 2 * wider)}" height="{number(box.height + 2 * wider)}" rx="{number(radius)}"'
    return f"<rect {place} {size} {style}/>"


def icon(box: Box, look: Look) -> str:
    """The sign of a look, at the left of a box."""
    tone, ground, shape = _LOOKS[look]
    left, line = box.x - box.width / 2 + 9, f'fill="none" stroke-width="1.4" {_ROUND} {stroke(tone)}'
    place = f'x="{number(left)}" y="{number(box.y - 14)}"'
    move = f'transform="translate({number(left + 6)} {number(box.y - 8)})"'
    return f'<rect {place} width="28" height="28" rx="8" {fill(ground)}/><path {move} d="{shape}" {line}/>'


def turned(box: Box) -> str:
    """The arrow that turns back, in the middle of a box."""
    shape = f"M{number(box.x + 3.6)} {number(box.y + 3)}v-2.5a1.6 1.6 0 0 0-1.6-1.6h-5.6m2.4-2.4l-2.4 2.4l2.4 2.4"
    return f'<path d="{shape}" fill="none" stroke-width="1.3" {_ROUND} {stroke("soft")}/>'


def text(words: str, x: float, y: float, style: str) -> str:
    """Words at a place."""
    return f'<text x="{number(x)}" y="{number(y)}" {style}>{escaped(words)}</text>'


def fill(tone: str) -> str:
    """The attribute that fills a shape."""
    return f'fill="{_colour(tone)}"'


def stroke(tone: str) -> str:
    """The attribute that draws a line."""
    return f'stroke="{_colour(tone)}"'


def _colour(tone: str) -> str:
    light, dark = _TONES[tone]
    return f"var(--lichen-{tone}, light-dark({light}, {dark}))"


def number(value: float) -> str:
    """A number as short as a picture needs it."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def escaped(words: str) -> str:
    """Text for XML, without what XML may not hold."""
    return escape("".join(max(char, " ") for char in words))
