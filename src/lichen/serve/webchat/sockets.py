"""The open WebSockets: so many in a process, so many of one conversation, the newest ones."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from lichen.core.words.errors import Unavailable

SOCKETS_MAX = 10_000
SOCKETS_EACH_MAX = 4  # tabs of one conversation


class Sockets:
    """Who is connected. A new socket of a conversation that has enough takes the place of its oldest one."""

    def __init__(self, most: int = SOCKETS_MAX, most_each: int = SOCKETS_EACH_MAX) -> None:
        self._most, self._most_each = most, most_each
        self._open: dict[str, list[asyncio.Event]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many are open."""
        return self._count

    @contextmanager
    def holding(self, conversation: str) -> Generator[asyncio.Event]:
        """A place for one socket; the event is set when it is taken away. Raises Unavailable (`sockets_full`)."""
        if self._count >= self._most:
            raise Unavailable("As many streams are open as may be.", code="sockets_full")
        replaced = asyncio.Event()
        mine = self._open.setdefault(conversation, [])
        mine.append(replaced)
        self._count += 1
        for event in mine[: -self._most_each]:
            event.set()
        try:
            yield replaced
        finally:
            mine.remove(replaced)
            self._count -= 1
            if not mine:
                del self._open[conversation]
