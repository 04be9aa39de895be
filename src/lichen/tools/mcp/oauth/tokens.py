"""Where the tokens of whoever signed in at a server are kept."""

from __future__ import annotations

from typing import Protocol


class Tokens(Protocol):
    """One secret of one scope."""

    def now_s(self) -> float:
        """The time, in seconds since 1970."""
        ...

    async def load(self) -> bytes:
        """What is kept. Raises NotFound (`secret_unknown`) where nobody signed in."""
        ...

    async def keep(self, data: bytes) -> None:
        """Keeps it in the place of what was there."""
        ...
