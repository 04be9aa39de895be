"""Evals: each suite with its rates over time, and one result of it beside another."""

from __future__ import annotations

from html import escape
from typing import Annotated, Final

import msgspec

from lichen.runtime.operations.governing.evals import LAST
from lichen.runtime.trials.views import EvalBook, Rate, ResultLine, ResultView, SuiteLine
from lichen.serve.console.visit import Query, Visit
from lichen.serve.page.words import moment

WIDTH, HEIGHT, LEFT, TOP, FOOT = 720.0, 150.0, 46.0, 12.0, 26.0
STEP: Final = 44.0  # between two results, at most
BAR: Final = 200.0


class Wanted(Query, frozen=True):
    """Of which suite; of all."""

    suite: Annotated[str, msgspec.Meta(max_length=512)] | None = None


class Beside(Query, frozen=True):
    """Which result is the baseline."""

    baseline: Annotated[str, msgspec.Meta(max_length=80)] = LAST


async def listing(visit: Visit) -> EvalBook:
    """Every suite of the scope, or one."""
    return await visit.runtime.evals.list(visit.scope, visit.actor, suite=visit.query(Wanted).suite)


async def show(visit: Visit) -> ResultView:
    """The result of the path beside its baseline. Raises NotFound (`eval_unknown`)."""
    wanted = visit.query(Beside).baseline
    return await visit.runtime.evals.show(visit.scope, visit.actor, visit.part("eval"), baseline=wanted)


def plots(visit: Visit, book: EvalBook) -> dict[str, str]:
    """For each suite, a picture of its rates over time."""
    return {line.suite: over_time(line) for line in book.suites}


def over_time(line: SuiteLine) -> str:
    """A dot for each result, the oldest first, with the stretch that its rate lies in and a line through all."""
    results = line.results[::-1]
    step = min(STEP, (WIDTH - LEFT - 24) / max(1, len(results) - 1))
    points = [(LEFT + 14 + i * step, each) for i, each in enumerate(results)]
    way = " ".join(f"{x:.1f},{_y(each.rate.part):.1f}" for x, each in points if each.rate.of)
    way = f'<polyline class="way" points="{way}"/>'
    grid = "".join(_grid(part) for part in (0.0, 0.5, 1.0))
    days = _days(points)
    title = escape(f"How often {line.suite} went as expected, {len(results)} times")
    box = f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"
    dots = "".join(_dot(x, each) for x, each in points)
    return f'<svg class="rates" viewBox="{box}" role="img" aria-label="{title}">{grid}{way}{dots}{days}</svg>'


def _y(part: float) -> float:
    return TOP + (1 - part) * (HEIGHT - TOP - FOOT)


def _grid(part: float) -> str:
    y = _y(part)
    rule = f'<line class="rule" x1="{LEFT:.0f}" x2="{WIDTH:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{rule}<text class="dim" x="{LEFT - 8:.0f}" y="{y + 4:.1f}" text-anchor="end">{part:.0%}</text>'


def _dot(x: float, each: ResultLine) -> str:
    if not each.rate.of:
        return ""
    low, high, y = _y(each.rate.low), _y(each.rate.high), _y(each.rate.part)
    tone = "met" if each.is_met else "broken" if each.status == "finished" else "short"
    told = f"{moment(each.at_us)}: {each.rate.met} of {each.rate.of}, {each.status}"
    stretch = f'<line class="stretch" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
    dot = f'<circle class="{tone}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    return f"<g>{stretch}{dot}<title>{escape(told)}</title></g>"


def _days(points: list[tuple[float, ResultLine]]) -> str:
    """The day of a result where it is another than that before it, and where there is room."""
    found, free = "", 0.0
    shown = ""
    for x, each in points:
        day = moment(each.at_us)[5:10]
        if day == shown or x < free:
            continue
        found += f'<text class="dim" x="{x:.1f}" y="{HEIGHT - 6:.0f}" text-anchor="middle">{day}</text>'
        shown, free = day, x + 52
    return found


def bars(visit: Visit, view: ResultView) -> dict[str, str]:
    """For each case, a bar of the stretch its rate lies in, and below it that of the baseline."""
    return {case.name: _bars(case.rate, case.before) for case in view.cases}


def _bars(rate: Rate, before: Rate | None) -> str:
    height = 30 if before is not None else 16
    told = f"{rate.low:.0%} to {rate.high:.0%}"
    if before is not None:
        told += f", before {before.low:.0%} to {before.high:.0%}"
    box = f"0 0 {BAR:.0f} {height}"
    old = _bar(before, 22, "before") if before is not None else ""
    return f'<svg class="rate" viewBox="{box}" role="img" aria-label="{told}">{_bar(rate, 8, "now")}{old}</svg>'


def _bar(rate: Rate, y: float, kind: str) -> str:
    room = BAR - 12
    low, high, at = (6 + part * room for part in (rate.low, rate.high, rate.part))
    rail = f'<line class="rule" x1="6" x2="{6 + room:.0f}" y1="{y}" y2="{y}"/>'
    stretch = f'<line class="stretch" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'
    return f'<g class="{kind}">{rail}{stretch}<circle cx="{at:.1f}" cy="{y}" r="4.5"/></g>'
