"""What names a currency in people's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

UNKNOWN: Final = "XXX"  # ISO 4217: no currency; here one that is not known, or two at once

_CODES: Final = ("AUD", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "NOK", "NZD", "PLN", "SEK", "USD")
_NAMES: Final = {"euro": "EUR", "dollar": "USD", "pound": "GBP"}
CURRENCIES: Final[Mapping[str, str]] = {
    **dict(zip("€$£", ("EUR", "USD", "GBP"), strict=True)),
    **{f"{country}$": f"{country}D".upper() for country in ("us", "ca", "au", "nz")},
    "a$": "AUD",
    **_NAMES,
    **{f"{name}s": code for name, code in _NAMES.items()},
    **{code.lower(): code for code in _CODES},
}
"""What names a currency of two decimals, in lower case, and its ISO 4217 code."""

KNOWN: Final = frozenset(CURRENCIES.values())
SYMBOLS: Final = "€$£¥₹₺₽₩₴₪₫₱₦฿"
_OTHER: Final = re.compile(rf"[A-Z]{{3}}|[A-Z]{{0,3}}[{SYMBOLS}]")


def currency_of(word: str) -> str:
    """The ISO 4217 code that a word or symbol stands for; `XXX` for a symbol that is not known, empty for other words.

    Three capitals are a code, even of no currency that is known here.
    """
    known = CURRENCIES.get(word.lower())
    if known is not None:
        return known
    if not _OTHER.fullmatch(word):
        return ""
    return word if word.isalpha() else UNKNOWN


def agreed(before: str, after: str) -> str:
    """The currency that is named on either side of a number; `XXX` where two are."""
    named = {code for code in (before, after) if code in KNOWN} or {code for code in (before, after) if code}
    return named.pop() if len(named) == 1 else UNKNOWN if named else ""
