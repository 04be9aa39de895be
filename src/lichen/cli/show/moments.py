"""Times and durations as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(at_us: int) -> str:
    """A moment in UTC, to the second."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def duration(us: int) -> str:
    """A duration with the unit that fits."""
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000)):
        if us >= size:
            return f"{us / size:.1f} {unit}"
    return f"{us / 1000:.1f} ms"
