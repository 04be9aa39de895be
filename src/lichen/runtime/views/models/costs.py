"""What models cost a tenant: by day, agent and model, and what is left of its budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta

import msgspec

from lichen.core.words.quotas import Budgets
from lichen.log.projections.costs import AskedRow, Spent, TalkedRow

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


class AgentCost(msgspec.Struct, frozen=True):
    """What one agent cost on one day, whatever model it asked."""

    day: str
    agent: str
    micro_usd: int
    tokens: int


class ModelCost(msgspec.Struct, frozen=True):
    """What one model cost in a session; fields as those of `CostRow`."""

    model: str
    requests: int
    failed: int
    input_tokens: int
    output_tokens: int
    cached: int
    micro_usd: int
    estimated_micro_usd: int
    unpriced: int


class SessionCost(msgspec.Struct, frozen=True):
    """What a session's runs, and those that they called, cost by now, in all and by model. What is `reserved` is for
    requests under way; of `micro_usd`, `estimated_micro_usd` nobody confirmed."""

    requests: int
    tokens: int
    micro_usd: int
    estimated_micro_usd: int
    reserved_tokens: int
    reserved_micro_usd: int
    budgets: tuple[BudgetView, ...]
    models: tuple[ModelCost, ...]


class BudgetView(msgspec.Struct, frozen=True):
    """One bound of today's, and what counts against it: spent, and reserved for requests under way or lost."""

    name: str
    bound: float
    used: float


class CostBook(msgspec.Struct, frozen=True):
    """What models cost from `first` to `last`, both included: the rows, sums by day and model and by day and agent, and
    all of it."""

    first: str
    last: str
    requests: int
    tokens: int
    micro_usd: int
    estimated_micro_usd: int
    budgets: tuple[BudgetView, ...]
    days: tuple[DayCost, ...]
    agents: tuple[AgentCost, ...]
    rows: tuple[CostRow, ...]


def session_cost(rows: Iterable[TalkedRow], spent: Spent, budgets: Budgets) -> SessionCost:
    """The costs of a session, the dearest model first."""
    models = tuple(
        ModelCost(r.model, r.requests, r.failed, r.input, r.output, r.cached, r.micro_usd, r.estimated, r.unpriced)
        for r in sorted(rows, key=lambda row: (-row.micro_usd, row.model))
    )
    return SessionCost(
        requests=sum(model.requests for model in models),
        tokens=sum(model.input_tokens + model.output_tokens for model in models),
        micro_usd=sum(model.micro_usd for model in models),
        estimated_micro_usd=sum(model.estimated_micro_usd for model in models),
        reserved_tokens=spent.reserved_tokens,
        reserved_micro_usd=spent.reserved_micro_usd,
        budgets=tuple(_bounds("session", budgets.tokens_per_session, budgets.cost_usd_per_session, spent)),
        models=models,
    )


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
        budgets=tuple(_bounds("day", budgets.tokens_per_day, budgets.cost_usd_per_day, today)),
        days=tuple(DayCost(*each) for each in _by(rows, lambda row: row.model)),
        agents=tuple(AgentCost(*each) for each in _by(rows, lambda row: row.agent)),
        rows=rows,
    )


def _bounds(of: str, tokens: int | None, usd: float | None, spent: Spent) -> Iterable[BudgetView]:
    """The bounds there are, of a day or a session."""
    if tokens is not None:
        yield BudgetView(f"tokens_per_{of}", tokens, spent.tokens_all)
    if usd is not None:
        yield BudgetView(f"cost_usd_per_{of}", usd, spent.micro_usd_all / 1e6)


def _by(rows: Iterable[CostRow], name: Callable[[CostRow], str]) -> Iterable[tuple[str, str, int, int]]:
    """Money and tokens by day and what a row is named for, in that order."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        money, tokens = sums.get((row.day, name(row)), (0, 0))
        sums[row.day, name(row)] = (money + row.micro_usd, tokens + row.input_tokens + row.output_tokens)
    return ((*place, *sums[place]) for place in sorted(sums))


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
