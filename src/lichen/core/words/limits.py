"""How much a run may do before it has to answer with what it has."""

from __future__ import annotations

from typing import Final

import msgspec

USD_MAX: Final = 1e9


class Limits(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Bounds of one run. Reaching one ends the work with a finalizing turn, never without an answer.

    `calls`: budgeted tool calls, a batch over the rest is denied whole. `time_s`: wall time without waiting.
    `failures`: consecutive batches in which every call failed. `fan_out`: calls of one plan. `depth`: levels of
    child runs. `tokens`: model tokens. `grace_s`: time for the final answer after `time_s`. `cost_usd`: what its model
    requests may cost, None for as much as they do.
    """

    calls: int = 32
    time_s: float = 300.0
    failures: int = 3
    fan_out: int = 64
    depth: int = 3
    tokens: int = 1_000_000
    grace_s: float = 10.0
    cost_usd: float | None = None

    def __post_init__(self) -> None:
        if min(self.calls, self.failures, self.fan_out, self.tokens) < 1 or self.depth < 0:
            raise ValueError("every limit must allow at least one step")
        if self.time_s <= 0 or self.grace_s < 0:
            raise ValueError("time_s must be positive and grace_s not negative")
        if self.cost_usd is not None and not 0 < self.cost_usd <= USD_MAX:
            raise ValueError("cost_usd must be positive and no fortune")

    @property
    def micro_usd(self) -> int | None:
        """`cost_usd` in millionths of a US dollar."""
        return None if self.cost_usd is None else int(self.cost_usd * 1e6)


class Usage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a model call cost: tokens by kind, and money in millionths of a US dollar.

    `input_tokens` counts all that was read, what came from the provider's cache (`cached_tokens`) and what was put
    there (`cache_write_tokens`) included.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_micro_usd: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cost_micro_usd + other.cost_micro_usd,
            self.cache_write_tokens + other.cache_write_tokens,
        )

    @property
    def tokens(self) -> int:
        """All tokens a provider bills."""
        return self.input_tokens + self.output_tokens


NO_USAGE: Final = Usage()
