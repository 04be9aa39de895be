"""The circuit breaker of whatever may be away: what fails again and again is left alone for a while.

Closed, it lets everything pass. After so many failures among so many it is open for a while and nothing passes. Then it
is half open: one request at a time, so many answers close it, one failure opens it again. Source: Symbiont, circuit
breakers.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from lichen.core.ports.call import CircuitBreaker

PROBED_S: Final = 1.0  # so much later somebody may ask again who comes while the one request is under way

Phase = Literal["closed", "open", "half_open"]


class Breaker(msgspec.Struct, frozen=True, gc=False):
    """What is known of it. `recent` are the last outcomes while it is closed, a bit each, the newest the lowest, set
    for a failure; `answers` are those while it is half open; `era` tells requests that began in another phase from
    those that say something about this one.
    """

    phase: Phase = "closed"
    recent: int = 0
    answers: int = 0
    era: int = 0
    open_until_us: int = 0
    is_probed: bool = False


def admitted(breaker: Breaker, now_us: int) -> Breaker | None:
    """The breaker once a request has gone through, or None if it may not."""
    if breaker.phase == "closed":
        return breaker
    if breaker.phase == "open" and now_us >= breaker.open_until_us:
        return Breaker("half_open", era=breaker.era + 1, is_probed=True)
    if breaker.phase == "half_open" and not breaker.is_probed:
        return msgspec.structs.replace(breaker, is_probed=True)
    return None


def opens_in_s(breaker: Breaker, now_us: int) -> float:
    """How long a request that was not let through had better wait."""
    return max(PROBED_S, (breaker.open_until_us - now_us) / 1e6) if breaker.phase == "open" else PROBED_S


def answered(breaker: Breaker, era: int, terms: CircuitBreaker) -> Breaker:
    """After an answer to a request of `era`, also one that says no: somebody is there."""
    if era != breaker.era or (breaker.phase == "closed" and not breaker.recent):
        return breaker
    if breaker.phase == "closed":
        return msgspec.structs.replace(breaker, recent=_with(breaker.recent, 0, terms))
    if breaker.phase == "half_open" and breaker.answers + 1 < terms.answers:
        return msgspec.structs.replace(breaker, answers=breaker.answers + 1, is_probed=False)
    return Breaker(era=breaker.era + 1)


def failed(breaker: Breaker, era: int, now_us: int, terms: CircuitBreaker) -> Breaker:
    """After a failure of a request of `era`."""
    if era != breaker.era or not terms.failures:
        return breaker
    recent = _with(breaker.recent, 1, terms)
    if breaker.phase == "closed" and recent.bit_count() < terms.failures:
        return msgspec.structs.replace(breaker, recent=recent)
    return Breaker("open", era=breaker.era + 1, open_until_us=now_us + round(terms.open_s * 1e6))


def abandoned(breaker: Breaker, era: int) -> Breaker:
    """After a request of `era` that says nothing: it was cancelled, or sent away as too much."""
    if era != breaker.era or not breaker.is_probed:
        return breaker
    return msgspec.structs.replace(breaker, is_probed=False)


def _with(recent: int, outcome: int, terms: CircuitBreaker) -> int:
    return (recent << 1 | outcome) & ((1 << terms.of) - 1)
