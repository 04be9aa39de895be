"""What a platform says when it is asked while somebody waits: in its time, and in our own words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from lichen.core.words.errors import LichenError, Unavailable

T = TypeVar("T")

ANSWER_S: Final = 20.0


async def answered(asking: Awaitable[T]) -> T:
    """What the platform said. Nothing a package raises leaves but in our own words.

    Raises LichenError as the channel does, Unavailable (`platform_unreachable`, `channel_failed`).
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            return await asking
    except LichenError:
        raise
    except TimeoutError:
        step = "Look whether this machine reaches it, and its status page; then try again."
        raise Unavailable("The platform does not answer.", code="platform_unreachable", next_step=step) from None
    except Exception as error:
        step = "Install a version of the package that works; the process's log has its place."
        raise Unavailable(
            f"The channel failed: {type(error).__name__}.", code="channel_failed", next_step=step
        ) from error
