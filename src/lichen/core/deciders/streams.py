"""What every stream has in common: an initial state, a fold, what is owed, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, assert_never

import msgspec

from lichen.core.deciders import events as e
from lichen.core.deciders import mailbox, run, schedules
from lichen.core.deciders.obligation import Obligation
from lichen.core.rollouts import rollout
from lichen.core.rollouts.rollout import Rollout
from lichen.core.words.errors import Corrupt
from lichen.core.words.ids import RunId, SessionId, StreamId

Standing = Literal["owing", "waiting", "finished"]


REJECTED_MAX = 32
SYSTEM = "system"  # never a person's name here: those are pseudonyms


class Definition(msgspec.Struct, frozen=True):
    """How the definitions of a stranger's stand that bear one name: which is pinned, which waits to be judged, each a
    digest with the position of the record that holds it; and the last that were rejected, the newest at the end.

    `revoked` was pinned until the key that signed it was taken back, for which alone the system judges; `revoked_n` is
    the record that had pinned it. It is not among the rejected: nobody said no to it.
    """

    pinned: str = ""
    pinned_n: int = 0
    submitted: str = ""
    submitted_n: int = 0
    rejected: tuple[str, ...] = ()
    revoked: str = ""
    revoked_n: int = 0
    submitted_by: str = ""  # `SYSTEM` for what a server said itself


class TenantState(msgspec.Struct, frozen=True):
    """The tenant's own stream: what governs it.

    `stopped` are kill switches that are on, as `kind:name`, with the position of the record that set each. So are
    `definitions` named. `rollouts` are those of packs, by pack. `schedule` is of the stream of one.
    """

    n: int = 0
    stopped: Mapping[str, int] = {}
    erased: frozenset[str] = frozenset()
    definitions: Mapping[str, Definition] = {}
    rollouts: Mapping[str, Rollout] = {}
    schedule: schedules.ScheduleState = schedules.NONE

    @property
    def timers(self) -> dict[str, int]:
        """Always empty: nothing of the tenant's own comes due."""
        return {}


State = run.RunState | mailbox.MailboxState | TenantState


def initial(stream: StreamId) -> State:
    """The state of a stream without records."""
    match stream.kind:
        case "run":
            return run.start_state(RunId(stream.id))
        case "session":
            return mailbox.start_state(SessionId(stream.id))
        case "tenant" | "agent":
            return TenantState()
        case _:
            assert_never(stream.kind)


def evolve(state: State, event: e.Event) -> State:
    """The state after `event`. Raises Corrupt (`record_type_unknown`)."""
    if event.control.__class__ is e.Unknown:
        raise Corrupt(
            f"The record {event.n} is of a type, or a version of one, that this version of Lichen does not know.",
            code="record_type_unknown",
            next_step="Open the data directory with a newer Lichen; `lichen log verify` checks the log with any.",
        )
    match state:
        case run.RunState():
            return run.evolve(state, event)
        case mailbox.MailboxState():
            return mailbox.evolve(state, event)
        case TenantState():
            return _evolve_tenant(state, event)


def decide(state: State) -> tuple[Obligation, ...]:
    """Everything that is owed now."""
    match state:
        case run.RunState():
            return run.decide(state)
        case mailbox.MailboxState():
            return mailbox.decide(state)
        case TenantState():
            return ()


def standing(state: State) -> Standing:
    """`owing`: somebody must drive it; `waiting`: only a record from elsewhere can move it; `finished`: never moves."""
    if isinstance(state, TenantState):
        return "waiting"
    if state.outcome and not (isinstance(state, mailbox.MailboxState) and not state.is_quiet):
        return "finished"
    return "owing" if decide(state) else "waiting"


def stands(state: State, draft: e.Draft) -> e.Stands:
    """How the fact may share a record, told to a stream in this state."""
    match draft.control:
        case e.CallStarted(call=call) if isinstance(state, run.RunState):
            started = state.calls.get(call)
            return "joins" if started is not None and started.effects == "none" else "alone"
        case e.DeliveryAttempted() if isinstance(state, mailbox.MailboxState):
            return "alone" if state.delivery == "push" else "joins"
        case e.Decided() if any(content.part == "facts" for content in draft.contents):
            return "begins"  # they were read since the fact before it
        case control:
            return control.stands


def _left(stopped: Mapping[str, int], name: str) -> dict[str, int]:
    return {each: n for each, n in stopped.items() if each != name}


def _evolve_tenant(state: TenantState, event: e.Event) -> TenantState:
    match event.control:
        case e.Changed(kind="stop", name=name):
            return msgspec.structs.replace(state, n=event.n + 1, stopped={**state.stopped, name: event.n})
        case e.Changed(kind="start", name=name):
            return msgspec.structs.replace(state, n=event.n + 1, stopped=_left(state.stopped, name))
        case e.Changed(kind="pack", name=name, digest=digest):
            moved = rollout.evolve(state.rollouts, name, digest, at_us=event.ts_us, n=event.n)
            return msgspec.structs.replace(state, n=event.n + 1, rollouts=moved)
        case e.Erased(subject=subject):
            return msgspec.structs.replace(state, n=event.n + 1, erased=state.erased | {subject})
        case e.Pinned() | e.Submitted() | e.Reviewed() as control:
            name = f"{control.kind}:{control.name}"
            judged = _judged(state.definitions.get(name, Definition()), control, event.n)
            return msgspec.structs.replace(state, n=event.n + 1, definitions={**state.definitions, name: judged})
        case e.Ticked() as ticked:
            moved = schedules.evolve(state.schedule, ticked, at_us=event.ts_us, n=event.n)
            return msgspec.structs.replace(state, n=event.n + 1, schedule=moved)
        case _:
            return msgspec.structs.replace(state, n=event.n + 1)


def _judged(known: Definition, control: e.Pinned | e.Submitted | e.Reviewed, n: int) -> Definition:
    digest = control.digest
    waits = {} if known.submitted != digest else {"submitted": "", "submitted_n": 0, "submitted_by": ""}
    allowed = tuple(each for each in known.rejected if each != digest)
    stands = {"revoked": "", "revoked_n": 0}
    match control:
        case e.Pinned():
            changes = {**waits, **stands, "pinned": digest, "pinned_n": n, "rejected": allowed}
        case e.Submitted():
            changes = {"submitted": digest, "submitted_n": n, "submitted_by": control.by}
        case e.Reviewed(verdict="rejected", by=by) if by == SYSTEM and known.pinned == digest:
            off = {"revoked": digest, "revoked_n": known.pinned_n}
            changes = {**waits, **off, "pinned": "", "pinned_n": 0}
        case e.Reviewed(verdict="rejected"):
            gone = {"pinned": "", "pinned_n": 0} if known.pinned == digest else {}
            gone |= stands if known.revoked == digest else {}
            changes = {**waits, **gone, "rejected": (*allowed, digest)[-REJECTED_MAX:]}
        case e.Reviewed():
            changes = {**waits, "rejected": allowed}
    return msgspec.structs.replace(known, **changes)
