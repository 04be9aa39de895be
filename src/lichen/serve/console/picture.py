"""A timeline as shapes: where each span, mark and label is drawn. Widths are in units of the picture, not pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lichen.runtime.views.timeline import Lane, LaneKind, Mark, Span, Timeline
from lichen.serve.axis import Axis
from lichen.serve.page.words import clock, duration

WIDTH, NAMES, RIGHT = 1000.0, 172.0, 12.0
TOP, ROW, LANE_GAP, FOOT = 40.0, 22.0, 8.0, 10.0
NAME_CHARS_MAX = 24
LABEL_PX = 7.3
LABEL_APART, TICK_APART = 66.0, 48.0
BAR_MIN = 6.0


class Bar(NamedTuple):
    """A span. `label` is empty where there is no room for it."""

    x: float
    y: float
    width: float
    tone: str
    label: str
    title: str


class Dot(NamedTuple):
    """A decision."""

    x: float
    y: float
    tone: str
    title: str


class Row(NamedTuple):
    """A lane: its name and its band."""

    y: float
    height: float
    indent: float
    name: str
    full_name: str
    kind: LaneKind
    bars: tuple[Bar, ...]
    dots: tuple[Dot, ...]


class Line(NamedTuple):
    """Something vertical with a few words."""

    x: float
    tone: str
    label: str
    title: str


class Picture(NamedTuple):
    """Everything to be drawn."""

    width: float
    height: float
    left: float
    rows: tuple[Row, ...]
    ticks: tuple[Line, ...]
    folds: tuple[tuple[float, float, str], ...]
    clocks: tuple[Line, ...]
    marks: tuple[Line, ...]


def picture(timeline: Timeline) -> Picture:
    """The shapes of a timeline."""
    axis = _axis(timeline)
    rows: list[Row] = []
    y = TOP
    for lane in timeline.lanes:
        row = _row(axis, lane, y, timeline.end_us)
        rows.append(row)
        y += row.height + LANE_GAP
    folds = tuple((_tenth(f.left), _tenth(f.right), duration(f.end_us - f.start_us)) for f in axis.folds)
    ticks = tuple(_ticks(axis))
    marks = tuple(Line(_tenth(axis.x(mark.at_us)), mark.kind, _short(mark), mark.summary) for mark in timeline.marks)
    clocks = tuple(Line(_tenth(piece.left), "clock", clock(piece.start_us), "") for piece in axis.runs)
    return Picture(WIDTH, y + FOOT, NAMES, tuple(rows), ticks, folds, _apart(clocks, marks), marks)


def _ticks(axis: Axis) -> Iterator[Line]:
    """Ticks whose label has room beside those of the folds."""
    middles = [(fold.left + fold.right) / 2 for fold in axis.folds]
    for piece in axis.runs:
        for tick in axis.ticks(piece):
            if all(abs(tick.x - middle) > TICK_APART for middle in middles):
                yield Line(_tenth(tick.x), "tick", f"+{duration(tick.offset_us)}", "")


def _axis(timeline: Timeline) -> Axis:
    spans = [(lane, span) for lane in timeline.lanes for span in lane.spans]
    moments = {timeline.start_us, max(timeline.end_us, timeline.start_us + 1_000)}
    moments |= {mark.at_us for mark in timeline.marks}
    moments |= {mark.at_us for lane in timeline.lanes for mark in lane.marks}
    busy: list[tuple[int, int]] = []
    for lane, span in spans:
        end_us = timeline.end_us if span.end_us is None else span.end_us
        moments |= {span.start_us, end_us}
        if lane.kind in ("planner", "tool"):
            busy.append((span.start_us, end_us))
    return Axis(moments, busy, NAMES, WIDTH - RIGHT)


def _row(axis: Axis, lane: Lane, y: float, now_us: int) -> Row:
    bars: list[Bar] = []
    ends: list[float] = []  # where each line of the lane is taken up to
    for span in sorted(lane.spans, key=lambda span: span.start_us):
        bar = _bar(axis, lane, span, now_us)
        line = next((i for i, end in enumerate(ends) if end <= bar.x), len(ends))
        ends[line : line + 1] = [bar.x + bar.width]
        bars.append(bar._replace(y=y + 3 + line * ROW))
    height = max(1, len(ends)) * ROW
    dots = tuple(Dot(_tenth(axis.x(mark.at_us)), y + ROW / 2, mark.kind, mark.summary) for mark in lane.marks)
    indent = 14.0 * lane.depth
    name = lane.name if len(lane.name) <= NAME_CHARS_MAX else f"{lane.name[: NAME_CHARS_MAX - 1]}…"
    return Row(y, height, indent, name, lane.name, lane.kind, tuple(bars), dots)


def _bar(axis: Axis, lane: Lane, span: Span, now_us: int) -> Bar:
    end_us = now_us if span.end_us is None else span.end_us
    left, right = axis.x(span.start_us), axis.x(end_us)
    width = max(BAR_MIN, right - left)
    took = "still open" if span.end_us is None else duration(end_us - span.start_us)
    title = f"{lane.name} · {span.label} · {span.summary} · {took}"
    label = next((text for text in (f"{span.label} {took}", span.label) if len(text) * LABEL_PX < width - 8), "")
    tone = "open" if span.end_us is None else span.outcome
    return Bar(_tenth(min(left, WIDTH - RIGHT - width)), 0.0, _tenth(width), f"{lane.kind} {tone}", label, title)


def _short(mark: Mark) -> str:
    return {"owned": "taken over", "limit_reached": "limit", "signal": "signal"}.get(mark.kind, "")


def _apart(lines: tuple[Line, ...], marks: tuple[Line, ...]) -> tuple[Line, ...]:
    """Labels that would lie upon the one before, or upon that of a mark, are left out."""
    kept: list[Line] = []
    for line in lines:
        others = [*kept[-1:], *(mark for mark in marks if mark.label)]
        if all(abs(line.x - other.x) > LABEL_APART for other in others):
            kept.append(line)
    return tuple(kept)


def _tenth(x: float) -> float:
    return round(x, 1)
