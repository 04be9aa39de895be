"""Control: whether anybody still waits for the answer.

Source: greentic:component/control@0.6.0 (greentic-interfaces).
"""

from __future__ import annotations

from typing import Final

from lichen.tools.wasm.imports.host import HostCall
from lichen.tools.wasm.running.asked import Answer


def should_cancel(host: HostCall) -> bool:
    """Whether the call was cancelled. A guest that goes on all the same is stopped."""
    return host.is_cancelled


def yield_now(host: HostCall) -> None:
    """Nothing: a guest has a thread of its own."""


FUNCTIONS: Final[dict[str, Answer]] = {"should-cancel": should_cancel, "yield-now": yield_now}
