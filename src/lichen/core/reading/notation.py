"""The digits of one number, with the marks between them: what they say, by the custom of a language.

`1.234` is a thousand to some people and a little more than one to others. Which of the two marks groups thousands in a
language is as CLDR has it; where that does not decide, both readings stand, and nobody may choose for whoever wrote it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

DIGITS_MAX: Final = 18

GROUPS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("en", "ja", "ko", "zh", "th", "he", "hi", "bn", "ta", "sw", "ga", "mt", "fil", "ms"), ","),
    **dict.fromkeys(("de", "es", "it", "nl", "pt", "da", "id", "tr", "el", "hr", "sl", "ro", "ca", "vi", "is"), "."),
}
"""The mark that groups thousands, by language. Of others it is a space, or not known here."""

_STYLES: Final = ((",", "."), (".", ","), ("'", "."), ("'", ","), (" ", "."), (" ", ","), ("٬", "٫"))
_READ: Final = [
    (re.compile(rf"(\d+|[1-9]\d{{0,2}}(?:{re.escape(group)}\d{{3}})+)(?:{re.escape(point)}(\d+))?"), group)
    for group, point in _STYLES
]


def readings(written: str, language: str = "") -> tuple[Decimal, ...]:
    """What the digits may say: nothing, one number, or the two that they could be, the larger first.

    `written` are decimal digits of one script with marks or spaces between them, such as `1.234,56`.
    """
    digits = _ascii(written)
    found = dict.fromkeys(value for style in _READ if (value := _value(digits, *style)) is not None)
    if len(found) > 1 and GROUPS.get(language, "") in [mark for mark in digits if not mark.isdigit()]:
        return (max(found),)
    return tuple(sorted(found, reverse=True))


def _value(digits: str, style: re.Pattern[str], group: str) -> Decimal | None:
    match = style.fullmatch(digits)
    if match is None or len(digits) > 2 * DIGITS_MAX:
        return None
    whole, fraction = match[1].replace(group, ""), match[2] or ""
    if len(whole) + len(fraction) > DIGITS_MAX:
        return None
    return plain(Decimal(f"{whole}.{fraction}" if fraction else whole))


def plain(value: Decimal) -> Decimal:
    """The one form of a number: 80 for 80.00, 80.5 for 80.50."""
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


def _ascii(written: str) -> str:
    """The same in ASCII digits, with one kind of space and of apostrophe; empty where scripts are mixed."""
    zeros = {ord(mark) - unicodedata.decimal(mark) for mark in written if mark.isdecimal()}
    if len(zeros) != 1:
        return ""
    return "".join(_MARKS.get(mark, str(unicodedata.decimal(mark, mark))) for mark in written)


_MARKS: Final[Mapping[str, str]] = {"’": "'", **dict.fromkeys("\u00a0\u202f\u2007\u2009", " ")}
