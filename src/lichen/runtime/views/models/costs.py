"""What models cost a tenant: by day, agent and model, and what is left of its budgets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import msgspec

from lichen.core.words.quotas import Budgets
from lichen.log.projections.costs import AskedRow, Spent

EPOCH = date(1970, 1, 1)


class CostRow(msgspec.Struct, frozen=True):
    """What one agent asked of one model on one day (UTC, `YYYY-MM-DD`). Of `micro_usd`, millionths of a US dollar,
    `estimated_micro_usd` nobody confirmed; `unpriced` requests count as free since their model has no price."""

    day: str
    agent: str
    model: str
    requests: int
    failed: int
    input_tokens: int
    output_tokens: int
    cached: int
    micro_usd: int
    estimated_micro_usd: int
    unpriced: int
    mean_us: int


class DayCost(msgspec.Struct, frozen=True):
    """What one model cost on one day, whoever asked it."""

    day: str
    model: str
    micro_usd: int
    tokens: int


class BudgetView(msgspec.Struct, frozen=True):
    """One bound of today's, and what counts against it: spent, and reserved for requests under way or lost."""

    name: str
    bound: float
    used: float


class CostBook(msgspec.Struct, frozen=True):
    """What models cost from `first` to `last`, both included: the rows, sums by day and model, and all of it."""

    first: str
    last: str
    requests: int
    tokens: int
    micro_usd: int
    estimated_micro_usd: int
    budgets: tuple[BudgetView, ...]
    days: tuple[DayCost, ...]
    rows: tuple[CostRow, ...]


def cost_book(first: date, last: date, found: Iterable[AskedRow], budgets: Budgets, today: Spent) -> CostBook:
    """The book of these rows, newest day first."""
    rows = tuple(map(_row, sorted(found, key=lambda row: (-row.day, -row.micro_usd, row.agent, row.model))))
    return CostBook(
        first=first.isoformat(),
        last=last.isoformat(),
        requests=sum(row.requests for row in rows),
        tokens=sum(row.input_tokens + row.output_tokens for row in rows),
        micro_usd=sum(row.micro_usd for row in rows),
        estimated_micro_usd=sum(row.estimated_micro_usd for row in rows),
        budgets=tuple(_budgets(budgets, today)),
        days=tuple(_days(rows)),
        rows=rows,
    )


def _budgets(budgets: Budgets, today: Spent) -> Iterable[BudgetView]:
    if budgets.tokens_per_day is not None:
        yield BudgetView("tokens_per_day", budgets.tokens_per_day, today.tokens_all)
    if budgets.cost_usd_per_day is not None:
        yield BudgetView("cost_usd_per_day", budgets.cost_usd_per_day, today.micro_usd_all / 1e6)


def _days(rows: Iterable[CostRow]) -> Iterable[DayCost]:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        money, tokens = sums.get((row.day, row.model), (0, 0))
        sums[row.day, row.model] = (money + row.micro_usd, tokens + row.input_tokens + row.output_tokens)
    return (DayCost(day, model, *sums[day, model]) for day, model in sorted(sums))


def _row(row: AskedRow) -> CostRow:
    return CostRow(
        (EPOCH + timedelta(days=row.day)).isoformat(),
        row.agent,
        row.model,
        row.requests,
        row.failed,
        row.input,
        row.output,
        row.cached,
        row.micro_usd,
        row.estimated,
        row.unpriced,
        row.duration_us // row.requests if row.requests else 0,
    )
