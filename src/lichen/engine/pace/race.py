"""The first of several things to happen; whatever else was waited for is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

K = TypeVar("K")


async def race(works: Mapping[K, Awaitable[Any]], *, timeout_s: float | None = None) -> K | None:
    """The name of the work that ended first, the first named of those that ended together; None after `timeout_s`.

    The others are cancelled and over when this returns, or is cancelled itself. Raises what the first one raised.
    """
    tasks = {name: asyncio.ensure_future(work) for name, work in works.items()}
    try:
        await asyncio.wait(tasks.values(), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        ended = next((name for name, task in tasks.items() if task.done()), None)
        if ended is not None:
            tasks[ended].result()
        return ended
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
