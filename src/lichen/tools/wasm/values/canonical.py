"""The canonical Python form of component values, whatever library carries them.

A record is a dict with the WIT names as written, a tuple a tuple, `list<u8>` bytes and any other list a list, an option
its value or None (in an option of an option: `Some`), an enum its name, flags a frozenset of names; numbers, booleans,
characters and strings are what Python has.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Ok(NamedTuple):
    """The good half of a `result`."""

    value: Any = None


class Err(NamedTuple):
    """The other half of a `result`."""

    value: Any = None


class Some(NamedTuple):
    """What is there, of an option whose own values may be None."""

    value: Any = None


class Case(NamedTuple):
    """One case of a `variant`."""

    tag: str
    payload: Any = None


class Handle:
    """A resource: nothing but itself, of use only to the instance that it came from."""

    __slots__ = ("raw",)

    def __init__(self, raw: Any) -> None:
        self.raw: Final = raw
