"""Identifiers. Each kind is its own type, so a call id never lands where a run id is meant."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, NamedTuple, NewType

STREAMS_KNOWN: Final = 16_384  # ids of streams that are at hand
CHILD_MARK: Final = "."  # between the id of a run and the call that a child of it executes

RunId = NewType("RunId", str)  # "run-01jd…", a child's is "<parent>.<call>"
SessionId = NewType("SessionId", str)  # "ses-…"
CallId = NewType("CallId", str)  # "c1", "c2" … within a run
WaitId = NewType("WaitId", str)  # "w1", "w2" … within a run
TurnId = NewType("TurnId", str)  # "t1", "t2" … within a session
MessageId = NewType("MessageId", str)  # "m1" received, "o1" sent, within a session
ObligationId = NewType("ObligationId", str)  # "exec/c7/1"
LogId = NewType("LogId", str)  # "acme/dev/0"
ToolName = NewType("ToolName", str)  # "payments.refund"
AgentName = NewType("AgentName", str)  # "shop.support"
Pseudonym = NewType("Pseudonym", str)  # "customer_9f2c…": names somebody without telling who

StreamKind = Literal["run", "session", "agent", "tenant"]


class StreamId(NamedTuple):
    """A sequence of records in one log: a run's, a session's, an agent instance's or the tenant's own."""

    kind: StreamKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@lru_cache(STREAMS_KNOWN)
def run_stream(run: RunId) -> StreamId:
    """The stream that holds every record of `run`."""
    return StreamId("run", run)


@lru_cache(STREAMS_KNOWN)
def session_stream(session: SessionId) -> StreamId:
    """The stream that holds every record of `session`'s mailbox."""
    return StreamId("session", session)


TENANT_STREAM = StreamId("tenant", "tenant")


def child_run(run: RunId, call: CallId, attempt: int = 1) -> RunId:
    """The id of the run that an attempt at an agent tool's call starts: always the same, so a recovery never starts a
    second one."""
    return RunId(f"{run}{CHILD_MARK}{call}" if attempt == 1 else f"{run}{CHILD_MARK}{call}-{attempt}")


def idempotency_key(run: RunId, call: CallId) -> str:
    """The key the outside world sees for a call: one per call, the same on every attempt."""
    return f"{run}/{call}"


def root_run(run: RunId) -> RunId:
    """The run at the top of the tree: the one that has the turn."""
    return RunId(run.partition(CHILD_MARK)[0])
