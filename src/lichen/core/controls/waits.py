"""A wait for somebody, in its run and in the session whose customer may answer."""

from __future__ import annotations

from typing import ClassVar

from lichen.core.controls.control import Control, Ruling, Stands
from lichen.core.words.ids import CallId, RunId, WaitId
from lichen.core.words.wait import OnExpiry, WaitKind, WaitOutcome


class WaitOpened(Control, frozen=True, array_like=True, gc=False):
    """Contents: `public`, `operator`, `schema`, `state` of a tool that asks. Also written to the session's stream when
    the customer may answer.

    `requester` is whom it is wanted for; `requesters` are all who spoke for it, and none of them may approve it.
    """

    stands: ClassVar[Stands] = "alone"

    run: RunId
    wait: WaitId
    kind: WaitKind
    call: CallId | None = None
    may_answer: tuple[str, ...] = ()
    requester: str = ""
    digest: bytes = b""
    role: str = ""
    expires_at_us: int | None = None
    on_expiry: OnExpiry = "deny"
    stops_budget: bool = True
    requesters: tuple[str, ...] = ()
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"wait_opened/{self.run}/{self.wait}"


class WaitClosed(Control, frozen=True, array_like=True, gc=False):
    """Contents: `body`. `by` is the pseudonym of who answered; `note` stays sealed in the body.

    `is_own`: they approved what they had asked for themselves, which only a development environment may allow.
    """

    stands: ClassVar[Stands] = "alone"

    run: RunId
    wait: WaitId
    outcome: WaitOutcome
    by: str = ""
    is_own: bool = False
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"wait_closed/{self.run}/{self.wait}"
