"""A tool behind a circuit breaker for each environment of a tenant: who hangs or fails again and again is left alone.

What is known is kept in memory, for as long as the process runs: it is about this moment, a restart is often what mends
a tool, and being wrong costs as many calls as it took to learn it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from lichen.core.ports.call import (
    Arguments,
    CallMeta,
    CircuitBreaker,
    GoesOn,
    NeedsAnswer,
    NotDone,
    Produced,
    Resources,
    Tool,
    ToolSpec,
)
from lichen.core.words.ids import ToolName
from lichen.core.words.scope import Scope
from lichen.tools.breaker import Breaker, Phase, abandoned, admitted, answered, failed, opens_in_s
from lichen.tools.workers.placement import StillRunning

OPEN: Final = "tool_circuit_open"
KEPT_MAX: Final = 10_000  # breakers that are not as at the beginning
_TIMELY: Final = 0.98  # of the time of a call: one that was cancelled then ran out of it
_NEW: Final = Breaker()

TermsOf = Callable[[ToolSpec], CircuitBreaker]


class Shut(msgspec.Struct, frozen=True):
    """A tool that is left alone in an environment, or tried by one call at a time, and for how long yet."""

    scope: Scope
    tool: ToolName
    phase: Phase
    left_s: float


class Breakers:
    """The circuit breakers of a runtime's tools. `clock` gives microseconds."""

    def __init__(self, clock: Callable[[], int], terms_of: TermsOf) -> None:
        self.clock, self.terms_of = clock, terms_of
        self._kept: dict[tuple[Scope, ToolName], Breaker] = {}

    def of(self, scope: Scope, tool: ToolName) -> Breaker:
        """What is known of a tool there."""
        if not self._kept:
            return _NEW
        return self._kept.get((scope, tool), _NEW)

    def keep(self, scope: Scope, tool: ToolName, breaker: Breaker) -> None:
        """Remembers it. Of very many those that were changed longest ago are forgotten."""
        self._kept.pop((scope, tool), None)
        if breaker.phase == "closed" and not breaker.recent and not breaker.era:
            return
        self._kept[scope, tool] = breaker
        if len(self._kept) > KEPT_MAX:
            del self._kept[next(iter(self._kept))]

    def shut(self, scope: Scope | None = None) -> Iterator[Shut]:
        """The tools that not everybody may call now, of an environment or of all."""
        now_us = self.clock()
        for (where, tool), breaker in self._kept.items():
            if breaker.phase != "closed" and scope in (None, where):
                yield Shut(where, tool, breaker.phase, max(0.0, (breaker.open_until_us - now_us) / 1e6))


class Guarded:
    """A tool behind its breakers. Implements `Tool`."""

    def __init__(self, tool: Tool, breakers: Breakers) -> None:
        self._tool, self._breakers = tool, breakers
        self.spec = tool.spec
        self._terms = breakers.terms_of(tool.spec)
        self.decode, self.facts, self.probe = tool.decode, tool.facts, tool.probe

    def bound(self, resources: Resources) -> Guarded:
        """The same, over the tool as it works in a runtime."""
        return Guarded(self._tool.bound(resources), self._breakers)

    def refusal(self, scope: Scope) -> NotDone | None:
        """Why no call of the tool would be begun there now; None where it would."""
        breaker = self._breakers.of(scope, self.spec.name)
        if breaker is _NEW or admitted(breaker, self._breakers.clock()) is not None:
            return None
        return _open(breaker, self._breakers.clock())

    def give_up(self, meta: CallMeta) -> None:
        """As the tool does, if its calls go on."""
        if isinstance(self._tool, GoesOn):
            self._tool.give_up(meta)

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes | Produced:
        """The result. Raises NotDone (`tool_circuit_open`) without asking the tool, else what the tool raises."""
        era = self._enter(meta.scope)
        began_s = asyncio.get_running_loop().time()
        try:
            said = await self._tool.execute(args, meta)
        except NotDone as error:
            self._note(meta.scope, era, is_failure=error.code in self._terms.codes)
            raise
        except NeedsAnswer:
            self._note(meta.scope, era, is_failure=None)
            raise
        except (asyncio.CancelledError, StillRunning):
            took_s = asyncio.get_running_loop().time() - began_s
            self._note(meta.scope, era, is_failure=True if took_s >= meta.timeout_s * _TIMELY else None)
            raise
        except Exception:
            self._note(meta.scope, era, is_failure=True)
            raise
        self._note(meta.scope, era, is_failure=False)
        return said

    def _enter(self, scope: Scope) -> int:
        """Passes the breaker, and returns its era."""
        breaker = self._breakers.of(scope, self.spec.name)
        if breaker is _NEW:
            return 0
        now_us = self._breakers.clock()
        passed = admitted(breaker, now_us)
        if passed is None:
            raise _open(breaker, now_us)
        if passed is not breaker:
            self._breakers.keep(scope, self.spec.name, passed)
        return passed.era

    def _note(self, scope: Scope, era: int, *, is_failure: bool | None) -> None:
        """Notes how a call ended; None where that says nothing of the tool."""
        known = self._breakers.of(scope, self.spec.name)
        if is_failure is None:
            breaker = abandoned(known, era)
        elif is_failure:
            breaker = failed(known, era, self._breakers.clock(), self._terms)
        else:
            breaker = answered(known, era, self._terms)
        if breaker is not known:
            self._breakers.keep(scope, self.spec.name, breaker)


def _open(breaker: Breaker, now_us: int) -> NotDone:
    left_s = math.ceil(opens_in_s(breaker, now_us))
    message = f"This tool failed again and again, and is left alone for {left_s} s."
    return NotDone(message, code=OPEN, retryable=False, recovery="replan")
