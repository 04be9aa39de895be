"""What was decided of a call, and how it went."""

from __future__ import annotations

from typing import ClassVar, Literal

from lichen.core.controls.control import Control, Stands
from lichen.core.controls.plans import ModelAsked
from lichen.core.ports.call import Outcome
from lichen.core.ports.policy import Reservation
from lichen.core.words.ids import CallId, RunId
from lichen.core.words.limits import Usage


class Decided(Control, frozen=True, array_like=True, gc=False):
    """Contents: `facts`, `origins`, `public`, `operator`, `meters` (JSON).

    `declassified` are the sources that policy lets this call's result go without; `withheld` counts the secrets that
    were taken out of what was read for it.
    """

    call: CallId
    check: int
    verdict: Literal["allow", "deny", "hold"]
    policies: tuple[str, ...] = ()
    policy_digest: str = ""
    reservations: tuple[Reservation, ...] = ()
    redact: tuple[str, ...] = ()
    declassified: tuple[str, ...] = ()
    withheld: int = 0

    @property
    def key(self) -> str:
        return f"decided/{self.call}/{self.check}"


class CallStarted(Control, frozen=True, array_like=True, gc=False):
    """Durable before a `once` effect begins. A child's run id is pinned here; `reserved` calls, `reserved_tokens`
    and `reserved_micro_usd` are lent to it, and at `due_us` its time is over (0: its own limits end it).
    """

    call: CallId
    attempt: int
    epoch: int
    child: RunId | None = None
    reserved: int = 0
    reserved_tokens: int = 0
    due_us: int = 0
    reserved_micro_usd: int = 0

    @property
    def key(self) -> str:
        return f"call_started/{self.call}/{self.attempt}"


class CallProgressed(Control, frozen=True, array_like=True, gc=False):
    """The call is neither finished nor where it was.

    `in_doubt`: it must be settled; `not_done`: it certainly did not happen and goes again; `retry`: the same after
    `due_us`; `child_cancelled`: its child run was told to stop; `waited`: it had to wait for a place to run in, so it
    is decided again; `waiting`, `resumed`: its child's time stands still, or goes on; `asked`: its tool needs an
    answer, with the code `goes_on` where what it began goes on meanwhile. Contents: `failure` (JSON, for operators).
    `used`, `used_tokens` and `used_micro_usd` are what a child that is tried again took of what was lent to it;
    `withheld` counts the secrets that were taken out of what the tool said.
    """

    stands: ClassVar[Stands] = "begins"

    call: CallId
    attempt: int
    what: Literal["in_doubt", "not_done", "retry", "child_cancelled", "waited", "waiting", "resumed", "asked"]
    code: str = ""
    due_us: int = 0
    check: int = 0  # of `waited`: which decision it overtook; of `waiting` and `resumed`: where its child's stream was
    used: int = 0
    used_tokens: int = 0
    withheld: int = 0
    used_micro_usd: int = 0

    @property
    def key(self) -> str:
        return f"call_progressed/{self.call}/{self.attempt}/{self.what}{f'/{self.check}' if self.check else ''}"


class CallFinished(Control, frozen=True, array_like=True, gc=False):
    """Contents: `result` (JSON), `reason`, `issues` (JSON), `recovery`, `foreign_code` (what a stranger who was asked
    calls the failure), `hint`, `audit` (JSON, retention key), `failure` (JSON), and `artifacts` (JSON): what user
    interfaces show of the result and no model reads.

    `failure` holds what went wrong in a tool's own words, for operators: exception, message, traceback.

    `unknown` ends the attempt, not the call. `used`, `used_tokens` and `used_micro_usd` are what a child took of
    what was lent to it; `has_acted`: something that may not be repeated happened in it, or may have. `withheld` counts
    the secrets that were taken out of what the tool said.
    """

    call: CallId
    attempt: int
    outcome: Outcome
    code: str = ""
    duration_us: int = 0
    used: int = 0
    used_tokens: int = 0
    has_acted: bool = False
    withheld: int = 0
    used_micro_usd: int = 0

    @property
    def key(self) -> str:
        suffix = "/unknown" if self.outcome == "unknown" else ""
        return f"call_finished/{self.call}/{self.attempt}{suffix}"


class CallAsked(Control, frozen=True, array_like=True, gc=False):
    """A call asks a model while it is made. The request of this `number` is under way, with what is `reserved` for it,
    durable before it leaves; once it ended there is another record, with what it was (`asked`).

    Contents of that: `asked/0` and `replied/0`, as beside a plan. Its label is that of what the call's tool says.
    """

    call: CallId
    number: int
    model: str
    reserved: Usage = Usage()
    asked: ModelAsked | None = None

    @property
    def key(self) -> str:
        return f"call_asked/{self.call}/{self.number}{'' if self.asked is None else '/ended'}"
