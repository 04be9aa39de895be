"""What is watched of one call: its time, whether somebody cancelled it, how often it asks us, and what it writes.

A guest runs on one thread from beginning to end, so what it asks of us on that thread is of the call that is watched
there.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false
# the epoch callback of a store is in the C API alone

from __future__ import annotations

import ctypes
import itertools
import threading
from typing import Any, Final

from wasmtime import Store, WasmtimeError
from wasmtime import _bindings as bindings
from wasmtime import _ffi as ffi

from lichen.core.components.limits import CallLimits
from lichen.tools.wasm.port import TrapKind
from lichen.tools.wasm.running.engine import TICK_S

CONTINUE: Final = 0


class Watch:
    """One call, as far as it is bounded. `host` is what answers of ours are given. `cancel` may be called from any
    thread."""

    def __init__(self, limits: CallLimits, host: Any = None) -> None:
        self.limits = limits
        self.host = host
        self.stopped: TrapKind | None = None
        self.detail = ""
        self.is_cancelled = False
        self.written: list[bytes] = []
        self._ticks_left = max(1, round(limits.time_s / TICK_S))
        self._host_calls_left = limits.host_calls
        self._log_left = limits.log_bytes

    def cancel(self) -> None:
        """Stops the guest at its next tick, or where it asks us next."""
        self.is_cancelled = True

    def stop(self, kind: TrapKind, detail: str = "") -> WasmtimeError:
        """What the engine is told so that the guest goes no further; the first reason counts."""
        if self.stopped is None:
            self.stopped, self.detail = kind, detail
        return WasmtimeError(f"stopped: {kind}")

    def tick(self) -> WasmtimeError | None:
        """One tick of the guest's own time; an error ends it."""
        self._ticks_left -= 1
        if self.is_cancelled:
            return self.stop("cancelled")
        return self.stop("time", f"{self.limits.time_s:g} s") if self._ticks_left <= 0 else None

    def ask(self) -> WasmtimeError | None:
        """One question of the guest's to us; an error ends it."""
        self._host_calls_left -= 1
        if self.is_cancelled:
            return self.stop("cancelled")
        if self._host_calls_left < 0:
            return self.stop("host", f"more than {self.limits.host_calls} questions")
        return None

    def write(self, data: bytes) -> None:
        """Keeps the beginning of what the guest writes, and throws the rest away."""
        kept = data[: self._log_left]
        if kept:
            self._log_left -= len(kept)
            self.written.append(kept)


class _Here(threading.local):
    watch: Watch | None = None


HERE: Final = _Here()  # the call whose guest runs on this thread

_watches: dict[int, Watch] = {}
_numbers = itertools.count(1)


def watched(store: Store, watch: Watch) -> None:
    """Puts a store under a watch, until the store is gone."""
    number = next(_numbers)
    _watches[number] = watch
    ffi.wasmtime_store_epoch_deadline_callback(store.ptr(), _on_epoch, number, _on_gone)
    store.set_epoch_deadline(1)


def raw(error: WasmtimeError) -> int:
    """An error as C code takes it over."""
    return ctypes.cast(error._consume(), ctypes.c_void_p).value or 0


_CALLBACK: Any = bindings._wasmtime_store_epoch_deadline_callback.argtypes[1]
_FINALIZER: Any = bindings._wasmtime_store_epoch_deadline_callback.argtypes[3]


@_CALLBACK
def _on_epoch(context: Any, data: int, delta: Any, kind: Any) -> int:
    watch = _watches.get(data)
    error = WasmtimeError("stopped: nobody watches") if watch is None else watch.tick()
    if error is not None:
        return raw(error)
    delta[0], kind[0] = 1, CONTINUE
    return 0


@_FINALIZER
def _on_gone(data: int) -> None:
    _watches.pop(data, None)
