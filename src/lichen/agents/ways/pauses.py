"""How long to wait before a request is tried again."""

from __future__ import annotations

from typing import Final

BASE_S: Final = 0.5
CAP_S: Final = 30.0


def pause_s(tries: int, chance: float, asked_s: float | None = None) -> float:
    """The pause after so many tries, with full jitter: anything up to twice as much each time, at most 30 s.

    `chance` is from 0 to 1. What the provider asked for (`Retry-After`) comes before that, so that not everybody it
    sent away is back at the same moment. Source: Brooker, Exponential Backoff And Jitter, 2015.
    """
    room_s = min(CAP_S, BASE_S * 2.0 ** min(max(tries, 1) - 1, 32))
    return max(0.0, asked_s or 0.0) + chance * room_s
