"""What one call of a component has of us: what it was granted, for whom it is, and how a guest waits for the loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine, Mapping
from hashlib import shake_128
from typing import Any, Final, NamedTuple, TypeVar

from lichen.core.components.capabilities import Capabilities
from lichen.core.components.limits import CallLimits
from lichen.core.ports.secrets import Secret
from lichen.core.words.scope import Scope
from lichen.tools.wasm.port import Services, Surroundings, Trapped
from lichen.tools.wasm.running.refusals import Refused
from lichen.tools.wasm.running.watch import Watch

T = TypeVar("T")

NOTES_MAX: Final = 20


def _alike(length: int) -> bytes:
    return shake_128(b"").digest(length)


ALIKE: Final = Surroundings(lambda: 0, _alike)
"""Where nothing may depend on them: time stands still, and chance is always the same."""
NOBODY: Final = Scope("nobody", "dev")


class Granted(NamedTuple):
    """What a call may: what its component wants and was given. `is_private`: hosts may be in our own network, in the
    clear. `prefix` is under what its state lies."""

    capabilities: Capabilities
    prefix: str
    is_private: bool = False


class HostCall:
    """One call. Its guest runs in a thread; what it asks of us is done on the loop, and given up with the call."""

    def __init__(
        self,
        granted: Granted,
        services: Services,
        *,
        scope: Scope,
        loop: asyncio.AbstractEventLoop | None = None,
        secrets: Mapping[str, Secret] = {},
        idempotency_key: str = "",
        timeout_s: float = 30.0,
    ) -> None:
        self.may = granted.capabilities
        self.granted, self.services, self.scope, self.secrets = granted, services, scope, secrets
        self.idempotency_key, self.timeout_s = idempotency_key, timeout_s
        self.has_acted = False  # something was asked for that may have changed the world
        self.asked = 0
        self.monotonic_ns = 0  # as it was told last
        self.notes: list[str] = []
        self.watch: Watch | None = None
        self.gave_up = False  # before its guest began
        self._loop = loop
        self._waiting: concurrent.futures.Future[Any] | None = None

    def cancel(self) -> None:
        """Stops the guest, and what it waits for."""
        self.gave_up = True
        if self.watch is not None:
            self.watch.cancel()
        if self._waiting is not None:
            self._waiting.cancel()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What the loop gives for it. Raises what `work` raises, Trapped where the call was cancelled meanwhile."""
        if self._loop is None or self.is_cancelled:
            work.close()
            raise Trapped("cancelled" if self.is_cancelled else "host", "there is no loop")
        waiting = self._waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        if self.is_cancelled:
            waiting.cancel()
        try:
            return waiting.result(self.timeout_s)
        except concurrent.futures.CancelledError:
            raise Trapped("cancelled") from None
        finally:
            self._waiting = None

    def refuse(self, code: str, message: str) -> Refused:
        """A refusal, noted with what the call tells operators. The message is ours."""
        if len(self.notes) < NOTES_MAX:
            self.notes.append(f"refused: {message}")
        return Refused(code, message)

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the call any more."""
        return self.gave_up or (self.watch is not None and self.watch.is_cancelled)

    def next_key(self) -> str:
        """A key for the next thing it does, the same on each attempt of the call."""
        self.asked += 1
        return f"{self.idempotency_key}:{self.asked}"


def ungranted(limits: CallLimits) -> Watch:
    """The watch of a call with nothing granted, for nobody: to ask a component what it is, or for its opinion. Chance
    and time are stand-ins that are always the same, for many a guest wants some to begin with."""
    watch = Watch(limits)
    may = Capabilities(random=True, clocks=True)
    watch.host = call = HostCall(Granted(may, "component"), Services(around=ALIKE), scope=NOBODY)
    call.watch = watch
    return watch
