"""Why a guest ended, told from what the engine says: component traps of wasmtime-py bear no code, only words."""

from __future__ import annotations

from typing import Final

from wasmtime import ExitTrap, WasmtimeError

from lichen.tools.wasm.port import TrapKind, Trapped
from lichen.tools.wasm.running.watch import Watch

DETAIL_CHARS_MAX: Final = 200
_WORDS: Final[tuple[tuple[str, TrapKind, str], ...]] = (
    ("call stack exhausted", "stack", "too deep a recursion"),
    ("unreachable", "unreachable", "the guest gave up"),
    ("exceeds memory limits", "memory", "more memory than it may have"),
    ("exceeds table limits", "memory", "more table elements than it may have"),
    ("limit exceeded", "memory", "more memories, tables or instances than it may have"),
    ("count too high", "memory", "more memories, tables or instances than it may have"),
    ("out of bounds", "bounds", "an access beside its memory"),
    ("pointer not aligned", "value", "a value that does not lie as it should"),
    ("string pointer/length out of bounds", "value", "a value beside its memory"),
    ("invalid utf-8", "value", "a string that is none"),
    ("hostcall", "value", "a value that is too large"),
    ("fuel", "value", "a value that is too large"),
    ("divide by zero", "arithmetic", "a division by zero"),
    ("integer overflow", "arithmetic", "an overflow"),
    ("invalid conversion", "arithmetic", "a conversion of no number"),
    ("unknown import", "host", "a question that nobody answers here"),
    ("cannot enter component instance", "other", "it had ended before"),
    ("interrupt", "time", "its time"),
)


def trapped(error: WasmtimeError, watch: Watch) -> Trapped:
    """The reason of ours where we stopped it, else the engine's. What a guest wrote is in none of them."""
    if watch.stopped is not None:
        return Trapped(watch.stopped, watch.detail)
    if isinstance(error, ExitTrap):
        return Trapped("exit", f"status {error.code}")
    said = str(error).lower()
    for words, kind, detail in _WORDS:
        if words in said:
            return Trapped(kind, detail)
    return Trapped("other", "the engine stopped it")
