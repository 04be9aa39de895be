"""Amounts of money in people's words, always in minor units, never a float.

Only currencies with two decimals are known. An amount that could be two numbers is none until somebody says which.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from lichen.core.reading.currencies import KNOWN
from lichen.core.reading.numbers import Number, numbers, only_number

AMOUNT_MAX = 10**15  # in major units
MINOR_PER_MAJOR = 100


class Amount(NamedTuple):
    """An amount found at `start:end` of a text. `currency` is "" where the text names none. `minor` is None where it
    could be either of `readings`."""

    minor: int | None
    currency: str
    start: int
    end: int
    readings: tuple[Decimal, ...]


def amounts(text: str, currency: str = "", *, language: str = "") -> Iterator[Amount]:
    """The amounts in `text` from left to right. One in another currency than `currency`, or an unknown one, is none."""
    for number in numbers(text, language):
        found = amount_of(number, currency)
        if found is not None:
            yield found


def minor_units(text: str, currency: str = "", *, language: str = "") -> int | None:
    """The amount that `text` consists of, in minor units: 8050 for `80,50 EUR`. None if it is anything else, and for
    `1.234` unless the `language` says what its mark means."""
    number = only_number(text, language)
    found = None if number is None else amount_of(number, currency)
    return None if found is None else found.minor


def amount_of(number: Number, currency: str = "") -> Amount | None:
    """The amount that a number is, None for one below nothing, of parts of a cent, or in another currency."""
    named = number.currency
    if named and (named != currency if currency else named not in KNOWN):
        return None
    if any(not 0 <= value < AMOUNT_MAX for value in number.readings):
        return None
    minor = None if number.value is None else number.value * MINOR_PER_MAJOR
    if minor is not None and minor != minor.to_integral_value():
        return None  # less than a cent
    return Amount(None if minor is None else int(minor), named, number.start, number.end, number.readings)
