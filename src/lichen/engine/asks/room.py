"""What a request to a model may use of every budget that binds it, before it is sent."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from lichen.core.deciders.run import RunState
from lichen.core.ports.model import ModelError, ModelRequest
from lichen.core.ports.prices import Prices
from lichen.core.words.limits import Usage
from lichen.core.words.quotas import Bound
from lichen.engine.act import Act
from lichen.engine.asks.estimate import input_tokens
from lichen.log.projections.costs import Spent, day_key, session_key

OUTPUT_TOKENS_MIN: Final = 16  # a reply of fewer says nothing

RunLimit = Literal["tokens", "cost"]


class OverBudget(ModelError):
    """A request that does not fit into a budget. `limit` is that of the run, empty for a session or day."""

    def __init__(self, budget: str, limit: RunLimit | Literal[""] = "") -> None:
        super().__init__(f"The request does not fit into {budget}.", code="model_budget_exceeded", retryable=False)
        self.limit: RunLimit | Literal[""] = limit


class Left(NamedTuple):
    """What is left of one budget: its name, the tokens and the money that remain, None where that has no bound."""

    name: str
    tokens: int | None = None
    micro_usd: int | None = None
    of_run: bool = False


class Room(NamedTuple):
    """A request as it may be sent, and what is reserved for it."""

    request: ModelRequest
    reserved: Usage
    is_unpriced: bool = False


def room_for(act: Act, model: str, request: ModelRequest) -> Room:
    """The request with as many tokens for its reply as every budget has left. Raises ModelError: OverBudget, or
    `model_unpriced` where a budget of money cannot tell."""
    budgets, prices = budgets_of(act), act.services.prices
    read = input_tokens(request)
    most = min([request.max_tokens, *(left.tokens - read for left in budgets if left.tokens is not None)])
    for left in budgets:
        if left.micro_usd is not None:
            most = _payable(left, prices, model, read, most)
    if most < min(OUTPUT_TOKENS_MIN, request.max_tokens):
        raise _over(budgets, prices, model, Usage(read, request.max_tokens))
    usage = Usage(read, most)
    cost = prices.cost(model, usage)
    fitted = request if most == request.max_tokens else msgspec.structs.replace(request, max_tokens=most)
    return Room(fitted, msgspec.structs.replace(usage, cost_micro_usd=cost or 0), is_unpriced=cost is None)


def budgets_of(act: Act) -> list[Left]:
    """Every budget that binds the run, as things stand."""
    state, budgets = act.journal.run(act.state.id), act.services.budgets(act.journal.scope)
    found = [Left("the limits of its run", state.tokens_left, state.micro_usd_left, of_run=True)]
    of_session, of_day = budgets.of_session, budgets.of_day
    if of_session is not None and state.session is not None:
        found.append(_left("its session's budget", act.journal.log.spent(session_key(state.session)), of_session))
    if of_day is not None:
        spent = act.journal.log.spent(day_key(_counted_us(act, state)))
        found.append(_left("the tenant's budget of the day", spent, of_day))
    return found


def _counted_us(act: Act, state: RunState) -> int:
    """When the attempt began to ask: on that day it counts as a whole."""
    return act.services.clock() if state.asking is None else state.asking.since_us


def _left(name: str, spent: Spent, bound: Bound) -> Left:
    money = None if bound.micro_usd is None else max(0, bound.micro_usd - spent.micro_usd_all)
    return Left(name, None if bound.tokens is None else max(0, bound.tokens - spent.tokens_all), money)


def _payable(left: Left, prices: Prices, model: str, read: int, most: int) -> int:
    """How many of `most` tokens of a reply the budget pays for, beside what is read: prices grow with tokens."""
    assert left.micro_usd is not None
    cost = prices.cost(model, Usage(read, max(0, most)))
    if cost is None:
        message = f"{left.name.capitalize()} counts money, and no price is known for {model}."
        raise ModelError(message, code="model_unpriced", retryable=False)
    if cost <= left.micro_usd:
        return most
    low, high = -1, most  # `high` tokens cost too much, `low` do not
    while high - low > 1:
        middle = (low + high) // 2
        if (prices.cost(model, Usage(read, middle)) or 0) <= left.micro_usd:
            low = middle
        else:
            high = middle
    return low


def _over(budgets: list[Left], prices: Prices, model: str, usage: Usage) -> OverBudget:
    """The error that names the budget with the least room; that of the run where others have as little."""
    least = msgspec.structs.replace(usage, output_tokens=min(OUTPUT_TOKENS_MIN, usage.output_tokens))
    cost = prices.cost(model, least)
    for left in budgets:
        if left.tokens is not None and left.tokens < least.tokens:
            return OverBudget(f"{left.name}: {left.tokens} tokens are left", "tokens" if left.of_run else "")
        if left.micro_usd is not None and cost is not None and left.micro_usd < cost:
            return OverBudget(f"{left.name}: {left.micro_usd / 1e6:.6f} USD are left", "cost" if left.of_run else "")
    return OverBudget("what is left of its budgets")
