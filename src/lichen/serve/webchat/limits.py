"""How often a stranger may ask for a token: never more than so many in any 60 seconds, by user and by address."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from math import ceil

from lichen.core.words.errors import TooMany

WINDOW_US = 60_000_000
USER_TOKENS_MAX = 5  # per window, of one user id in one tenant, environment and team; as upstream
EVENTS_MAX = 100_000  # remembered at once; whoever asked longest ago is forgotten first


class Windows:
    """Sliding windows, one for each key. Bounded: what does not fit is forgotten, oldest user first."""

    def __init__(self, events_max: int = EVENTS_MAX) -> None:
        self._events_max = events_max
        self._events = 0
        self._taken: OrderedDict[Hashable, deque[int]] = OrderedDict()

    def take(self, key: Hashable, count: int, now_us: int) -> None:
        """Counts one event of `key`. Raises TooMany, with when to come back, when `count` lie in the window."""
        taken = self._taken.setdefault(key, deque())
        self._taken.move_to_end(key)
        while taken and taken[0] <= now_us - WINDOW_US:
            taken.popleft()
            self._events -= 1
        if len(taken) >= count:
            wait_s = ceil((taken[0] + WINDOW_US - now_us) / 1_000_000)
            raise TooMany("Too many tokens were asked for.", code="tokens_too_many", retry_after_s=wait_s)
        taken.append(now_us)
        self._events += 1
        while self._events > self._events_max:
            _, oldest = self._taken.popitem(last=False)
            self._events -= len(oldest)

    @property
    def events(self) -> int:
        """How many are remembered."""
        return self._events
