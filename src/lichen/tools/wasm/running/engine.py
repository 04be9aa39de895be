"""The one engine of a process: how components are compiled for it, and the ticks by which guests are stopped."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Final

from wasmtime import Config, Engine

TICK_S: Final = 0.004
LINGER_TICKS: Final = 250  # that go on after the last guest, so that no thread is made for each call
STACK_BYTES_MAX: Final = 512 * 1024
RESERVED_BYTES: Final = 16 * 1024 * 1024  # of addresses for a memory: with the default, 10,000 guests take 122 TiB
GUARD_BYTES: Final = 64 * 1024
GROWTH_BYTES: Final = 1024 * 1024
BUILD: Final = f"wasmtime {version('wasmtime')} {STACK_BYTES_MAX}/{RESERVED_BYTES}/{GUARD_BYTES}/{GROWTH_BYTES}"
"""What compiled code was made by and for."""


@cache
def engine() -> Engine:
    """The engine of this process."""
    config = Config()
    config.wasm_component_model = True
    config.epoch_interruption = True
    config.wasm_threads = False
    config.max_wasm_stack = STACK_BYTES_MAX
    config.memory_reservation = RESERVED_BYTES
    config.memory_guard_size = GUARD_BYTES
    config.memory_reservation_for_growth = GROWTH_BYTES
    return Engine(config)


class Ticks:
    """Moves the epoch of the engine on, from a thread of its own, while guests run and a moment longer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._running = 0
        self._thread: threading.Thread | None = None
        self._never = threading.Event()

    @contextmanager
    def going(self) -> Generator[None]:
        """While this is open, time passes for guests."""
        with self._lock:
            self._running += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, name="lichen-wasm-ticks", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    @property
    def is_going(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None

    def _tick(self) -> None:
        idle = 0
        while True:
            self._never.wait(TICK_S)
            self._engine.increment_epoch()
            with self._lock:
                idle = 0 if self._running else idle + 1
                if idle > LINGER_TICKS:
                    self._thread = None
                    return


@cache
def ticks() -> Ticks:
    """The ticks of the engine."""
    return Ticks(engine())
