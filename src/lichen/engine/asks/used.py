"""What is counted of models before one is asked: for a run and all that it called, its session, and the day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lichen.core.deciders.run import RunState
from lichen.core.ports.policy import ModelMeter
from lichen.core.words.ids import RunId, root_run
from lichen.core.words.limits import NO_USAGE, Usage
from lichen.engine.act import Act
from lichen.engine.journal.journal import Journal
from lichen.log.projections.costs import Spent, day_key, session_key


class Used(NamedTuple):
    """Tokens, and millionths of a US dollar."""

    tokens: int = 0
    micro_usd: int = 0

    def plus(self, other: Used) -> Used:
        """Both."""
        return Used(self.tokens + other.tokens, self.micro_usd + other.micro_usd)


Pending = Callable[[str], Used]
"""What others hold of the meters of a `session`, a `customer` or a `day`; looked up where it matters."""


def used_of(act: Act, unnoted: Used) -> Mapping[ModelMeter, int]:
    """Every meter of models as things stand. `unnoted` is what an attempt at a plan used of which the log has no word
    yet. A run outside a session counts for itself, and a child for the run that everything began with."""
    state, journal = act.journal.run(act.state.id), act.journal
    run = of_tree(journal, root_run(state.id)).plus(unnoted)
    session = run if state.session is None else spent(act, session_key(state.session)).plus(unnoted)
    day = spent(act, day_key(counted_us(act, state))).plus(unnoted)
    person = act.journal.log.person(state.subject, counted_us(act, state)).spent
    customer = Used(person.tokens_all, person.micro_usd_all).plus(unnoted)
    return {
        "run_tokens": run.tokens,
        "run_micro_usd": run.micro_usd,
        "session_tokens": session.tokens,
        "session_micro_usd": session.micro_usd,
        "customer_tokens": customer.tokens,
        "customer_micro_usd": customer.micro_usd,
        "day_tokens": day.tokens,
        "day_micro_usd": day.micro_usd,
    }


def of_tree(journal: Journal, run: RunId) -> Used:
    """What a run and all those below it used, what is reserved for their requests under way included."""
    state = journal.run(run)
    under_way = state.usage_under_way
    used = Used(state.tokens_used + under_way.tokens, state.micro_usd_used + under_way.cost_micro_usd)
    for call in state.calls.values():
        if call.child is not None:
            used = used.plus(of_tree(journal, call.child))
    return used


def unnoted(state: RunState, asked: Usage) -> Used:
    """What an attempt at the run's plan used, in all `asked`, beside what its run says that it used: less than nothing
    where a reply took less than was reserved for it."""
    asking = state.asking
    is_noted = asking is not None and (asking.step, asking.attempt) == (state.step, state.plan_attempt)
    noted = asking.usage if asking is not None and is_noted else NO_USAGE
    return Used(asked.tokens - noted.tokens, asked.cost_micro_usd - noted.cost_micro_usd)


def pending_of(act: Act, own: Used) -> Pending:
    """What requests under way hold of every meter that runs share. `own` is what the attempt holds itself beside what
    its run says of it."""

    def held(what: str) -> Used:
        state, log = act.journal.run(act.state.id), act.journal.log
        match what:
            case "session" if state.session is not None:
                found = log.spent(session_key(state.session))
            case "customer":
                found = log.person(state.subject, counted_us(act, state)).spent
            case "day":
                found = log.spent(day_key(counted_us(act, state)))
            case _:
                return Used()  # of a run's own, which nobody else gives back
        tokens, micro_usd = found.reserved_tokens + own.tokens, found.reserved_micro_usd + own.micro_usd
        return Used(max(0, tokens), max(0, micro_usd))

    return held


def counted_us(act: Act, state: RunState) -> int:
    """When the attempt began to ask: on that day it counts as a whole."""
    return act.services.clock() if state.asking is None else state.asking.since_us


def spent(act: Act, key: str) -> Used:
    """What counts against a budget under this key."""
    found: Spent = act.journal.log.spent(key)
    return Used(found.tokens_all, found.micro_usd_all)
