"""Tokens that are kept in memory."""

from __future__ import annotations

from lichen.core.words.errors import NotFound


class Memory:
    """Implements `Tokens`. `at_s` is its clock, `kept` every value that it was given."""

    def __init__(self, at_s: float = 1_000.0) -> None:
        self.at_s = at_s
        self.kept: list[bytes] = []

    def now_s(self) -> float:
        return self.at_s

    async def load(self) -> bytes:
        if not self.kept:
            raise NotFound("Nothing is kept.", code="secret_unknown")
        return self.kept[-1]

    async def keep(self, data: bytes) -> None:
        self.kept.append(data)
