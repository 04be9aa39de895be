"""What a stream of any kind may hold: who drives it, what came due, what was vouched for, refused or handed out."""

from __future__ import annotations

from typing import ClassVar, Literal

from lichen.core.controls.control import Control, Ruling, Stands
from lichen.core.words.ids import CallId


class Owned(Control, frozen=True, array_like=True, gc=False):
    """A process took the stream over. What an older epoch started is in doubt from here."""

    stands: ClassVar[Stands] = "alone"

    epoch: int

    @property
    def key(self) -> str:
        return f"owned/{self.epoch}"


class TimerFired(Control, frozen=True, array_like=True, gc=False):
    """A timer of the stream came due."""

    stands: ClassVar[Stands] = "begins"

    timer: str

    @property
    def key(self) -> str:
        return f"timer_fired/{self.timer}"


class Declassified(Control, frozen=True, array_like=True, gc=False):
    """A person let what was read so far go without these sources: of a run, or of a session's earlier messages.

    Contents: `reason`.
    """

    stands: ClassVar[Stands] = "alone"

    sources: tuple[str, ...]
    by: str
    id: str
    ruling: Ruling | None = None

    @property
    def key(self) -> str:
        return f"declassified/{self.id}"


class Refused(Control, frozen=True, array_like=True, gc=False):
    """The gate did not allow an act, or holds it, so there is no record of the act itself.

    `resource` is the keyed digest of what was asked about; contents: `resource`, `operator`. The first is written at
    once; those equal to it within a minute are one more record, `count` of them since `first_us`. Without an `action`
    it counts refusals of any kind beyond what a log takes in a minute.
    """

    stands: ClassVar[Stands] = "alone"

    action: str
    resource: str
    verdict: Literal["deny", "hold"]
    id: str
    policies: tuple[str, ...] = ()
    policy_digest: str = ""
    count: int = 1
    first_us: int = 0

    @property
    def key(self) -> str:
        return f"refused/{self.id}"


class SecretUsed(Control, frozen=True, array_like=True, gc=False):
    """A secret was handed out for one act, of a call if there is one. Its value stands nowhere in the log.

    `version` is its store's, if that counts any, and a keyed digest that changes with the value. The key of a model is
    told of once for each version and `host` that it is sent to, until another process takes the log over.
    """

    stands: ClassVar[Stands] = "alone"

    name: str
    version: str
    id: str
    call: CallId | None = None
    ruling: Ruling | None = None
    host: str = ""

    @property
    def key(self) -> str:
        return f"secret_used/{self.id}"
