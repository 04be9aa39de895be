"""At which moments a schedule is due: a cron expression in a time zone, an interval, or one moment.

Expressions of five fields mean what they mean to Debian's cron, at both edges of summer time too; six have the seconds
first. Source: crontab(5) of Debian; the library `cronsim` follows it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

DUES_MAX: Final = 5_000  # looked at one by one; of more than that, those of the last hours
RECENT: Final = timedelta(hours=6)
_SECOND_US: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Times(NamedTuple):
    """Which moments they are: exactly one of `cron`, `every_s` and `at` is there, or none: then there are none."""

    cron: str = ""
    every_s: int = 0
    at_us: int = 0
    zone: str = "UTC"

    @property
    def digest(self) -> str:
        """Tells these from others: what was owed by others is owed no more."""
        return hashlib.sha256("\x00".join(map(str, self)).encode()).hexdigest()[:16]


class Dues(NamedTuple):
    """The moments that have come: the newest of them, in order, and how many there were before those."""

    newest: tuple[int, ...] = ()
    before: int = 0
    first_us: int = 0


def zone_of(name: str) -> tzinfo:
    """The time zone of this name. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ValueError(f"there is no time zone {name!r}") from None


def check_cron(text: str) -> None:
    """Raises ValueError for what is no cron expression, or has no moment in the next fifty years."""
    try:
        next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(
            f"the cron expression {text!r} cannot be read: {str(error)[:1].lower()}{str(error)[1:]}"
        ) from None
    except StopIteration:
        raise ValueError(f"the moment of the cron expression {text!r} never comes") from None


def following(times: Times, after_us: int, *, stretch: int = 1) -> Iterator[int]:
    """The moments after this one, in microseconds since 1970. `stretch` makes intervals so many times as long."""
    if times.every_s:
        step = times.every_s * _SECOND_US * stretch
        due_us = after_us + step
        while True:
            yield due_us
            due_us += step
    elif times.cron:
        last_us = after_us  # a moment that clocks show twice, or never, is told of once
        for due_us in map(as_us, CronSim(times.cron, as_moment(after_us, times.zone))):
            if due_us > last_us:
                last_us = due_us
                yield due_us
    elif times.at_us > after_us:
        yield times.at_us


def dues(times: Times, after_us: int, until_us: int, *, newest: int, stretch: int = 1) -> Dues:
    """The moments after one and until another: the `newest` of them, and how many came before."""
    if times.every_s:
        return _of_interval(times.every_s * _SECOND_US * stretch, after_us, until_us, newest)
    kept: deque[int] = deque(maxlen=newest)
    count, first_us = 0, 0
    for due_us in following(times, after_us):
        if due_us > until_us:
            break
        if count == DUES_MAX:
            late = until_us - round(RECENT / timedelta(microseconds=1))
            rest = dues(times, max(late, due_us), until_us, newest=newest)
            return (
                rest._replace(before=count + rest.before, first_us=first_us)
                if rest.newest
                else _of(kept, count, first_us)
            )
        first_us = first_us or due_us
        kept.append(due_us)
        count += 1
    return _of(kept, count, first_us)


def _of(kept: deque[int], count: int, first_us: int = 0) -> Dues:
    return Dues(tuple(kept), count - len(kept), first_us)


def _of_interval(step: int, after_us: int, until_us: int, newest: int) -> Dues:
    count = max(0, until_us - after_us) // step
    first = max(1, count - newest + 1)
    return Dues(tuple(after_us + step * n for n in range(first, count + 1)), first - 1, after_us + step if count else 0)


def upcoming(times: Times, after_us: int, count: int, *, stretch: int = 1) -> tuple[int, ...]:
    """The next moments after one."""
    return tuple(islice(following(times, after_us, stretch=stretch), count))


def jitter_us(name: str, due_us: int, jitter_s: float) -> int:
    """By how much a tick begins later than it is due: always the same for one schedule and tick, so that many
    schedules of one moment do not begin at once."""
    drawn = int.from_bytes(hashlib.sha256(f"{name}\x00{due_us}".encode()).digest()[:8], "big")
    return int(jitter_s * _SECOND_US * drawn / 2**64)


def as_us(moment: datetime) -> int:
    """Microseconds since 1970."""
    return round((moment - _EPOCH) / timedelta(microseconds=1))


def as_moment(us: int, zone: str = "UTC") -> datetime:
    """The moment so many microseconds after 1970, as clocks of a time zone show it."""
    return (_EPOCH + timedelta(microseconds=us)).astimezone(zone_of(zone))
