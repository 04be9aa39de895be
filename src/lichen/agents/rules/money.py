"""Amounts of money in people's words: `80`, `80 EUR`, `80,50`, `€ 1.234,56`. Always minor units, never a float.

Only currencies with two decimals are known. A group of exactly three digits after a separator is thousands, so `1,234`
is one thousand two hundred and thirty-four.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_CODES = ("AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "NOK", "NZD", "PLN", "SEK", "USD")
_NAMES = (("€", "EUR"), ("$", "USD"), ("£", "GBP"), ("euro", "EUR"), ("dollar", "USD"), ("pound", "GBP"))
CURRENCIES = {
    **dict(_NAMES),
    **{f"{name}s": code for name, code in _NAMES if name.isalpha()},
    **{code.lower(): code for code in _CODES},
}
"""What names a currency in a text, lower-case, and its ISO 4217 code."""

_WORDS = "|".join(sorted((word for word in CURRENCIES if word.isalpha()), key=len, reverse=True))
_CURRENCY = rf"(?:[€$£]|(?i:{_WORDS})|[A-Z]{{3}})"
_THOUSANDS = "[.,'’\u00a0\u202f]"  # and the no-break spaces; a plain space would join two numbers
_MONEY = re.compile(
    rf"(?<![\w.,-])(?:(?P<before>{_CURRENCY})\s?)?"
    rf"(?P<whole>[0-9]{{1,3}}(?P<by>{_THOUSANDS})[0-9]{{3}}(?:(?P=by)[0-9]{{3}}){{0,3}}|[0-9]{{1,12}})"
    r"(?:(?P<point>[.,])(?P<cents>[0-9]{1,2}))?"
    rf"(?![0-9]|[.,][0-9]|\s?%)(?:\s?(?P<after>{_CURRENCY})(?!\w)|(?!\w))"
)


class Amount(NamedTuple):
    """An amount found at `start:end` of a text. `currency` is "" where the text names none."""

    minor: int
    currency: str
    start: int
    end: int


def amounts(text: str, currency: str = "") -> Iterator[Amount]:
    """The amounts in `text` from left to right. One in another currency than `currency`, or an unknown one, is none."""
    for found in _MONEY.finditer(text):
        if found["by"] is not None and found["by"] == found["point"]:
            continue
        named = {_code(found[side]) for side in ("before", "after") if found[side]}
        if not named or (len(named) == 1 and (named <= {currency} if currency else named <= _KNOWN)):
            minor = int(re.sub(r"\D", "", found["whole"])) * 100 + int((found["cents"] or "0").ljust(2, "0"))
            yield Amount(minor, next(iter(named), ""), found.start(), found.end())


def minor_units(text: str, currency: str = "") -> int | None:
    """The amount that `text` consists of, in minor units: 8050 for `80,50 EUR`. None if it is anything else."""
    text = text.strip()
    return next((a.minor for a in amounts(text, currency) if a.start == 0 and a.end == len(text)), None)


_KNOWN = frozenset(CURRENCIES.values())


def _code(word: str) -> str:
    return CURRENCIES.get(word.lower(), word)
