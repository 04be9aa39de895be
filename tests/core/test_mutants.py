"""The rules bite: each of these seeded faults in a decider is caught, and by the rule that is there for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec
import pytest

from lichen.core.deciders import events as e
from lichen.core.deciders import mailbox, moves, run
from lichen.core.deciders.folds import calls, changes, plans, runs, timers, waits
from lichen.core.deciders.mailbox import MailboxState
from lichen.core.deciders.run import Call, Obligation, RunState
from lichen.core.words.limits import Limits
from lichen.testing.explore import ENDS, RAISES, explore
from tests.core import mailbox_rules, run_rules
from tests.core import mailbox_world as m
from tests.core import run_world as r

Changes = dict[str, Any]
Seed = Callable[[pytest.MonkeyPatch], None]
replace = msgspec.structs.replace

ONCE = (r.Batch(("once",)),)
CRASH = r.Bounds(plans=(ONCE,), attempts=2, crashes=2)
REPEAT = r.Bounds(plans=((r.Batch(("idempotent",)), r.Batch(("none",))),), crashes=1)
QUEUE = r.Bounds(plans=(ONCE,), queues=1)
CANCEL = r.Bounds(plans=(ONCE,), attempts=2, cancels=1, is_late=True)
HOLD = r.Bounds(plans=(ONCE,), checks=2)
HALT = r.Bounds(plans=(ONCE,), pauses=1)
LIMIT = r.Bounds(plans=((r.Batch(("none",) * 2), r.Batch(("none",), refused=1)),), limits=Limits(calls=1, failures=1))
EACH = r.Bounds(plans=((r.Batch(("none", "none"), resume="each"),), ONCE), inputs=1, is_pure=False)
WAIT = r.Bounds(plans=((r.Batch(("once",), ("external",), on_expiry="deny"),),), pauses=1, crashes=1, is_pure=False)


def patched(of: Any, name: str, mutate: Callable[[Any], Any]) -> Seed:
    """Puts `mutate(original)` where the original stands: in a module, a class or a table of folds."""

    def seed(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(of, name, mutate(getattr(of, name)))

    return seed


def everywhere(name: str, mutate: Callable[[Any], Any]) -> Seed:
    """As `patched`, in every file of folds that has the name."""
    seeds = [
        patched(each, name, mutate) for each in (calls, changes, plans, runs, timers, waits) if hasattr(each, name)
    ]

    def seed(patch: pytest.MonkeyPatch) -> None:
        for each in seeds:
            each(patch)

    return seed


def folded(decider: Any, control: type[e.Control], mutate: Callable[[Any, Any, Changes], Changes]) -> Seed:
    """Changes what a decider folds from one record type: `mutate(state, control, changes)`."""
    folds = cast(dict[type[e.Control], Callable[[Any, e.Event, Any], Changes]], vars(decider)["_FOLDS"])
    original = folds[control]

    def fold(s: Any, event: e.Event, c: Any) -> Changes:
        return mutate(s, c, original(s, event, c))

    return lambda patch: patch.setitem(folds, control, fold)


def becomes(value: Any) -> Callable[[Any], Any]:
    """Forgets the original."""
    return lambda original: value


def _never(s: object) -> bool:
    return False


def _none(*_: object) -> None:
    return None


def _no_drafts(*_: object) -> moves.Drafts:
    return ()


def _no_changes(s: object) -> Changes:
    return {}


# -- faults of the run -------------------------------------------------------------------------------------------


def _rerun(original: Callable[[Call], Call]) -> Callable[[Call], Call]:
    def inherited(call: Call) -> Call:
        is_lost = call.phase == "running" and call.effects == "once"
        return replace(call, phase="ready", attempt=call.attempt + 1) if is_lost else original(call)

    return inherited


def _same_settle(s: RunState, c: e.Owned, changes: Changes) -> Changes:
    calls = {id: replace(call, settle=max(1, s.calls[id].settle)) for id, call in changes["calls"].items()}
    return {**changes, "calls": calls}


def _same_plan(s: RunState, c: e.Owned, changes: Changes) -> Changes:
    return {**changes, "plan_attempt": s.plan_attempt}


def _finish_early(original: Callable[[RunState], Any]) -> Callable[[RunState], Any]:
    def decide(s: RunState) -> tuple[Obligation, ...]:
        return original(replace(s, calls={id: c for id, c in s.calls.items() if c.phase != "unknown"}))

    return decide


def _plan_on(s: RunState, c: e.Signal, changes: Changes) -> Changes:
    return {**changes, "due": s.due}


def _deny_nothing(original: Callable[..., Any]) -> Callable[..., Any]:
    def close_wait(s: RunState, id: Any, outcome: Any, **rest: Any) -> moves.Drafts:
        drafts = original(s, id, outcome, **rest)
        return drafts[:1] if outcome == "denied" else drafts

    return close_wait


def _trust_approval(s: RunState, c: e.WaitClosed, changes: Changes) -> Changes:
    call = s.waits[c.wait].call
    if call is None or c.outcome != "approved":
        return changes
    return {**changes, "calls": {**changes["calls"], call: replace(changes["calls"][call], phase="ready")}}


def _let_time_run(s: RunState, c: e.WaitOpened, changes: Changes) -> Changes:
    return {key: value for key, value in changes.items() if key not in ("timers", "left_us")}


def _keep_expiry(s: RunState, c: e.WaitClosed, changes: Changes) -> Changes:
    return {**changes, "timers": {**s.timers, **changes["timers"]}}


def _retry_as_decided(s: RunState, c: e.TimerFired, changes: Changes) -> Changes:
    calls = {id: replace(call, phase="ready") for id, call in changes.get("calls", {}).items()}
    return {**changes, "calls": calls} if c.timer.startswith("retry/") else changes


def _repeat_as_decided(s: RunState, c: e.CallProgressed, changes: Changes) -> Changes:
    if c.what not in ("not_done", "waited"):
        return changes
    return {**changes, "calls": {**changes["calls"], c.call: replace(changes["calls"][c.call], phase="ready")}}


def _inherit_as_decided(original: Callable[[Call], Call]) -> Callable[[Call], Call]:
    def inherited(call: Call) -> Call:
        after = original(call)
        return replace(after, phase="ready") if call.phase in ("ready", "running") and after != call else after

    return inherited


def _resume_as_decided(s: RunState, c: e.WaitClosed, changes: Changes) -> Changes:
    return {**changes, "calls": s.calls} if c.outcome == "resumed" else changes


def _forget_retry(s: RunState, c: e.TimerFired, changes: Changes) -> Changes:
    return {"timers": changes["timers"]} if c.timer.startswith("retry/") else changes


def _fail_and_go_on(s: RunState, c: e.WaitClosed, changes: Changes) -> Changes:
    return {**changes, "due": "resume"} if changes.get("failure") else changes


def _count_all(s: RunState, c: e.Planned, changes: Changes) -> Changes:
    return {**changes, "calls_used": s.calls_used + sum(call.cost for call in c.calls)}


def _drop_result(s: RunState, c: e.CallFinished, changes: Changes) -> Changes:
    return {key: value for key, value in changes.items() if key != "due"}


class Mutant(NamedTuple):
    """A fault, the world that shows it and the rule that catches it."""

    seed: Seed
    bounds: r.Bounds
    rule: str


RUN_MUTANTS = {
    "a once call is run again after a crash": Mutant(patched(calls, "_inherited", _rerun), CRASH, run_rules.SETTLED),
    "a second crash settles under the first id": Mutant(folded(run, e.Owned, _same_settle), CRASH, run_rules.ONCE_OWED),
    "a retry that came due is forgotten": Mutant(folded(run, e.TimerFired, _forget_retry), CRASH, ENDS),
    "a retry acts on the decision before its pause": Mutant(
        folded(run, e.TimerFired, _retry_as_decided), CRASH, run_rules.FRESH
    ),
    "what did not happen goes again undecided": Mutant(
        folded(run, e.CallProgressed, _repeat_as_decided), CRASH, run_rules.FRESH
    ),
    "who takes a run over acts on the decision of the dead": Mutant(
        patched(calls, "_inherited", _inherit_as_decided), REPEAT, run_rules.FRESH
    ),
    "a decision outlives a pause": Mutant(folded(run, e.WaitClosed, _resume_as_decided), HALT, run_rules.FRESH),
    "a decision outlives a queue": Mutant(folded(run, e.CallProgressed, _repeat_as_decided), QUEUE, run_rules.FRESH),
    "a halt is ignored": Mutant(
        patched(RunState, "is_halted", becomes(property(_never))), HALT, "nothing new starts while halted"
    ),
    "the limit on calls is forgotten": Mutant(
        patched(moves, "_limit_hit", becomes(_none)), LIMIT, "a batch over a limit is denied whole"
    ),
    "a batch that was denied counts": Mutant(folded(run, e.Planned, _count_all), LIMIT, "the limit on calls holds"),
    "failed steps are not counted": Mutant(
        patched(moves, "_failures_hit", becomes(_no_drafts)), LIMIT, "too many failed steps in a row end the work"
    ),
    "a run ends while a call is unknown": Mutant(patched(run, "decide", _finish_early), CANCEL, run_rules.ONE_END),
    "a plan is asked for after a cancel": Mutant(
        folded(run, e.Signal, _plan_on), CANCEL, "no plan is owed once the run is ending"
    ),
    "what was cancelled is tried again": Mutant(
        patched(RunState, "is_over", becomes(property(_never))),
        CANCEL,
        "nothing starts once the run is cancelled, failed or out of time",
    ),
    "a call that happened after all keeps its wait": Mutant(
        patched(moves, "_withdrawn", becomes(_no_drafts)), CANCEL, RAISES
    ),
    "a denied call stays open": Mutant(
        patched(moves, "close_wait", _deny_nothing),
        HOLD,
        "every held or unknown call has its one wait, and no wait is about another",
    ),
    "an approved call is not checked again": Mutant(
        folded(run, e.WaitClosed, _trust_approval), HOLD, run_rules.ALLOWED
    ),
    "time runs while somebody is asked": Mutant(
        folded(run, e.WaitOpened, _let_time_run),
        HOLD,
        "one clock runs, none while a wait stops the budget, a child's too",
    ),
    "an answered wait expires all the same": Mutant(
        folded(run, e.WaitClosed, _keep_expiry),
        HOLD,
        "a timer is set for every expiry, retry and child and for nothing else",
    ),
    "a plan in flight is not asked again": Mutant(
        everywhere("asked_again", becomes(_no_changes)), EACH, "an obligation that stays owed asks the same"
    ),
    "a crash asks the planner under the same id": Mutant(
        folded(run, e.Owned, _same_plan),
        WAIT,
        run_rules.ONE_KEY,
    ),
    "a failed run goes on planning": Mutant(
        folded(run, e.WaitClosed, _fail_and_go_on), WAIT, "no plan is owed once the run is ending"
    ),
    "nothing is due when the last call ends": Mutant(folded(run, e.CallFinished, _drop_result), HOLD, ENDS),
}


@pytest.mark.parametrize("name", RUN_MUTANTS)
def test_a_fault_in_the_run_is_caught_by_its_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = RUN_MUTANTS[name]
    world = r.RunWorld(mutant.bounds)
    assert run_rules.check(explore(world), world.started) == []
    mutant.seed(monkeypatch)
    broken = run_rules.check(explore(world, states_max=5_000), world.started)
    assert mutant.rule in {b.rule for b in broken}, broken


# -- faults of the mailbox ---------------------------------------------------------------------------------------

TALK = m.Bounds("enqueue", messages=3, closes=1)
SEND = m.Bounds("enqueue", messages=1, says=1, attempts=2, crashes=1)
ASK = m.Bounds("interrupt", messages=2, questions=1, releases=1)
HAND = m.Bounds("enqueue", messages=3, handovers=1, attends=1)


def _second_turn(original: Callable[[MailboxState], Any]) -> Callable[[MailboxState], Any]:
    return lambda s: original(replace(s, turn=None))


def _last_first(original: Callable[[MailboxState], Any]) -> Callable[[MailboxState], Any]:
    return lambda s: original(replace(s, outbox={id: s.outbox[id] for id in reversed(tuple(s.outbox))}))


def _ask_nobody(original: Callable[[MailboxState], Any]) -> Callable[[MailboxState], Any]:
    return lambda s: original(replace(s, questions=()))


def _only_queue(original: Callable[[MailboxState], Any]) -> Callable[[MailboxState], Any]:
    return lambda s: original(replace(s, double_texting="enqueue"))


def _has_sent_all(s: MailboxState) -> bool:
    return not s.outbox


def _push_in(s: MailboxState, c: e.MessageReceived, changes: Changes) -> Changes:
    return {**changes, "queued": changes["queued"][-1:] + s.queued} if "queued" in changes else changes


def _take_no_more(s: MailboxState, c: e.TurnOpened, changes: Changes) -> Changes:
    return {**changes, "queued": ()}


def _hand_back(s: MailboxState, c: e.TurnOpened, changes: Changes) -> Changes:
    return {**changes, "queued": s.queued}


def _same_attempt(s: MailboxState, c: e.Owned, changes: Changes) -> Changes:
    return {**changes, "outbox": {id: replace(out, is_in_flight=False) for id, out in s.outbox.items()}}


def _lose_outbox(s: MailboxState, c: e.MailboxClosed, changes: Changes) -> Changes:
    return {**changes, "outbox": {}}


def _stay_open(s: MailboxState, c: e.MailboxClosed, changes: Changes) -> Changes:
    return {"queued": s.queued}


def _person_for_nothing(original: Callable[[MailboxState], Any]) -> Callable[[MailboxState], Any]:
    return lambda s: original(replace(s, handover=None))


def _lose_unread(s: MailboxState, c: e.WaitClosed, changes: Changes) -> Changes:
    return {**changes, "queued": s.queued} if "handover" in changes else changes


def _keep_queued(s: MailboxState, c: e.WaitOpened, changes: Changes) -> Changes:
    return {**changes, "queued": s.queued} if "handover" in changes else changes


def _read_nothing(s: MailboxState, c: e.HandoverAttended, changes: Changes) -> Changes:
    return {**changes, "handover": replace(changes["handover"], unread=s.handover.unread)} if s.handover else changes


def _stay_handed(s: MailboxState, c: e.WaitClosed, changes: Changes) -> Changes:
    return {**changes, "handover": s.handover} if "handover" in changes else changes


def _keep_handover_timer(s: MailboxState, c: e.WaitClosed, changes: Changes) -> Changes:
    return {**changes, "timers": s.timers} if "handover" in changes else changes


def _newest_unread_first(s: MailboxState, c: e.WaitClosed, changes: Changes) -> Changes:
    return {**changes, "queued": changes["queued"][::-1]} if "handover" in changes else changes


def _drop_retry(s: MailboxState, c: e.DeliverySettled, changes: Changes) -> Changes:
    return {**changes, "outbox": {id: out for id, out in s.outbox.items() if id != c.message}}


class MailboxMutant(NamedTuple):
    """The same for a mailbox."""

    seed: Seed
    bounds: m.Bounds
    rule: str


MAILBOX_MUTANTS = {
    "a turn opens while one is open": MailboxMutant(
        patched(mailbox, "decide", _second_turn), TALK, mailbox_rules.ONE_TURN
    ),
    "the newest message goes first": MailboxMutant(
        folded(mailbox, e.MessageReceived, _push_in), TALK, mailbox_rules.IN_ORDER
    ),
    "a turn swallows what waits behind it": MailboxMutant(
        folded(mailbox, e.TurnOpened, _take_no_more), TALK, mailbox_rules.DEALT_ONCE
    ),
    "a message opens a second turn": MailboxMutant(
        folded(mailbox, e.TurnOpened, _hand_back), TALK, mailbox_rules.DEALT_ONCE
    ),
    "a closed session goes on": MailboxMutant(folded(mailbox, e.MailboxClosed, _stay_open), TALK, mailbox_rules.CLOSED),
    "closing loses what was said": MailboxMutant(
        folded(mailbox, e.MailboxClosed, _lose_outbox), TALK, mailbox_rules.OUT_ONCE
    ),
    "a session is finished while a run still talks": MailboxMutant(
        patched(MailboxState, "is_quiet", becomes(property(_has_sent_all))),
        TALK,
        "a mailbox is finished only when nothing more can come out of it",
    ),
    "the newest reply leaves first": MailboxMutant(
        patched(mailbox, "decide", _last_first), SEND, mailbox_rules.OUT_ORDER
    ),
    "a crash sends again under the same attempt": MailboxMutant(
        folded(mailbox, e.Owned, _same_attempt), SEND, mailbox_rules.ONE_KEY
    ),
    "a delivery to be retried is dropped": MailboxMutant(
        folded(mailbox, e.DeliverySettled, _drop_retry), SEND, mailbox_rules.OUT_ONCE
    ),
    "an answer to a question opens a turn": MailboxMutant(
        patched(mailbox, "disposition", _ask_nobody),
        ASK,
        "a message that comes while a turn is open goes by the rule for double texting",
    ),
    "an interrupting message only waits": MailboxMutant(
        patched(mailbox, "disposition", _only_queue),
        ASK,
        "a message that comes while a turn is open goes by the rule for double texting",
    ),
    "the assistant is told what a person should read": MailboxMutant(
        patched(mailbox, "disposition", _person_for_nothing),
        HAND,
        "a message that comes while a turn is open goes by the rule for double texting",
    ),
    "what waited for a turn is answered beside the person": MailboxMutant(
        folded(mailbox, e.WaitOpened, _keep_queued), HAND, "no turn is owed for a customer whom a person answers"
    ),
    "what nobody read is lost when the conversation comes back": MailboxMutant(
        folded(mailbox, e.WaitClosed, _lose_unread), HAND, mailbox_rules.DEALT_ONCE
    ),
    "what nobody read comes back in another order": MailboxMutant(
        folded(mailbox, e.WaitClosed, _newest_unread_first), HAND, mailbox_rules.IN_ORDER
    ),
    "what a person answered is answered once more": MailboxMutant(
        folded(mailbox, e.HandoverAttended, _read_nothing), HAND, mailbox_rules.DEALT_ONCE
    ),
    "a conversation that came back is still a person's": MailboxMutant(
        folded(mailbox, e.WaitClosed, _stay_handed),
        HAND,
        "one conversation is handed over once at a time, by a run that gave its turn back",
    ),
    "a conversation that came back comes back again": MailboxMutant(
        folded(mailbox, e.WaitClosed, _keep_handover_timer),
        HAND,
        "a timer is set for every retry and for the hand-over, and for nothing else",
    ),
}


@pytest.mark.parametrize("name", MAILBOX_MUTANTS)
def test_a_fault_in_the_mailbox_is_caught_by_its_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MAILBOX_MUTANTS[name]
    world = m.MailboxWorld(mutant.bounds)
    assert mailbox_rules.check(explore(world)) == []
    mutant.seed(monkeypatch)
    broken = mailbox_rules.check(explore(world, states_max=5_000))
    assert mutant.rule in {b.rule for b in broken}, broken
