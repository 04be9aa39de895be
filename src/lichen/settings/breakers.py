"""When tools are left alone, as `[breakers."TOOL"]` says it, or `[breakers."*"]` for those that are not named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lichen.core.ports.call import CircuitBreaker, ToolSpec

OTHERS: Final = "*"
USUAL: Final = CircuitBreaker()


def breaker_of(spec: ToolSpec, said: Mapping[str, CircuitBreaker] = {}) -> CircuitBreaker:
    """The terms of a tool: the project's for it, its author's, the project's for others, the usual ones."""
    return said.get(spec.name) or spec.breaker or said.get(OTHERS) or USUAL
