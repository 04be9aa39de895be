"""Moments, durations and values in the words pages use."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000))


def moment(at_us: int) -> str:
    """A moment in UTC, to the second."""
    return _utc(at_us).strftime("%Y-%m-%d %H:%M:%S")


def clock(at_us: int) -> str:
    """The time of day in UTC, to the second."""
    return _utc(at_us).strftime("%H:%M:%S")


def iso(at_us: int) -> str:
    """A moment as machines read it."""
    return _utc(at_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(us: int) -> str:
    """A duration in its largest fitting unit, three digits at most."""
    for unit, size in _UNITS:
        if us >= size:
            value = us / size
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}".replace(".0 ", " ")
    return f"{us} µs"


def ago(at_us: int, now_us: int) -> str:
    """How long since, in a word or two."""
    past = max(0, now_us - at_us)
    return "just now" if past < 1_000_000 else f"{_rough(past)} ago"


def until(at_us: int, now_us: int) -> str:
    """How long until, in a word or two."""
    return f"in {_rough(at_us - now_us)}" if at_us > now_us else "past"


def _rough(us: int) -> str:
    return next((f"{us // size} {unit}" for unit, size in _UNITS if us >= size), "0 s")


def plain(value: Any) -> str:
    """A value on one line: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def pretty(value: Any) -> str:
    """A value as indented JSON; texts as they are."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def spoken(name: str) -> str:
    """A code as words: `plan_started` is `plan started`."""
    return name.replace("_", " ")


def grouped(number: int) -> str:
    """A number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")


def usd(micro_usd: int) -> str:
    """Millionths of a US dollar as dollars, with four decimals."""
    return f"{micro_usd / 1e6:,.4f} USD"


def _utc(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, UTC)


FILTERS: dict[str, Callable[..., str]] = {
    each.__name__: each for each in (moment, clock, iso, duration, ago, until, plain, pretty, spoken, grouped, usd)
}
"""What templates call them."""
