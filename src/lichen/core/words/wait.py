"""A wait: something a run cannot go on without, and who may bring it. A waiting run is a row, not a task."""

from __future__ import annotations

from typing import Literal

import msgspec

from lichen.core.words.ids import CallId, WaitId
from lichen.core.words.scope import CHANNEL, Actor

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


def outcomes_of(kind: WaitKind, *, of_call: bool) -> tuple[WaitOutcome, ...]:
    """What an answer may say to a wait; a question that the tool of a call asks may be declined as well."""
    return (*OUTCOMES[kind], "declined") if kind == "clarification" and of_call else OUTCOMES[kind]


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

    @property
    def holds_plan(self) -> bool:
        """Whether policy wants an approval before the planner asks a model; what a planner waits for itself has no
        role of its own."""
        return self.kind == "approval" and self.call is None and bool(self.role)


ABOUT_EFFECTS: tuple[WaitKind, ...] = ("approval", "reconcile")  # what only another person may answer


def may_answer(wait: Wait, actor: Actor, pseudonym: str, *, self_approval: bool = False) -> bool:
    """Whether `actor`, known in the log as `pseudonym`, may answer. The one rule of who answers what.

    What is about effects only operators answer who hold the role and did not speak for it; with `self_approval`, which
    a development environment may allow, those too. A confirmation is for who wants it, or the channel that vouches for
    them. Everything else is for the kinds and roles that are named.
    """
    if wait.kind in ABOUT_EFFECTS:
        is_own = is_requester(wait, pseudonym)
        return actor.kind == "operator" and _is_named(wait, actor) and (self_approval or not is_own)
    if wait.kind == "confirmation":
        return is_requester(wait, pseudonym) or (actor.kind == "service" and CHANNEL in actor.roles)
    return _is_named(wait, actor)


def is_requester(wait: Wait, pseudonym: str) -> bool:
    """Whether whoever is known under this pseudonym spoke for what the wait is about."""
    return pseudonym == wait.requester or pseudonym in wait.requesters


def _is_named(wait: Wait, actor: Actor) -> bool:
    return actor.kind in wait.may_answer or any(role in wait.may_answer for role in actor.roles)
