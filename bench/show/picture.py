"""Draws the history: a small chart for each figure, ours beside the peers', over the recorded runs. Plain SVG.

Every scale is logarithmic with a line at each doubling, so that equal steps are equal ratios in every chart.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log2
from typing import NamedTuple

from bench.figure import ROOT, Must
from bench.show.history import Run, read

PICTURE = ROOT / "bench" / "results" / "history.svg"

COLUMNS = 4
WIDTH, HEIGHT = 310, 190  # of a chart with its title
LEFT, RIGHT, TOP, BOTTOM = 44, 94, 46, 26  # around what is drawn in it
HEAD, MARGIN = 64, 16

STYLE = """
svg { font: 11px system-ui, -apple-system, "Segoe UI", sans-serif; background: #ffffff; }
.card { fill: #ffffff; } .head { font-size: 17px; font-weight: 600; } .title { font-size: 12.5px; font-weight: 600; }
text { fill: #24292f; } .soft { fill: #57606a; } .end { font-size: 9.5px; } .grid { stroke: #d8dee4; stroke-width: 1; }
.own { stroke: #0b62c4; stroke-width: 2.2; fill: none; } .dot { fill: #0b62c4; }
.own-text { fill: #0b62c4; font-weight: 600; }
.peer { stroke: #7a828c; stroke-width: 1.5; fill: none; } .dash1 { stroke-dasharray: 5 3; }
.dash2 { stroke-dasharray: 2 2; } .dash3 { stroke-dasharray: 8 3 2 3; } .peer-dot { fill: #7a828c; }
.more { stroke: #6f9fd0; stroke-width: 1.6; fill: none; } .more-dot { fill: #6f9fd0; }
.must { stroke: #b35900; stroke-width: 1.3; stroke-dasharray: 2 3; } .must-text { fill: #9a4c00; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; } .card { fill: #0d1117; } text { fill: #e6edf3; } .soft { fill: #9da7b3; }
  .grid { stroke: #2b323b; } .own { stroke: #58a6ff; } .dot { fill: #58a6ff; } .own-text { fill: #79b8ff; }
  .peer { stroke: #8b949e; } .peer-dot { fill: #8b949e; } .must { stroke: #e3933c; } .must-text { fill: #e9a65b; }
}
"""


class Line(NamedTuple):
    """One series: its value in each run, None where there is none."""

    name: str
    values: tuple[float | None, ...]


class Chart(NamedTuple):
    """What one chart shows: ours, the peers', and what ours must reach, if that is a value."""

    title: str
    unit: str
    own: Line
    peers: tuple[Line, ...] = ()
    must: float | None = None
    is_better_low: bool = True
    beside: str = "peer"  # what the other lines are, ours too in the charts of counts


FIGURES = {
    "turn none": "one turn, none tool",
    "turn once": "one turn, once tool",
    "steps 1,000 runs": "durable steps, 1,000 runs",
    "steps 1,000 runs of 1,000 tenants": "durable steps, 1,000 tenants",
    "web chat": "web chat, accepted and answered",
    "reply p50": "message to reply at 200/s, p50",
    "reply p99": "message to reply at 200/s, p99",
    "recovery 1000": "recovery of 1,000 runs",
    "import": "import lichen",
    "help": "lichen --help",
    "flood p50": "a turn beside a flood, p50",
    "flood p99": "a turn beside a flood, p99",
    "build": "import and build an agent",
    "first answer": "from nothing to the first answer",
    "model request, streamed": "a streamed request above the client",
    "model run, streamed": "a streamed run above the client",
    "flight runs": "runs, 20 ms model, 500 in flight",
    "flight kb": "memory of a run in flight",
}
UNITS = {"turn none": "a turn, none tool", "turn once": "a turn, once tool", "step": "a durable step"}
COUNTS = ("records", "appends", "seals", "barriers", "wake-ups", "Python calls")


def draw(runs: Sequence[Run]) -> str:
    """The picture of these runs, oldest first."""
    charts = [*_figures(runs), *_counts(runs)]
    rows = ceil(len(charts) / COLUMNS)
    width, height = COLUMNS * WIDTH + 2 * MARGIN, HEAD + rows * HEIGHT + MARGIN
    drawn = [
        _chart(chart, runs, MARGIN + i % COLUMNS * WIDTH, HEAD + i // COLUMNS * HEIGHT)
        for i, chart in enumerate(charts)
    ]
    first, last = runs[0], runs[-1]
    head = (
        f'<text class="head" x="{MARGIN}" y="28">Figures and counts over the commits</text>'
        f'<text class="soft" x="{MARGIN}" y="47">{len(runs)} recorded runs, {first.commit} ({first.date[:10]}) to '
        f"{last.commit} ({last.date[:10]}). Each line across is twice the one below. "
        '<tspan class="own-text">Blue: ours.</tspan> Grey: peers, measured in the same run. '
        '<tspan class="must-text">Dotted: must.</tspan></text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="Figures and counts of Lichen over the commits"><style>{STYLE}</style>'
        f'<rect class="card" width="{width}" height="{height}"/>{head}{"".join(drawn)}</svg>\n'
    )


def _figures(runs: Sequence[Run]) -> list[Chart]:
    charts: list[Chart] = []
    for key, title in FIGURES.items():
        found = [run.figure(key) for run in runs]
        known = [figure for figure in found if figure is not None]
        if not known:
            continue
        names = dict.fromkeys(name for run in runs for name in run.peers(key))
        peers = [Line(_short(name), tuple(run.peers(key).get(name) for run in runs)) for name in names]
        own = Line("ours", tuple(None if figure is None else figure.value for figure in found))
        last = known[-1]
        charts.append(Chart(title, last.unit, own, tuple(peers), _must(runs, key), last.better == "lower"))
    return charts


def _must(runs: Sequence[Run], key: str) -> float | None:
    """What the figure has to reach by the last run that says so; of a ratio, what that is beside its peer."""
    for figure in reversed([figure for run in runs for figure in run.figures if figure.key == key]):
        match figure.must:
            case Must(at=at, of="value"):
                return at
            case Must(at=at, of="ratio") if figure.peer_value:
                return figure.peer_value / at if figure.better == "lower" else figure.peer_value * at
            case _:
                continue
    return None


def _counts(runs: Sequence[Run]) -> list[Chart]:
    """One chart for each count, a line for a step and for each kind of turn."""
    charts: list[Chart] = []
    for name in COUNTS:
        values = {unit: tuple(run.counts.get(unit, {}).get(name) for run in runs) for unit in UNITS}
        if any(value is not None for each in values.values() for value in each):
            lines = [Line(unit, each) for unit, each in values.items()]
            charts.append(Chart(f"{name} per turn and step", "", lines[0], tuple(lines[1:]), beside="more"))
    return charts


def _short(peer: str) -> str:
    words = {
        "Pydantic AI + DBOS": "PAI + DBOS",
        "Pydantic AI": "Pydantic AI",
        "LangGraph, nothing": "LangGraph",
        "LangGraph + SQLite": "LG + SQLite",
        "LangGraph": "LangGraph",
        "OpenAI Agents": "OpenAI Agents",
        "DBOS": "DBOS",
        "bare Starlette": "Starlette",
    }
    known = {"import pydantic_ai": "pydantic_ai", "the same turn alone": "alone"}
    return known.get(peer) or next((short for start, short in words.items() if peer.startswith(start)), peer)


# -- one chart ---------------------------------------------------------------------------------------------------


class _Scale(NamedTuple):
    low: float  # the powers of two at which it begins and ends
    high: float

    def y(self, value: float) -> float:
        share = (log2(value) - self.low) / (self.high - self.low)
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _chart(chart: Chart, runs: Sequence[Run], x: int, y: int) -> str:
    lines = (chart.own, *chart.peers)
    shown = [value for line in lines for value in line.values if value] + ([chart.must] if chart.must else [])
    scale = _Scale(floor(log2(min(shown))), max(ceil(log2(max(shown))), floor(log2(min(shown))) + 1))
    better = "less is better" if chart.is_better_low else "more is better"
    parts = [
        f'<g transform="translate({x} {y})"><text class="title" x="0" y="16">{escape(chart.title)}</text>',
        f'<text class="soft" x="0" y="31">{f"{chart.unit}, " if chart.unit else ""}{better}</text>',
        *_grid(scale),
        *_axis(runs),
    ]
    if chart.must:
        at = scale.y(chart.must)
        parts.append(f'<line class="must" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
    for i, peer in enumerate(chart.peers):
        parts.append(_line(peer, scale, f"{chart.beside} dash{i}", f"{chart.beside}-dot", len(runs)))
    parts.append(_line(chart.own, scale, "own", "dot", len(runs)))
    parts += _ends(chart, scale)
    return "".join(parts) + "</g>"


def _grid(scale: _Scale) -> list[str]:
    step = max(1, ceil((scale.high - scale.low) / 5))
    parts: list[str] = []
    for power in range(int(scale.low), int(scale.high) + 1):
        at = scale.y(2.0**power)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        if (power - scale.low) % step == 0:
            parts.append(
                f'<text class="soft" text-anchor="end" x="{LEFT - 5}" y="{at + 4:.1f}">{_number(2.0**power)}</text>'
            )
    return parts


def _axis(runs: Sequence[Run]) -> list[str]:
    at = HEIGHT - BOTTOM + 15
    ends = [(0, "start"), (len(runs) - 1, "end")] if len(runs) > 1 else [(0, "start")]
    return [
        f'<text class="soft" text-anchor="{anchor}" x="{_x(i, len(runs)):.1f}" y="{at}">{escape(runs[i].commit)}</text>'
        for i, anchor in ends
    ]


def _line(line: Line, scale: _Scale, kind: str, dot: str, count: int) -> str:
    points = [(_x(i, count), scale.y(value)) for i, value in enumerate(line.values) if value]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle class="{dot}" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>' for x, y in points)
    return f'<polyline class="{kind}" points="{path}"/>{dots}'


def _ends(chart: Chart, scale: _Scale) -> list[str]:
    """The last value of each line beside its end, moved apart where they would cover each other."""
    labels: list[tuple[float, str, str]] = []
    for line, kind in ((chart.own, "own-text"), *((peer, "soft") for peer in chart.peers)):
        last = next((value for value in reversed(line.values) if value), None)
        if last is not None:
            text = _number(last) if line.name == "ours" else f"{line.name.removeprefix('turn ')} {_number(last)}"
            labels.append((scale.y(last) + 4, kind, text))
    if chart.must:
        labels.append((scale.y(chart.must) + 4, "must-text", f"must {_number(chart.must)}"))
    parts: list[str] = []
    lowest = 0.0
    for at, kind, text in sorted(labels):
        lowest = max(at, lowest + 11)
        parts.append(f'<text class="{kind} end" x="{WIDTH - RIGHT + 6}" y="{lowest:.1f}">{escape(text)}</text>')
    return parts


def _x(i: int, count: int) -> float:
    return LEFT + 4 + i * (WIDTH - LEFT - RIGHT - 8) / max(1, count - 1)


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write() -> None:
    """Draws what is recorded."""
    if runs := read():
        PICTURE.write_text(draw(runs))


if __name__ == "__main__":
    write()
