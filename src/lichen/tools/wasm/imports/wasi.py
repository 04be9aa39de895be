"""Chance and time as WASI has them: the runtime's where they were granted, and otherwise stand-ins that are always the
same. Chance that secrets may be made of is refused instead. Nobody sleeps: a guest that does could not be stopped.

Source: WASI 0.2, wasi:random and wasi:clocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import shake_128
from typing import Final

from lichen.tools.wasm.imports.host import HostCall
from lichen.tools.wasm.port import Trapped
from lichen.tools.wasm.running.asked import Answer, Stops

MICROSECONDS: Final = 1_000_000
STEP_NS: Final = 1_000_000  # that a clock which was not granted goes on with each look
WORD_BYTES: Final = 8
BYTES_MAX: Final = 1024 * 1024


def random_bytes(host: HostCall | None, length: int) -> bytes:
    """So many bytes that nobody can guess. Raises Trapped where randomness was not granted; of a component that is only
    asked what it is, nothing depends on them."""
    return b"" if length == 0 else _chance(host, length, is_secret=True)


def random_u64(host: HostCall | None) -> int:
    """A number that nobody can guess."""
    return int.from_bytes(_chance(host, WORD_BYTES, is_secret=True), "little")


def insecure_bytes(host: HostCall | None, length: int) -> bytes:
    """So many bytes."""
    return b"" if length == 0 else _chance(host, length)


def insecure_u64(host: HostCall | None) -> int:
    """A number."""
    return int.from_bytes(_chance(host, WORD_BYTES), "little")


def insecure_seed(host: HostCall | None) -> tuple[int, int]:
    """Two numbers to begin hash tables with."""
    return insecure_u64(host), insecure_u64(host)


def wall_now(host: HostCall | None) -> Mapping[str, int]:
    """The time of day; the beginning of 1970 where clocks were not granted."""
    seconds, microseconds = divmod(_now_us(host) or 0, MICROSECONDS)
    return {"seconds": seconds, "nanoseconds": microseconds * 1_000}


def wall_resolution(host: HostCall | None) -> Mapping[str, int]:
    """A microsecond."""
    return {"seconds": 0, "nanoseconds": 1_000}


def monotonic_now(host: HostCall | None) -> int:
    """A time that never goes back; where clocks were not granted, one that goes on with each look."""
    if host is None:
        return 0
    now_us = _now_us(host)
    host.monotonic_ns = max(host.monotonic_ns, now_us * 1_000) if now_us is not None else host.monotonic_ns + STEP_NS
    return host.monotonic_ns


def monotonic_resolution(host: HostCall | None) -> int:
    """A microsecond, in nanoseconds."""
    return 1_000


def _chance(host: HostCall | None, length: int, *, is_secret: bool = False) -> bytes:
    if length > BYTES_MAX:
        raise Trapped("value", "more randomness than may cross")
    if host is None:
        return _still(b"", length)
    if host.may.random:
        return host.services.around.random(length)
    if is_secret:
        raise Trapped("host", host.refuse("denied", "randomness is not granted").message)
    return _still(host.next_key().encode(), length)


def _still(seed: bytes, length: int) -> bytes:
    """Bytes that are the same on each attempt of a call."""
    return shake_128(seed).digest(length)


def _now_us(host: HostCall | None) -> int | None:
    return host.services.around.clock() if host is not None and host.may.clocks else None


_SLEEPS: Final = Stops("a component does not sleep")
RANDOM: Final[dict[str, Answer]] = {"get-random-bytes": random_bytes, "get-random-u64": random_u64}
INSECURE: Final[dict[str, Answer]] = {
    "get-insecure-random-bytes": insecure_bytes,
    "get-insecure-random-u64": insecure_u64,
}
SEED: Final[dict[str, Answer]] = {"insecure-seed": insecure_seed}
WALL: Final[dict[str, Answer]] = {"now": wall_now, "resolution": wall_resolution}
MONOTONIC: Final[dict[str, Answer]] = {
    "now": monotonic_now,
    "resolution": monotonic_resolution,
    "subscribe-instant": _SLEEPS,
    "subscribe-duration": _SLEEPS,
}
