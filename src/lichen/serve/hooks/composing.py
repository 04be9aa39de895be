"""That an answer is being written, shown where a platform can: at once, and again for as long as one is owed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from lichen.channels.port import Typing
from lichen.core.words.scope import Scope

AGAIN_S: Final = 4.0  # platforms show it for five seconds or so
SHOWN_S_MAX: Final = 60.0
CALL_S: Final = 5.0
SHOWN_MAX: Final = 200  # conversations at once; in further ones it is not shown


class Composing:
    """Shows it in conversations; nothing depends on it."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._sleep = sleep
        self._shown: dict[str, asyncio.Future[None]] = {}

    def begin(self, channel: Typing, scope: Scope, address: bytes, *, of: str, is_owed: Callable[[], bool]) -> None:
        """Shows it in the conversation `of`, unless it is shown there already, until nothing is owed any more."""
        if of in self._shown or len(self._shown) >= SHOWN_MAX:
            return
        shown = self._shown[of] = asyncio.ensure_future(self._show(channel, scope, address, is_owed))
        shown.add_done_callback(lambda _: self._shown.pop(of, None))

    @property
    def count(self) -> int:
        """In how many conversations it is shown now."""
        return len(self._shown)

    def end(self) -> None:
        """Shows it nowhere any more."""
        for each in self._shown.values():
            each.cancel()

    async def _show(self, channel: Typing, scope: Scope, address: bytes, is_owed: Callable[[], bool]) -> None:
        with suppress(Exception):  # a package may raise anything, and the runtime may have ended
            for _ in range(int(SHOWN_S_MAX / AGAIN_S)):
                if not is_owed():
                    return
                async with asyncio.timeout(CALL_S):
                    await channel.typing(scope, address)
                await self._sleep(AGAIN_S)
