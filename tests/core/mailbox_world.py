"""A session's mailbox with everything that can happen to it: people who write, runs that talk, ask, wait and end.

Its runs are played: all that matters of them here is who is alive, who was told to stop and who asked something. As in
`run_world`, positions and times are abstracted.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Literal, NamedTuple

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import mailbox, moves, talk
from lichen.core.deciders.mailbox import Handover, MailboxState
from lichen.core.deciders.run import Obligation
from lichen.core.words.content import Content
from lichen.core.words.ids import AgentName, MessageId, RunId, SessionId, TurnId, WaitId
from lichen.testing.explore import Edge, Step

SESSION = SessionId("ses-1")
TEXT = Content("text", "customer_1", b"text")
READ = 1  # more records than there are: everything is at position 0


class Bounds(NamedTuple):
    """How much may happen."""

    double_texting: e.DoubleTexting = "enqueue"
    delivery: Literal["pull", "push"] = "push"
    messages: int = 2  # from the customer
    says: int = 0  # of all runs together, besides answers and notices
    questions: int = 0
    attempts: int = 1  # at delivering a message, before it fails
    crashes: int = 0
    releases: int = 0
    closes: int = 0
    handovers: int = 0  # of all runs together
    attends: int = 0  # by people, to all hand-overs


class Run(NamedTuple):
    """A played run. `asked` is its open question, `handed` its open hand-over."""

    id: RunId
    is_cancelled: bool = False
    asked: WaitId | None = None
    handed: WaitId | None = None


class Node(NamedTuple):
    """A state of the mailbox, its runs, and what of the bounds is used up."""

    state: MailboxState
    runs: tuple[Run, ...] = ()
    says: int = 0
    questions: int = 0
    releases: int = 0
    handovers: int = 0
    attends: int = 0


Happening = tuple[str, moves.Drafts, Node]


class MailboxWorld:
    """A mailbox within bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds

    def first(self) -> Node:
        opened = e.MailboxOpened(
            AgentName("shop.support"), "customer_1", "web", self.bounds.delivery, self.bounds.double_texting
        )
        return Node(evolved(mailbox.start_state(SESSION), (e.Draft(opened),)))

    def key(self, node: Node) -> Hashable:
        outbox = tuple(node.state.outbox)  # the order in which messages go out
        return msgspec.msgpack.encode((node, outbox), order="deterministic")

    def steps(self, node: Node) -> Iterator[Step[Node]]:
        for name, drafts, after in self._happenings(node):
            state = evolved(node.state, drafts)
            yield Step(name, tuple(d.control for d in drafts), after._replace(state=state))

    def _happenings(self, node: Node) -> Iterator[Happening]:
        s = node.state
        for obligation in mailbox.decide(s):
            yield from self._open_turn(node) if obligation.verb == "turn" else self._deliver(node, obligation)
        if s.received < self.bounds.messages and not s.is_closed:
            yield self._receive(node)
        for run in node.runs:
            yield from self._live(node, run)
        for timer in s.timers:
            if not timer.startswith("handover/"):
                yield f"{timer} fires", (e.Draft(e.TimerFired(timer)),), node
        if s.handover is not None:
            yield from self._attend(node, s.handover)
        if self.bounds.delivery == "pull":
            yield from self._pull(node)
        if s.epoch <= self.bounds.crashes:
            yield "crash", (e.Draft(e.Owned(s.epoch + 1)),), node
        if self.bounds.closes and not s.is_closed:
            yield "close", (e.Draft(e.MailboxClosed("requested")),), _cancelled(node)

    # -- what comes in -------------------------------------------------------------------------------------------

    def _receive(self, node: Node) -> Happening:
        s = node.state
        message = MessageId(f"m{s.received + 1}")
        kind = mailbox.disposition(s)
        closed: moves.Drafts = ()
        notice: moves.Drafts = ()
        after = node
        run, wait = (s.turn.run if s.turn is not None else None), None
        match kind:
            case "answered":
                run, wait = s.questions[-1].run, s.questions[-1].wait
                closed = (e.Draft(e.WaitClosed(run, wait, "answered", "customer_1")),)
                after = _with_run(node, Run(run, _run(node, run).is_cancelled))
            case "joined" if run is not None and _run(node, run).is_cancelled:
                kind = "queued"
            case "interrupts":
                kind, after = "queued", _cancelled(node)
            case "rejected":
                notice = (talk.queue(s, "notice", TEXT, token=f"rejected/{message}"),)
            case _:
                pass
        if kind == "handed":
            assert s.handover is not None
            run, wait = s.handover.run, s.handover.wait
        joined = run if kind in ("answered", "joined", "handed") else None
        received = e.Draft(e.MessageReceived(message, message, kind, joined, wait))
        return f"customer writes {message}", (*closed, received, *notice), after

    def _open_turn(self, node: Node) -> Iterator[Happening]:
        s = node.state
        taken = mailbox.next_messages(s)
        turn = talk.next_turn(s)
        run = Run(RunId(f"run-{turn}"))
        opened = e.Draft(e.TurnOpened(turn, run.id, tuple(m.message for m in taken)))
        yield f"turn {turn}", (opened,), node._replace(runs=(*node.runs, run))

    # -- what runs do --------------------------------------------------------------------------------------------

    def _live(self, node: Node, run: Run) -> Iterator[Happening]:
        s = node.state
        has_turn = s.turn is not None and s.turn.run == run.id
        if node.says < self.bounds.says and not run.is_cancelled:
            drafts = (talk.queue(s, "say", TEXT, run=run.id),)
            yield f"{run.id} says", drafts, node._replace(says=node.says + 1)
        if node.questions < self.bounds.questions and not run.is_cancelled and run.asked is None:
            yield self._ask(node, run)
        if run.asked is not None:
            closed = (e.Draft(e.WaitClosed(run.id, run.asked, "expired")),)
            yield f"{run.id} {run.asked} expires", closed, _with_run(node, run._replace(asked=None))
        if has_turn and node.releases < self.bounds.releases:
            notice = talk.queue(s, "notice", TEXT, run=run.id, token=f"notice/{run.id}")
            released = (notice, *talk.close_turn(s, run.id, "released"))
            yield (
                f"{run.id} waits for somebody else",
                released,
                _with_run(node._replace(releases=node.releases + 1), run._replace(asked=None)),
            )
        if has_turn and node.handovers < self.bounds.handovers and not run.is_cancelled and s.handover is None:
            yield self._hand_over(node, run)
        yield from self._end(node, run)

    def _hand_over(self, node: Node, run: Run) -> Happening:
        """The run gives its turn back, and the conversation to a person."""
        wait = WaitId(f"h{node.handovers + 1}")
        notice = talk.queue(node.state, "notice", TEXT, run=run.id, token=f"handover/{wait}")
        opened = e.Draft(e.WaitOpened(run.id, wait, "handover", may_answer=("operator",), expires_at_us=1))
        drafts = (notice, *talk.close_turn(node.state, run.id, "released"), opened)
        after = _with_run(node._replace(handovers=node.handovers + 1), run._replace(asked=None, handed=wait))
        return f"{run.id} hands over {wait}", drafts, after

    def _attend(self, node: Node, handover: Handover) -> Iterator[Happening]:
        """What a person does who has the conversation, and how it comes back."""
        s, run = node.state, _run(node, handover.run)
        if node.attends < self.bounds.attends:
            number = node.attends + 1
            reply = talk.queue(s, "reply", TEXT, run=run.id, token=f"reply/{number}", by="operator_1")
            attended = e.HandoverAttended(run.id, handover.wait, "operator_1", f"a{number}", READ, 1)
            drafts = (e.Draft(attended), reply)
            yield f"a person writes to {handover.wait}", drafts, node._replace(attends=number)
        without = _with_run(node, run._replace(handed=None))
        fired = e.Draft(e.TimerFired(handover.timer))
        for name, first in (("comes back", ()), ("is left alone", (fired,))):
            outcome = "expired" if first else "answered"
            yield f"{handover.wait} {name}", (*first, *talk.end_handover(s, run.id, outcome)), without

    def _ask(self, node: Node, run: Run) -> Happening:
        wait = WaitId(f"w{node.questions + 1}")
        question = talk.queue(node.state, "question", TEXT, run=run.id, token=f"question/{wait}")
        opened = e.Draft(e.WaitOpened(run.id, wait, "clarification", may_answer=("customer",)))
        after = _with_run(node._replace(questions=node.questions + 1), run._replace(asked=wait))
        return f"{run.id} asks {wait}", (question, opened), after

    def _end(self, node: Node, run: Run) -> Iterator[Happening]:
        s = node.state
        answer = talk.queue(s, "answer", TEXT, run=run.id, token=f"answer/{run.id}")
        turn = TurnId(run.id.removeprefix("run-"))
        closed = talk.end_turn(s, run.id, turn, "cancelled" if run.is_cancelled else "answered")
        after = node._replace(runs=tuple(r for r in node.runs if r.id != run.id))
        if run.is_cancelled or run.id in s.released:
            yield f"{run.id} ends in silence", closed, after
        if not run.is_cancelled or run.id in s.released:
            yield f"{run.id} ends", (answer, *closed), after

    # -- what goes out -------------------------------------------------------------------------------------------

    def _deliver(self, node: Node, o: Obligation) -> Iterator[Happening]:
        out = node.state.outbox[MessageId(o.id.split("/")[1])]
        if out.is_doubtful:
            settled = e.DeliverySettled(out.message, out.attempt, "delivered")
            yield f"{o.id}: is there", (e.Draft(settled),), node
            again = e.DeliverySettled(out.message, out.attempt, "retry", "interrupted")
            yield f"{o.id}: again at once", (e.Draft(again),), node
            yield from self._doubt(node, out.message, out.attempt)
            return
        if not out.is_in_flight:
            yield f"{o.id}: sends", (e.Draft(e.DeliveryAttempted(out.message, out.attempt)),), node
            return
        outcomes = ("delivered", "retry" if out.attempt < self.bounds.attempts else "failed")
        for outcome in outcomes:
            settled = e.DeliverySettled(out.message, out.attempt, outcome, due_us=1 if outcome == "retry" else 0)
            yield f"{o.id}: {outcome}", (e.Draft(settled),), node
        yield from self._doubt(node, out.message, out.attempt)

    def _doubt(self, node: Node, message: MessageId, attempt: int) -> Iterator[Happening]:
        for decision in ("repeat", "hold") if attempt < self.bounds.attempts else ("hold",):
            doubted = e.DeliveryDoubted(message, attempt, decision, due_us=1 if decision == "repeat" else 0)
            yield f"deliver/{message}/{attempt}: {decision}", (e.Draft(doubted),), node

    def _pull(self, node: Node) -> Iterator[Happening]:
        """The customer's own client fetches everything and says message by message what it has."""
        outbox = node.state.outbox.values()
        shown = tuple(e.Draft(e.DeliveryAttempted(o.message, o.attempt)) for o in outbox if not o.is_in_flight)
        if shown:
            yield "client fetches", shown, node
        for out in outbox:
            if out.is_in_flight:
                settled = (e.Draft(e.DeliverySettled(out.message, out.attempt, "delivered")),)
                yield f"client has {out.message}", settled, node


def _run(node: Node, id: RunId) -> Run:
    return next(run for run in node.runs if run.id == id)


def _with_run(node: Node, run: Run) -> Node:
    return node._replace(runs=tuple(run if r.id == run.id else r for r in node.runs))


def _cancelled(node: Node) -> Node:
    """The node with the run that has the turn told to stop."""
    turn = node.state.turn
    if turn is None:
        return node
    return _with_run(node, _run(node, turn.run)._replace(is_cancelled=True))


def evolved(state: MailboxState, drafts: moves.Drafts) -> MailboxState:
    """The state after these records, all of them at position 0 and time 0."""
    for draft in drafts:
        state = mailbox.evolve(state, e.Event(0, 0, draft.control, draft.label))
    return state


def is_fair(edge: Edge) -> bool:
    """Whether this brings the mailbox nearer to rest by itself."""
    return edge.name not in ("crash", "close") and not edge.name.startswith("customer writes")
