"""A run whose planner asks models, and whose calls may: what is reserved before each request, lost with an attempt or a
call, settled with a reply.

Beside the run stands what its models may have used, as their provider knows it: of a request that is under way or lost
all that was reserved for it, of one that was answered what the reply said. What a run has left binds each request.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves
from lichen.core.deciders.run import Call, Obligation, RunState
from lichen.core.words.limits import NO_USAGE, Usage
from lichen.testing.explore import Controls, Graph, Step
from tests.core.run_world import SAID, Bounds, Node, Outcomes, RunWorld, batch_drafts, batch_name

ONE = Usage(output_tokens=1)
REQUEST_TOKENS = 2  # that one request may use


class Ledger(NamedTuple):
    """What models may have used: for attempts that are over, for the one that asked last, and which that is; and for
    requests of calls of which nobody heard yet."""

    closed: int = 0
    open: int = 0
    attempt: tuple[int, int] | None = None
    calls: tuple[tuple[str, int], ...] = ()

    @property
    def tokens(self) -> int:
        """All of it."""
        return self.closed + self.open + sum(tokens for _, tokens in self.calls)

    def after(self, controls: Controls) -> Ledger:
        """The same after these records. That an attempt is lost changes nothing: what it used nobody knows."""
        ledger = self
        for control in controls:
            match control:
                case e.PlanStarted(model=model) if model:
                    ledger = ledger._asked(control)
                case e.Planned(error=error) if error != "lost":
                    ledger = ledger._answered(control)
                case e.CallAsked():
                    ledger = ledger._of_call(control)
                case e.CallFinished() | e.CallProgressed(what="retry"):
                    ledger = ledger._replace(closed=ledger.closed + control.used_tokens)
                case _:
                    pass
        return ledger

    def _asked(self, c: e.PlanStarted) -> Ledger:
        at_most = ((c.reserved or NO_USAGE) + (c.used or NO_USAGE)).tokens
        before = 0 if self.attempt == (c.step, c.attempt) else self.open
        return self._replace(closed=self.closed + before, open=at_most, attempt=(c.step, c.attempt))

    def _answered(self, c: e.Planned) -> Ledger:
        if self.attempt != (c.step, c.attempt):
            return self._replace(closed=self.closed + c.usage.tokens)
        return self._replace(closed=self.closed + c.usage.tokens, open=0, attempt=None)

    def _of_call(self, c: e.CallAsked) -> Ledger:
        """What a request of a call that is lost used nobody knows: it stays as it was."""
        name = f"{c.call}/{c.number}"
        if c.asked is None:
            return self._replace(calls=tuple(sorted((*self.calls, (name, c.reserved.tokens)))))
        if c.asked.outcome == "lost":
            return self
        others = tuple(each for each in self.calls if each[0] != name)
        return self._replace(closed=self.closed + c.asked.usage.tokens, calls=others)


class Asked(NamedTuple):
    """A state of the run, and what its models may have used."""

    node: Node
    ledger: Ledger = Ledger()


class AskingWorld:
    """A run whose planner makes at most so many requests for one plan, and each of its calls so many, within bounds."""

    def __init__(self, bounds: Bounds, *, asks: int, of_calls: int = 0) -> None:
        self._world = _Run(bounds, asks, of_calls)

    @property
    def started(self) -> e.RunStarted:
        """The first record."""
        return self._world.started

    def first(self) -> Asked:
        return Asked(self._world.first())

    def key(self, node: Asked) -> Hashable:
        return (self._world.key(node.node), node.ledger)

    def steps(self, node: Asked) -> Iterator[Step[Asked]]:
        for name, controls, after in self._world.steps(node.node):
            yield Step(name, controls, Asked(after, node.ledger.after(controls)))


class _Run(RunWorld):
    def __init__(self, bounds: Bounds, asks: int, of_calls: int) -> None:
        super().__init__(bounds._replace(is_pure=False))
        self._asks, self._of_calls = asks, of_calls

    def _plan(self, s: RunState, o: Obligation) -> Outcomes:
        """One attempt: it settles what an earlier one lost before it does anything, as the engine does."""
        assert s.due is not None
        if s.asking is not None and not s.wants_plan(s.asking.step, s.asking.attempt):
            yield "is lost", moves.lost(s)
            yield "is heard after all", (e.Draft(_superseded(s, ONE)),)
            return
        if s.asks_lost and s.asking is None:
            yield "is lost", moves.lost(s)
            return
        if not s.is_planning:
            yield "begins", (e.Draft(e.PlanStarted(s.step, s.plan_attempt, s.due)),)
        yield from self._requests(s)
        if s.is_planning:
            for told, usage in _usages(s):
                yield from ((f"{name}, {told}", drafts) for name, drafts in self._plans(s, usage))

    def _requests(self, s: RunState) -> Outcomes:
        """The next request, which may use what the run has left: after the reply to those before, or beside them."""
        assert s.due is not None
        asking = s.asking
        made = 0 if asking is None else asking.requests
        if made >= self._asks:
            return
        room = min(REQUEST_TOKENS, s.tokens_left)
        if not room:
            yield "does not fit", self._too_much(s)
            return
        plain = e.PlanStarted(s.step, s.plan_attempt, s.due, "model:", asked=made + int(s.is_planning))
        more = Usage(output_tokens=room)
        if asking is None:
            yield "asks", (e.Draft(msgspec.structs.replace(plain, reserved=more)),)
            return
        beside = msgspec.structs.replace(plain, reserved=asking.reserved + more, used=asking.used)
        yield "asks beside", (e.Draft(beside),)
        after = msgspec.structs.replace(plain, reserved=more, used=asking.used + ONE)
        yield "is answered, asks again", (e.Draft(after),)

    def _too_much(self, s: RunState) -> moves.Drafts:
        planned = e.Planned(s.step, s.plan_attempt, s.due or "start", usage=_least(s))
        if s.limit:
            return moves.admit(s, msgspec.structs.replace(planned, has_answer=True), SAID, {})
        return moves.over_budget(s, msgspec.structs.replace(planned, error="over"), (), "tokens")

    def _plans(self, s: RunState, usage: Usage) -> Outcomes:
        planned = e.Planned(s.step, s.plan_attempt, s.due or "start", usage=usage)
        yield "answer", moves.admit(s, msgspec.structs.replace(planned, has_answer=True), SAID, {})
        if s.plan_failures < self.bounds.errors:
            yield "error", moves.admit(s, msgspec.structs.replace(planned, error="planner_error"), (), {})
        if not s.limit and s.step < len(self.bounds.plans):
            for batch in self.bounds.plans[s.step]:
                yield batch_name(batch), batch_drafts(s, planned, batch)

    def _exec(self, s: RunState, o: Obligation) -> Outcomes:
        """A child is lent a share of the tokens that are left. A call in this process asks models, and ends once each
        of its requests did."""
        call = s.calls[o.call] if o.call is not None else None
        assert call is not None
        is_made = call.effects != "child" and (call.phase == "running" or call.effects == "none")
        under_way = next((each for each in s.asks.values() if each.call == call.id and each.epoch == s.epoch), None)
        if is_made and under_way is not None:
            for told, usage in (("for all of it", under_way.usage), ("for little", ONE)):
                asked = e.ModelAsked("model:", "ok", usage)
                yield f"is answered {told}", (e.Draft(e.CallAsked(call.id, under_way.number, "model:", asked=asked)),)
            return
        if is_made and call.asks < self._of_calls and (room := min(REQUEST_TOKENS, s.tokens_left)):
            yield "asks", (e.Draft(e.CallAsked(call.id, call.asks, "model:", Usage(output_tokens=room))),)
        for name, drafts in super()._exec(s, o):
            lent = moves.share(s.tokens_left, s) if call.effects == "child" else 0
            yield name, tuple(_lending(draft, lent) for draft in drafts)

    def _unasked(self, s: RunState, call: Call) -> Outcomes:
        """A child that ends has used nothing of what it was lent, or all."""
        for name, drafts in super()._unasked(s, call):
            yield name, drafts
            yield f"{name}, all used", tuple(_using(draft, call.reserved_tokens) for draft in drafts)

    def _finish(self, s: RunState, o: Obligation) -> Outcomes:
        if s.asking is not None or s.asks:
            yield "is lost", moves.lost(s)
        else:
            yield "done", moves.finish(s, SAID)


def _lending(draft: e.Draft, tokens: int) -> e.Draft:
    if not isinstance(draft.control, e.CallStarted):
        return draft
    return e.Draft(msgspec.structs.replace(draft.control, reserved_tokens=tokens))


def _using(draft: e.Draft, tokens: int) -> e.Draft:
    control = draft.control
    if isinstance(control, e.CallFinished) or (isinstance(control, e.CallProgressed) and control.what == "retry"):
        return e.Draft(msgspec.structs.replace(control, used_tokens=tokens))
    return draft


def _usages(s: RunState) -> Iterator[tuple[str, Usage]]:
    """What the requests of an attempt may have used, when all have been answered."""
    if s.asking is None:
        yield "unasked", NO_USAGE
        return
    yield "for all of it", s.asking.usage
    yield "for little", _least(s)


def _least(s: RunState) -> Usage:
    return NO_USAGE if s.asking is None else s.asking.used + ONE


def _superseded(s: RunState, usage: Usage) -> e.Planned:
    assert s.asking is not None
    return e.Planned(s.asking.step, s.asking.attempt, s.asking.reason, usage=usage, error="superseded")


# -- what must hold ----------------------------------------------------------------------------------------------

FITS = "what models may have used, and children may still, fits into the run's limit"
TRUE = "what a run says its models used is all that they may have used"
SETTLED = "nothing is reserved any more once the run is over"


def fits(asked: Asked) -> bool:
    s = asked.node.state
    lent = sum(call.reserved_tokens for call in s.calls.values())
    return asked.ledger.tokens + lent <= s.limits.tokens


def is_true(asked: Asked) -> bool:
    s = asked.node.state
    return s.tokens_used + s.usage_under_way.tokens == asked.ledger.tokens


def is_settled(asked: Asked) -> bool:
    s = asked.node.state
    return not s.outcome or (s.asking is None and not s.asks)


RULES = {FITS: fits, TRUE: is_true, SETTLED: is_settled}


def of_runs(graph: Graph[Asked]) -> Graph[Node]:
    """The same graph as the rules of a run look at it."""
    return graph.seen_as(lambda asked: asked.node)
