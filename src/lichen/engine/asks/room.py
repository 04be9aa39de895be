"""What a request to a model may use of every budget that binds it, before it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, cast

import msgspec

from lichen.core.ports.model import ModelError, ModelRequest
from lichen.core.ports.policy import AtMost, ModelMeter
from lichen.core.ports.prices import Prices
from lichen.core.words.limits import Usage
from lichen.core.words.quotas import Bound
from lichen.engine.act import Act
from lichen.engine.asks.estimate import input_tokens
from lichen.engine.asks.used import Used, counted_us, spent
from lichen.log.projections.costs import day_key, session_key

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


def room_for(prices: Prices, budgets: Sequence[Left], model: str, request: ModelRequest) -> Room:
    """The request with as many tokens for its reply as every budget has left. Raises ModelError: OverBudget, or
    `model_unpriced` where a budget of money cannot tell."""
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


def check_fits(budgets: Sequence[Left], cost: Usage) -> None:
    """Raises OverBudget where one of the budgets has less left than this."""
    for left in budgets:
        is_over = left.micro_usd is not None and left.micro_usd < cost.cost_micro_usd
        if is_over or (left.tokens is not None and left.tokens < cost.tokens):
            raise _named(left, in_tokens=not is_over)


def budgets_of(act: Act, unnoted: Used) -> list[Left]:
    """Every budget that binds the run, as things stand. `unnoted` is what the attempt used of which the log has no word
    yet."""
    state, budgets = act.journal.run(act.state.id), act.services.budgets(act.journal.scope)
    money = state.micro_usd_free
    of_run = (state.tokens_free - unnoted.tokens, None if money is None else money - unnoted.micro_usd)
    found = [Left("the limits of its run", *of_run, of_run=True)]
    of_session, of_day = budgets.of_session, budgets.of_day
    if of_session is not None and state.session is not None:
        found.append(_left("its session's budget", spent(act, session_key(state.session)).plus(unnoted), of_session))
    if of_day is not None:
        today = spent(act, day_key(counted_us(act, state))).plus(unnoted)
        found.append(_left("the tenant's budget of the day", today, of_day))
    return found


def capped(caps: Iterable[AtMost], policies: Sequence[str], used: Mapping[ModelMeter, int]) -> list[Left]:
    """What policies let the request bring its meters to, as budgets like those that a project sets."""
    found: list[Left] = []
    for cap in caps:
        left = cap.limit - used[cast(ModelMeter, cap.meter)]
        name, of_run = f"what policy allows, {cap.meter} <= {cap.limit} ({', '.join(policies)})", "run_" in cap.meter
        in_tokens = cap.meter.endswith("_tokens")
        found.append(Left(name, left if in_tokens else None, None if in_tokens else left, of_run=of_run))
    return found


def _left(name: str, used: Used, bound: Bound) -> Left:
    money = None if bound.micro_usd is None else bound.micro_usd - used.micro_usd
    return Left(name, None if bound.tokens is None else bound.tokens - used.tokens, money)


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


def _over(budgets: Sequence[Left], prices: Prices, model: str, usage: Usage) -> OverBudget:
    """The error that names the budget with the least room; that of the run where others have as little."""
    least = msgspec.structs.replace(usage, output_tokens=min(OUTPUT_TOKENS_MIN, usage.output_tokens))
    cost = prices.cost(model, least)
    for left in budgets:
        if left.tokens is not None and left.tokens < least.tokens:
            return _named(left, in_tokens=True)
        if left.micro_usd is not None and cost is not None and left.micro_usd < cost:
            return _named(left, in_tokens=False)
    return OverBudget("what is left of its budgets")


def _named(left: Left, *, in_tokens: bool) -> OverBudget:
    if in_tokens:
        return OverBudget(f"{left.name}: {max(0, left.tokens or 0)} tokens are left", "tokens" if left.of_run else "")
    usd = max(0, left.micro_usd or 0) / 1e6
    return OverBudget(f"{left.name}: {usd:.6f} USD are left", "cost" if left.of_run else "")
