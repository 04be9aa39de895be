"""What a request to a model may use of every budget that binds it, before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, Literal, NamedTuple, cast

import msgspec

from lichen.core.ports.model import ModelError, ModelRequest
from lichen.core.ports.policy import AtMost, ModelMeter
from lichen.core.ports.prices import Prices
from lichen.core.words.limits import Usage
from lichen.core.words.quotas import Bound
from lichen.engine.act import Act
from lichen.engine.asks.estimate import input_tokens
from lichen.engine.asks.used import Pending, Used, counted_us, spent
from lichen.log.projections.costs import day_key, session_key

OUTPUT_TOKENS_MIN: Final = 16  # a reply of fewer says nothing

NONE: Final = Used()
RunLimit = Literal["tokens", "cost"]


class OverBudget(ModelError):
    """A request that does not fit into a budget. `limit` is that of the run, empty for a session or day."""

    def __init__(self, budget: str, limit: RunLimit | Literal[""] = "") -> None:
        super().__init__(f"The request does not fit into {budget}.", code="model_budget_exceeded", retryable=False)
        self.limit: RunLimit | Literal[""] = limit


class BudgetBusy(ModelError):
    """A request that would fit into a budget but for what requests under way have reserved of it. They give back what
    they do not use."""

    def __init__(self, budget: str) -> None:
        message = f"The request does not fit into {budget}: requests under way hold the rest of it."
        super().__init__(message, code="model_budget_busy")


class Left(NamedTuple):
    """What is left of one budget: its name, the tokens and the money that remain, None where that has no bound. What
    other requests under way hold of it is `pending`, and may come back."""

    name: str
    tokens: int | None = None
    micro_usd: int | None = None
    of_run: bool = False
    pending: Callable[[], Used] = Used

    def lacks(self, tokens: int, micro_usd: int, held: Used = NONE) -> bool:
        """Whether it has less than this, with what is held given back."""
        has_tokens = self.tokens is None or self.tokens + held.tokens >= tokens
        return not (has_tokens and (self.micro_usd is None or self.micro_usd + held.micro_usd >= micro_usd))


class Room(NamedTuple):
    """A request as it may be sent, and what is reserved for it."""

    request: ModelRequest
    reserved: Usage
    is_unpriced: bool = False


def room_for(prices: Prices, budgets: Sequence[Left], model: str, request: ModelRequest) -> Room:
    """The request with as many tokens for its reply as every budget has left. Raises ModelError: OverBudget,
    BudgetBusy, or `model_unpriced` where a budget of money cannot tell."""
    read = input_tokens(request)
    most = min([request.max_tokens, *(left.tokens - read for left in budgets if left.tokens is not None)])
    for left in budgets:
        if left.micro_usd is not None:
            most = _payable(left, prices, model, read, most)
    if most < min(OUTPUT_TOKENS_MIN, request.max_tokens):
        least = Usage(read, min(OUTPUT_TOKENS_MIN, request.max_tokens))
        raise _over(budgets, msgspec.structs.replace(least, cost_micro_usd=prices.cost(model, least) or 0))
    usage = Usage(read, most)
    cost = prices.cost(model, usage)
    fitted = request if most == request.max_tokens else msgspec.structs.replace(request, max_tokens=most)
    return Room(fitted, msgspec.structs.replace(usage, cost_micro_usd=cost or 0), is_unpriced=cost is None)


def check_fits(budgets: Sequence[Left], cost: Usage) -> None:
    """Raises OverBudget or BudgetBusy where one of the budgets has less left than this."""
    if any(left.lacks(cost.tokens, cost.cost_micro_usd) for left in budgets):
        raise _over(budgets, cost)


def budgets_of(act: Act, unnoted: Used, pending: Pending = lambda what: NONE) -> list[Left]:
    """Every budget that binds the run, as things stand. `unnoted` is what the attempt used of which the log has no word
    yet, `pending` what other requests hold of what runs share."""
    state, budgets = act.journal.run(act.state.id), act.services.budgets(act.journal.scope)
    money = state.micro_usd_free
    of_run = (state.tokens_free - unnoted.tokens, None if money is None else money - unnoted.micro_usd)
    found = [Left("the limits of its run", *of_run, of_run=True)]
    of_session, of_day = budgets.of_session, budgets.of_day
    if of_session is not None and state.session is not None:
        in_session = spent(act, session_key(state.session)).plus(unnoted)
        found.append(_left("its session's budget", in_session, of_session, partial(pending, "session")))
    if of_day is not None:
        today = spent(act, day_key(counted_us(act, state))).plus(unnoted)
        found.append(_left("the tenant's budget of the day", today, of_day, partial(pending, "day")))
    return found


def capped(
    caps: Iterable[AtMost],
    policies: Sequence[str],
    used: Mapping[ModelMeter, int],
    pending: Pending = lambda what: NONE,
) -> list[Left]:
    """What policies let the request bring its meters to, as budgets like those that a project sets."""
    found: list[Left] = []
    for cap in caps:
        left = cap.limit - used[cast(ModelMeter, cap.meter)]
        name, of_run = f"what policy allows, {cap.meter} <= {cap.limit} ({', '.join(policies)})", "run_" in cap.meter
        in_tokens = cap.meter.endswith("_tokens")
        held = partial(pending, cap.meter.partition("_")[0])
        found.append(Left(name, left if in_tokens else None, None if in_tokens else left, of_run=of_run, pending=held))
    return found


def _left(name: str, used: Used, bound: Bound, pending: Callable[[], Used]) -> Left:
    money = None if bound.micro_usd is None else bound.micro_usd - used.micro_usd
    return Left(name, None if bound.tokens is None else bound.tokens - used.tokens, money, pending=pending)


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


def _over(budgets: Sequence[Left], least: Usage) -> ModelError:
    """The error that names the budget with the least room; that of the run where others have as little. One that is
    used up says more than one of which others hold the rest."""
    cost = (least.tokens, least.cost_micro_usd)
    lacking = [left for left in budgets if left.lacks(*cost)]
    over = next((left for left in lacking if left.lacks(*cost, left.pending())), None)
    if over is not None:
        return _named(over, in_tokens=over.tokens is not None and over.tokens < least.tokens)
    return BudgetBusy(lacking[0].name) if lacking else OverBudget("what is left of its budgets")


def _named(left: Left, *, in_tokens: bool) -> OverBudget:
    if in_tokens:
        return OverBudget(f"{left.name}: {max(0, left.tokens or 0)} tokens are left", "tokens" if left.of_run else "")
    usd = max(0, left.micro_usd or 0) / 1e6
    return OverBudget(f"{left.name}: {usd:.6f} USD are left", "cost" if left.of_run else "")
