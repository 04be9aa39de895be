"""The question which of two numbers somebody meant, in their language: `Meinen Sie 1.234,00 EUR oder 1,23 EUR?`"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Final

from lichen.core.reading.notation import GROUPS
from lichen.core.speech.wording import DEFAULT

QUESTIONS: Final[Mapping[str, str]] = {
    "en": "Do you mean {numbers}?",
    "de": "Meinen Sie {numbers}?",
    "ja": "{numbers}のどちらでしょうか。",
    "zh": "您指的是{numbers}？",
    "es": "¿Quiere decir {numbers}?",
    "fr": "Voulez-vous dire {numbers} ?",
}
OR: Final[Mapping[str, str]] = {
    "en": " or ", "de": " oder ", "ja": "、または", "zh": "还是", "es": " o ", "fr": " ou "
}  # fmt: skip
_CENT: Final = Decimal("0.01")
_SHOWN_MAX: Final = 4


def which(numbers: Sequence[str], language: str) -> str:
    """The question, in English where it is not known in the language."""
    language = language if language in QUESTIONS else DEFAULT
    return QUESTIONS[language].format(numbers=OR[language].join(numbers[:_SHOWN_MAX]))


def number_as_written(value: Decimal, language: str) -> str:
    """A number that can be read in one way only: of thousands no mark is left, and 1.234 has four decimals."""
    whole, _, fraction = f"{abs(value):f}".partition(".")
    fraction = f"{fraction}0" if len(fraction) == 3 and len(whole) <= 3 else fraction
    return ("-" if value < 0 else "") + whole + (f"{_point(language)}{fraction}" if fraction else "")


def amount_as_written(value: Decimal, language: str, currency: str = "") -> str:
    """An amount with its cents and its currency. What is less than a cent is left out."""
    text = f"{value.quantize(_CENT, ROUND_DOWN):,f}"
    if _point(language) == ",":
        text = text.translate({ord(","): ".", ord("."): ","})
    return f"{text} {currency}".strip()


def _point(language: str) -> str:
    return "," if GROUPS.get(language) == "." else "."
