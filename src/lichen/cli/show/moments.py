"""Times, durations, sums of money and places in a log as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def moment(at_us: int) -> str:
    """A moment in UTC, to the second."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def duration(us: int) -> str:
    """A duration with the unit that fits."""
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000)):
        if us >= size:
            return f"{us / size:.1f} {unit}"
    return f"{us / 1000:.1f} ms"


def usd(micro_usd: int) -> str:
    """A sum of money, given in millionths of a US dollar."""
    return f"{micro_usd / 1e6:.4f} USD"


def position(record: Mapping[str, Any]) -> str:
    """Where a record is stored, and which of those stored there it is unless it is the first."""
    return f"{record['seq']}.{record['i']}" if record["i"] else str(record["seq"])
