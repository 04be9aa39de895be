"""Writes `cldr_numbers.json`: how CLDR writes numbers, as Babel formats them.

Babel is in the environment of `make docs`: `.venv-docs/bin/python tests/core/cldr.py > tests/core/cldr_numbers.json`.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
from decimal import Decimal
from typing import Any, cast

LOCALES = ("en", "de", "de_CH", "de_AT", "fr", "es", "it", "nl", "pt", "da", "sv", "nb", "pl", "cs", "tr", "ja", "zh",
           "ko", "he", "ar_EG", "fa", "hi", "id", "el", "uk", "fi", "hu", "ro", "vi", "en_ZA")  # fmt: skip
SYMBOLS = ("en", "ja", "ko", "zh", "th", "he", "hi", "bn", "ta", "sw", "ga", "mt", "fil", "ms", "de", "es", "it", "nl",
           "pt", "da", "id", "tr", "el", "hr", "sl", "ro", "ca", "vi", "is", "fr", "sv", "nb", "fi", "pl", "cs", "sk",
           "hu", "uk", "ru", "bg", "lt", "lv", "et")  # fmt: skip
CURRENCIES = ("EUR", "USD", "CHF")
VALUES = (0, 1, 12, 999, 1000, 1234, 12345, 1234567, "0.5", "0.05", "80.5", "0.123", "1.234", "1234.5", "1234.567")
AMOUNTS = ("0.05", "80", "80.5", "999.99", "1000", "1234.56", "12345.6", "1234567.89")
ROUND = (1500, 12_000, 1_200_000, 3_000_000, 2_500_000_000)


def main() -> None:
    numbers: Any = importlib.import_module("babel.numbers")
    core: Any = importlib.import_module("babel.core")
    chance = random.Random(49)
    values = [Decimal(str(value)) for value in VALUES]
    values += [Decimal(chance.randrange(10**9)).scaleb(-chance.randrange(4)) for _ in range(10)]
    amounts = [Decimal(value) for value in AMOUNTS] + [Decimal(chance.randrange(10**9)).scaleb(-2) for _ in range(4)]
    found: dict[str, Any] = {"source": f"CLDR {core.get_cldr_version()}"}
    found["symbols"] = {
        language: [numbers.get_decimal_symbol(language), numbers.get_group_symbol(language)] for language in SYMBOLS
    }
    found["numbers"] = [
        [locale, str(value), numbers.format_decimal(value, locale=locale)]
        for locale in LOCALES
        for value in (*values, -values[4], -values[10])
    ]
    found["amounts"] = [
        [locale, str(value), numbers.format_currency(value, currency, locale=locale)]
        for locale in LOCALES
        for value in (*amounts, -amounts[5])
        for currency in CURRENCIES
    ]
    found["compact"] = [
        [locale, numbers.format_compact_decimal(value, format_type=kind, locale=locale, fraction_digits=1)]
        for locale in ("en", "de")
        for value in ROUND
        for kind in ("short", "long")
    ]
    found["percent"] = [[locale, numbers.format_percent(0.5, locale=locale)] for locale in LOCALES]
    rows = [f"{json.dumps(key)}: {_rows(value)}" for key, value in found.items()]
    sys.stdout.write("{\n" + ",\n".join(rows) + "\n}\n")


def _rows(value: Any) -> str:
    if isinstance(value, list):
        value = cast("list[Any]", value)
        return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=True) for row in value) + "\n]"
    return json.dumps(value, ensure_ascii=True)


if __name__ == "__main__":
    main()
