"""By how many bytes a log grew on the day of its last record (UTC)."""

from __future__ import annotations

DAY_US = 86_400_000_000


class Growth:
    """Counts what is appended. Yesterday's sum is forgotten with the first record of today."""

    __slots__ = ("_bytes", "_day")

    def __init__(self) -> None:
        self._day, self._bytes = 0, 0

    def add(self, ts_us: int, size: int) -> None:
        """So many bytes more, at this moment."""
        day = ts_us // DAY_US
        if day != self._day:
            self._day, self._bytes = day, 0
        self._bytes += size

    def on(self, ts_us: int) -> int:
        """How many bytes came on the day of this moment."""
        return self._bytes if ts_us // DAY_US == self._day else 0
