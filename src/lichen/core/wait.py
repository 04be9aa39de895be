"""A wait: something a run cannot go on without, and who may bring it. A waiting run is a row, not a task."""

from __future__ import annotations

from typing import Literal

import msgspec

from lichen.core.ids import CallId, RunId, WaitId
from lichen.core.scope import Actor

WaitKind = Literal[
    "approval", "clarification", "confirmation", "external", "handover", "timer", "pause", "preempt", "reconcile"
]
WaitOutcome = Literal[
    "approved", "denied", "answered", "confirmed", "declined", "expired", "cancelled", "resumed", "happened",
    "did_not_happen", "try_again",
]  # fmt: skip
OnExpiry = Literal["deny", "resume"]

OUTCOMES: dict[WaitKind, tuple[WaitOutcome, ...]] = {
    "approval": ("approved", "denied"),
    "clarification": ("answered",),
    "confirmation": ("confirmed", "declined"),
    "external": ("answered",),
    "handover": ("answered",),
    "timer": (),
    "pause": ("resumed",),
    "preempt": ("resumed",),
    "reconcile": ("happened", "did_not_happen", "try_again"),
}
"""What an answer may say to a wait of each kind. Expiry and cancellation come from the runtime, never an answer."""

HALTING: tuple[WaitKind, ...] = ("pause", "preempt")  # while one is open nothing new starts
ANSWER_BYTES_MAX = 64 * 1024


class Wait(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An open wait as the run's state holds it. Its texts lie in the content of record `n` of the run.

    `may_answer`: actor kinds and roles, any of which suffices. `requester`: pseudonym of whom it is wanted for.
    `requesters`: of everybody who spoke for it, none of whom may approve it. `digest`: keyed digest of exactly what is
    asked about; an answer must name it.
    """

    id: WaitId
    kind: WaitKind
    n: int
    call: CallId | None = None
    may_answer: tuple[str, ...] = ()
    requester: str = ""
    digest: bytes = b""
    role: str = ""
    expires_at_us: int | None = None
    on_expiry: OnExpiry = "deny"
    stops_budget: bool = True
    requesters: tuple[str, ...] = ()


class WaitDetail(msgspec.Struct, frozen=True):
    """A wait as a person sees it: `public_text` is for the customer, `operator_facts` for who decides."""

    run: RunId
    id: WaitId
    kind: WaitKind
    call: CallId | None
    may_answer: tuple[str, ...]
    digest: str
    opened_at_us: int
    expires_at_us: int | None
    public_text: str
    operator_facts: msgspec.Raw
    answer_schema: msgspec.Raw


def may_answer(wait: Wait, actor: Actor, pseudonym: str) -> bool:
    """Whether `actor`, known in the log as `pseudonym`, may answer: kind or role fits and it is not the requester
    of an approval."""
    if wait.kind == "approval" and pseudonym == wait.requester:
        return False
    return actor.kind in wait.may_answer or any(role in wait.may_answer for role in actor.roles)
