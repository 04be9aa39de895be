"""The replies of this process that wait for another attempt, as their channels left them, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from lichen.core.words.ids import SessionId
from lichen.core.words.scope import Scope

SESSIONS_MAX: Final = 100_000
DELIVER: Final = "deliver/"
"""How the timer of a message that waits for another attempt begins."""
RESTARTED: Final = "restarted"
"""Why what an earlier process held waits, as far as this one knows before it tries it itself."""


class Held(msgspec.Struct, frozen=True):
    """What waits in one session: `code` says why its first message did not leave, `behind` are those that go after it.
    It is of `since_us`, and tried again at `until_us`."""

    channel: str
    code: str
    since_us: int
    until_us: int
    behind: int = 0


class HeldGroup(msgspec.Struct, frozen=True):
    """How many messages wait at one channel for one reason, since when, and when the first of them is tried again."""

    scope: Scope
    channel: str
    code: str
    count: int
    since_us: int
    until_us: int


class HeldReplies:
    """Those of every scope, by session: in each the oldest message is tried first."""

    def __init__(self) -> None:
        self._held: dict[tuple[Scope, SessionId], Held] = {}

    def keep(self, scope: Scope, session: SessionId, held: Held) -> None:
        """Notes why a session's next message waits."""
        if len(self._held) < SESSIONS_MAX or (scope, session) in self._held:
            self._held[scope, session] = held

    def remember(self, scope: Scope, session: SessionId, until_us: int, now_us: int) -> None:
        """Notes that what an earlier process held waits, unless more is known of it."""
        if (scope, session) not in self._held:
            self.keep(scope, session, Held("", RESTARTED, now_us, until_us))

    def let_go(self, scope: Scope, session: SessionId) -> None:
        """Nothing of this session waits for another attempt any more."""
        self._held.pop((scope, session), None)

    def groups(self, unsent: Callable[[Scope, SessionId], int | None]) -> Iterable[HeldGroup]:
        """All of them, by channel and reason. `unsent` says how many wait in a session by now, where that is known."""
        found: dict[tuple[Scope, str, str], HeldGroup] = {}
        for (scope, session), each in self._held.items():
            waiting = unsent(scope, session) or 1 + each.behind
            key = scope, each.channel, each.code
            before = found.get(key, HeldGroup(*key, 0, each.since_us, each.until_us))
            since_us, until_us = min(before.since_us, each.since_us), min(before.until_us, each.until_us)
            found[key] = HeldGroup(*key, before.count + waiting, since_us, until_us)
        return found.values()
