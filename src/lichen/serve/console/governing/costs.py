"""What models cost a tenant: the book of the last days, and its picture by day and model."""

from __future__ import annotations

from datetime import date, timedelta
from html import escape
from typing import Final

from lichen.runtime.views.models.costs import CostBook, DayCost
from lichen.serve.console.visit import Visit
from lichen.serve.page.words import usd

DAYS: Final = 14
TONES: Final = 5  # models with a colour of their own; those that cost least share the last
WIDTH, HEIGHT, LEFT, TOP, FOOT = 720.0, 220.0, 88.0, 14.0, 26.0


async def show(visit: Visit) -> CostBook:
    """The last fortnight."""
    return visit.runtime.costs.show(visit.scope, visit.actor, days=DAYS)


def drawing(visit: Visit, book: CostBook) -> str | None:
    """A bar for each day, a piece of it for each model; None where nothing cost anything."""
    sums: dict[str, int] = {}
    for each in book.days:
        sums[each.model] = sums.get(each.model, 0) + each.micro_usd
    most = max((sum(e.micro_usd for e in book.days if e.day == day) for day in _dates(book)), default=0)
    if not most:
        return None
    models = sorted(sums, key=lambda model: -sums[model])
    bars = "".join(_bar(book, day, x, most, models) for x, day in enumerate(_dates(book)))
    keys = "".join(_key(i, model) for i, model in enumerate(models[: TONES - 1]))
    scale = f'<text class="dim" x="{LEFT - 8:.0f}" y="{TOP + 8:.0f}" text-anchor="end">{usd(most)}</text>'
    box = f"0 0 {WIDTH:.0f} {HEIGHT + 34:.0f}"
    return f'<svg class="costs" viewBox="{box}" role="img" aria-label="Cost by day and model">{scale}{bars}{keys}</svg>'


def _key(i: int, model: str) -> str:
    """The colour of a model, with its name."""
    x, name = LEFT + i * 160, escape(model if len(model) <= 23 else f"{model[:22]}…")
    box = f'<rect class="tone{i}" width="10" height="10"/>'
    return f'<g transform="translate({x:.0f} {HEIGHT + 14:.0f})">{box}<text x="16" y="9">{name}</text></g>'


def _dates(book: CostBook) -> list[str]:
    """The days of the book, the newest first: on a phone the others are scrolled to."""
    first, last = date.fromisoformat(book.first), date.fromisoformat(book.last)
    return [(last - timedelta(days=i)).isoformat() for i in range((last - first).days + 1)]


def _bar(book: CostBook, day: str, place: int, most: int, models: list[str]) -> str:
    step = (WIDTH - LEFT) / DAYS
    x, y, pieces = LEFT + place * step, HEIGHT - FOOT, ""
    for each in sorted((e for e in book.days if e.day == day), key=lambda e: models.index(e.model)):
        height = (HEIGHT - FOOT - TOP) * each.micro_usd / most
        y -= height
        pieces += _piece(each, (x, y, step * 0.7, height), min(models.index(each.model), TONES - 1))
    label = f'<text class="dim" x="{x + step * 0.35:.1f}" y="{HEIGHT - 8:.0f}" text-anchor="middle">{day[5:]}</text>'
    return pieces + label


def _piece(each: DayCost, box: tuple[float, float, float, float], tone: int) -> str:
    x, y, width, height = (f"{value:.1f}" for value in box)
    title = escape(f"{each.day} {each.model}: {usd(each.micro_usd)}, {each.tokens:,} tokens")
    return f'<rect class="tone{tone}" x="{x}" y="{y}" width="{width}" height="{height}"><title>{title}</title></rect>'
