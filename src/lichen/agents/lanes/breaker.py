"""The circuit breaker of one way to a model: who fails all the time is left alone for a while.

Closed, it lets everything pass. After five failures in a row it is open for thirty seconds and nothing passes. Then it
is half open: one request at a time, and two answers close it, one failure opens it again.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

FAILURES_MAX: Final = 5
OPEN_S: Final = 30.0
ANSWERS_TO_CLOSE: Final = 2
PROBED_S: Final = 1.0  # so much later somebody may ask again who comes while the one request is under way
FAILING: Final = frozenset({"model_unavailable", "model_timed_out", "model_overloaded", "model_malformed"})
"""The kinds of failure that speak against a way. That it is busy is the limiter's matter."""

Phase = Literal["closed", "open", "half_open"]


class Breaker(msgspec.Struct, frozen=True, gc=False):
    """What is known of a way. `count` is of failures in a row while closed, of answers while half open; `era` tells
    requests that began in another phase from those that say something about this one.
    """

    phase: Phase = "closed"
    count: int = 0
    era: int = 0
    open_until_us: int = 0
    is_probed: bool = False


def admitted(breaker: Breaker, now_us: int) -> Breaker | None:
    """The breaker once a request has gone through, or None if it may not."""
    if breaker.phase == "closed":
        return breaker
    if breaker.phase == "open" and now_us >= breaker.open_until_us:
        return Breaker("half_open", 0, breaker.era + 1, is_probed=True)
    if breaker.phase == "half_open" and not breaker.is_probed:
        return msgspec.structs.replace(breaker, is_probed=True)
    return None


def opens_in_s(breaker: Breaker, now_us: int) -> float:
    """How long a request that was not let through had better wait."""
    return max(PROBED_S, (breaker.open_until_us - now_us) / 1e6) if breaker.phase == "open" else PROBED_S


def answered(breaker: Breaker, era: int) -> Breaker:
    """After an answer to a request of `era`, also one that says no: the provider is there."""
    if era != breaker.era or (breaker.phase == "closed" and not breaker.count):
        return breaker
    if breaker.phase == "half_open" and breaker.count + 1 < ANSWERS_TO_CLOSE:
        return msgspec.structs.replace(breaker, count=breaker.count + 1, is_probed=False)
    return Breaker(era=breaker.era + (breaker.phase != "closed"))


def failed(breaker: Breaker, era: int, now_us: int) -> Breaker:
    """After a failure of a request of `era`."""
    if era != breaker.era:
        return breaker
    if breaker.phase == "closed" and breaker.count + 1 < FAILURES_MAX:
        return msgspec.structs.replace(breaker, count=breaker.count + 1)
    return Breaker("open", 0, breaker.era + 1, now_us + round(OPEN_S * 1e6))


def abandoned(breaker: Breaker, era: int) -> Breaker:
    """After a request of `era` that says nothing of the way: it was cancelled, or sent away as too much."""
    return msgspec.structs.replace(breaker, is_probed=False) if era == breaker.era else breaker
