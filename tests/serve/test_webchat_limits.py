"""How often a stranger may ask for tokens: in any minute so many, and with bounded memory."""

from __future__ import annotations

import pytest

from lichen.core.words.errors import TooMany
from lichen.serve.webchat.limits import Windows

S = 1_000_000


def taken(windows: Windows, key: str, at_s: float) -> bool:
    try:
        windows.take(key, 5, int(at_s * S))
    except TooMany:
        return False
    return True


@pytest.mark.req("GRE-61.5")
def test_no_minute_whatever_has_more_than_the_limit() -> None:
    windows = Windows()
    at = [moment / 2 for moment in range(600) if taken(windows, "ann", moment / 2)]
    assert len(at) == 25
    assert all(sum(1 for other in at if start <= other < start + 60) <= 5 for start in at)


def test_who_is_refused_is_told_when_to_come_back_and_may_then() -> None:
    windows = Windows()
    assert all(taken(windows, "ann", second) for second in range(5))
    with pytest.raises(TooMany) as refused:
        windows.take("ann", 5, 10 * S)
    assert refused.value.retry_after_s == 50
    assert not taken(windows, "ann", 59.9)
    assert taken(windows, "ann", 60)


def test_memory_is_bounded_whoever_asks() -> None:
    windows = Windows(events_max=100)
    for i in range(10_000):
        windows.take(f"user {i}", 5, i)
    assert windows.events == 100
