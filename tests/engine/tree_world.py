"""A run, the run it calls, and the run that one calls, with all that the engine appends to several of them at once.

What concerns one run alone happens as in the world of a run; what concerns several is made by the engine's own
functions. As there, every record stands at position 0 and time 0, and any timer may fire at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import moves, run
from lichen.core.deciders.run import Obligation, RunState
from lichen.core.words.ids import AgentName, RunId, StreamId, child_run, run_stream
from lichen.engine.journal import standstill, tree
from lichen.testing.explore import Edge, Step
from tests.core import run_rules
from tests.core.run_world import RUN, SAID, Batch, Bounds, Node, Outcomes, RunWorld, evolved

Moves = Mapping[StreamId, moves.Drafts]


class Tree(NamedTuple):
    """The runs, the one at the top first, and what of the bounds they have used up."""

    runs: tuple[RunState, ...]
    pauses: int = 0
    crashes: int = 0

    def run(self, id: RunId) -> RunState:
        """The state of one; of one that is not there, as nothing is known of it."""
        return next((state for state in self.runs if state.id == id), run.start_state(id))

    def caller(self, state: RunState) -> RunState | None:
        """The run that called it."""
        return None if state.parent is None else self.run(state.parent.run)


class TreeBounds(NamedTuple):
    """What the run at each depth may do, and what may happen to all."""

    depths: tuple[Bounds, ...]
    fires: tuple[str, ...] = ("deadline", "grace", "call", "wait")  # kinds of timers
    cancels: int = 0
    pauses: int = 0
    crashes: int = 0


class TreeWorld:
    """A tree of runs within bounds."""

    def __init__(self, bounds: TreeBounds) -> None:
        self._bounds = bounds
        self._depths = [_Alone(each, bounds.fires) for each in bounds.depths]

    def first(self) -> Tree:
        return Tree((evolved(run.start_state(RUN), (e.Draft(self._depths[0].started),)),))

    def key(self, node: Tree) -> Hashable:
        return msgspec.msgpack.encode(node, order="deterministic")

    def steps(self, node: Tree) -> Iterator[Step[Tree]]:
        for state in node.runs:
            for name, drafts in self._depths[state.depth].alone(state):
                yield self._step(f"{state.depth} {name}", node, {run_stream(state.id): drafts})
            for obligation in run.decide(state):
                for name, told in self._together(node, state, obligation):
                    yield self._step(f"{state.depth} {obligation.id}: {name}", node, told)
        yield from self._all(node)

    def _together(self, node: Tree, s: RunState, o: Obligation) -> Iterator[tuple[str, Moves]]:
        """What an obligation appends to more than its run."""
        match o.verb:
            case "exec" if o.call is not None and s.calls[o.call].effects == "child":
                yield "start", self._started(s, o)
            case "child-cancel":
                assert o.call is not None
                call = s.calls[o.call]
                child = node.run(call.child or child_run(s.id, call.id, call.attempt))
                told = e.Draft(e.CallProgressed(call.id, call.attempt, "child_cancelled"))
                late = () if s.is_over else moves.child_late(s, call, child, 0)
                stopped = moves.cancel(child, "parent_stopped" if s.is_over else "timeout", f"parent-{call.attempt}")
                yield "told", {run_stream(child.id): stopped, run_stream(s.id): (told, *late)}
            case "finish":
                yield "done", self._ended(node, s)
            case _:
                pass

    def _started(self, s: RunState, o: Obligation) -> Moves:
        assert o.call is not None
        call = s.calls[o.call]
        child = child_run(s.id, call.id, call.attempt)
        limits = self._depths[s.depth + 1].bounds.limits
        parent = e.Parent(s.id, call.id)
        begun = e.RunStarted(AgentName("shop.helper"), "customer_1", limits, parent=parent, depth=s.depth + 1)
        started = e.CallStarted(call.id, call.attempt, s.epoch, child, 1, due_us=1)
        return {run_stream(s.id): (e.Draft(started),), run_stream(child): (e.Draft(begun),)}

    def _ended(self, node: Tree, s: RunState) -> Moves:
        ended: dict[StreamId, moves.Drafts] = {run_stream(s.id): moves.finish(s, SAID)}
        caller = node.caller(s)
        if caller is not None and s.parent is not None:
            ended[run_stream(caller.id)] = moves.child_ended(caller, s.parent.call, s, (), 0)
        return ended

    def _all(self, node: Tree) -> Iterator[Step[Tree]]:
        """What happens to the whole tree."""
        top, journal = node.runs[0], cast("Any", node)
        if self._bounds.cancels and (told := tree.cancel_tree(journal, top, "requested", "x1")):
            yield self._step("cancel", node, told)
        if node.pauses < self._bounds.pauses and (told := tree.halt_tree(journal, top, "pause", ("operator",), "o")):
            yield self._step("halt", node._replace(pauses=node.pauses + 1), told)
        if top.is_halted:
            yield self._step("resumed", node, tree.resume_tree(journal, top, "operator_1"))
        if node.crashes < self._bounds.crashes and not top.outcome:
            owned = {run_stream(s.id): (e.Draft(e.Owned(s.epoch + 1)),) for s in node.runs if not s.outcome}
            yield self._step("crash", node._replace(crashes=node.crashes + 1), owned)

    def _step(self, name: str, node: Tree, told: Moves) -> Step[Tree]:
        """The append of all that, with what callers learn of it, as a journal appends it."""
        whole = standstill.with_callers(told, node.run)
        runs = {state.id: state for state in node.runs}
        for stream, drafts in whole.items():
            id = RunId(stream.id)
            runs[id] = evolved(node.run(id), drafts)
        controls = tuple(draft.control for drafts in whole.values() for draft in drafts)
        return Step(name, controls, node._replace(runs=tuple(runs.values())))


class _Alone(RunWorld):
    def __init__(self, bounds: Bounds, fires: tuple[str, ...]) -> None:
        super().__init__(bounds)
        self._fires = fires

    def alone(self, s: RunState) -> Outcomes:
        """Everything that can happen to the run without another one."""
        for o in run.decide(s):
            is_child = o.call is not None and s.calls[o.call].effects == "child"
            if o.verb not in ("finish", "child-cancel") and not (o.verb == "exec" and is_child):
                yield from ((f"{o.id}: {name}", drafts) for name, drafts in self._verbs[o.verb](s, o))
        for wait in s.waits.values():
            if wait.kind != "pause":
                yield from self._answers(s, wait)
        due = [timer for timer in s.timers if timer.partition("/")[0] in self._fires]
        yield from ((f"{timer} fires", moves.fire(s, timer)) for timer in due)


def is_fair(edge: Edge) -> bool:
    """Whether this brings the tree nearer to its end by itself: nobody cancels, and no time runs out."""
    return not edge.name.startswith(("cancel", "crash", "halt")) and not edge.name.endswith("fires")


# -- what must hold ----------------------------------------------------------------------------------------------

TOLD = "a call waits exactly while the run that executes it stands still"
STILL = "whoever waits for somebody uses up no time of those above it"
CLOCK = "one clock runs in each run, none while it or one below it stands still"
ORPHAN = "no run goes on below one that is over"


def is_told(node: Tree) -> bool:
    for child in node.runs:
        caller = node.caller(child)
        call = None if caller is None or child.parent is None else caller.calls.get(child.parent.call)
        is_executing = call is not None and call.phase == "running" and call.child == child.id
        if call is not None and is_executing and not child.outcome and call.is_waiting is not child.stands_still:
            return False
    return True


def is_still(node: Tree) -> bool:
    for state in node.runs:
        is_waiting = not state.outcome and any(wait.stops_budget for wait in state.waits.values())
        if is_waiting and any(_passes(caller, call) for caller, call in _above(node, state)):
            return False
    return True


def _above(node: Tree, state: RunState) -> Iterator[tuple[RunState, str]]:
    """Every run that waits for this one, with the call by which it does."""
    caller = node.caller(state)
    while caller is not None and state.parent is not None:
        call = caller.calls.get(state.parent.call)
        if call is None or call.phase != "running" or call.child != state.id:
            return
        yield caller, f"call/{call.id}/{call.attempt}"
        state, caller = caller, node.caller(caller)


def _passes(caller: RunState, call: str) -> bool:
    return any(timer in ("deadline", "grace", call) for timer in caller.timers)


def has_one_clock(node: Tree) -> bool:
    return all(run_rules.has_one_clock(run_rules.look(Node(state))) for state in node.runs)


def has_no_orphan(node: Tree) -> bool:
    for state in node.runs:
        caller = node.caller(state)
        if caller is not None and caller.outcome and not (state.outcome or state.cancel):
            return False
    return True


def is_end(node: Tree) -> bool:
    """Whether every run has ended."""
    return all(state.outcome for state in node.runs)


RULES: dict[str, Callable[[Tree], bool]] = {
    TOLD: is_told,
    STILL: is_still,
    CLOCK: has_one_clock,
    ORPHAN: has_no_orphan,
}

CALLS = Bounds(plans=((Batch(("child",)),),))
ASKS = Bounds(plans=((Batch((), ("clarification",)),),))
ACTS = Bounds(plans=((Batch(("once",)),),), checks=2)
