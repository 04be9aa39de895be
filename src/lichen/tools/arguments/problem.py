"""What is wrong with an answer or its schema, and where."""

from __future__ import annotations

from typing import Final, NamedTuple

PLACE_CHARS_MAX: Final = 256


class Problem(NamedTuple):
    """What is wrong first: where, as a JSON pointer, and in which words. Holds nothing of the value itself but names
    of its members."""

    place: str
    message: str


def under(place: str, step: str | int) -> str:
    """The place of a member, or of an item."""
    return f"{place}/{str(step).replace('~', '~0').replace('/', '~1')}"


def cut(place: str) -> str:
    """A place as it is told."""
    return place if len(place) <= PLACE_CHARS_MAX else f"{place[:PLACE_CHARS_MAX]}…"
