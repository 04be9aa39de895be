"""Values as people of a language write them: `80,5`, `27. November 2026`, `ja`.

Numbers follow CLDR. Words and months are known in the languages that the runtime itself speaks; a date in another one
stays as JSON has it, which can be read in one way only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, cast

from lichen.core.reading.notation import GROUPS
from lichen.core.speech.template import SHOWN_CHARS_MAX
from lichen.core.speech.wording import DEFAULT

ITEMS_MAX: Final = 50
DECIMAL: Final = "decimal"  # the format of a text that is a number
SPACED: Final = frozenset(["fr", "sv", "nb", "fi", "pl", "cs", "sk", "hu", "uk", "ru", "bg", "lt", "lv", "et"])
"""Languages that group thousands with a space and write a comma before decimals."""

_YES_NO: Final[Mapping[str, tuple[str, str]]] = {
    "en": ("yes", "no"), "de": ("ja", "nein"), "ja": ("はい", "いいえ"), "zh": ("是", "否"), "es": ("sí", "no"),
    "fr": ("oui", "non"),
}  # fmt: skip
_NONE: Final[Mapping[str, str]] = {
    "en": "none", "de": "keine", "ja": "なし", "zh": "无", "es": "ninguno", "fr": "aucun"
}  # fmt: skip
_DAY: Final[Mapping[str, str]] = {
    "en": "{day} {month} {year}",
    "de": "{day}. {month} {year}",
    "ja": "{year}年{month}{day}日",
    "zh": "{year}年{month}{day}日",
    "es": "{day} de {month} de {year}",
    "fr": "{day} {month} {year}",
}
_MONTHS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    "de": (
        "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
        "Dezember",
    ),
    **dict.fromkeys(("ja", "zh"), tuple(f"{month}月" for month in range(1, 13))),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
        "diciembre",
    ),
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
        "décembre",
    ),
}  # fmt: skip


def marks(language: str) -> tuple[str, str]:
    """What groups thousands in a language, and what comes before decimals; nothing and a point where not known."""
    if language in SPACED:
        return "\u202f" if language == "fr" else "\u00a0", ","
    return {",": (",", "."), ".": (".", ",")}.get(GROUPS.get(language, ""), ("", "."))


def number(value: Decimal, language: str) -> str:
    """A number without marks between its thousands, since it may be the number of an order."""
    return f"{value:f}".replace(".", marks(language)[1])


def money(value: object, language: str) -> str | None:
    """Minor units as an amount: 123450 is `1,234.50`. None for what is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    group, point = marks(language)
    whole, cents = divmod(abs(value), 100)
    return f"{'-' if value < 0 else ''}{f'{whole:,}'.replace(',', group)}{point}{cents:02d}"


def words(value: object, language: str, formats: Collection[str] = ()) -> str | None:
    """A value of JSON as words; `formats` are those of the JSON Schema that a text may have. None for nothing, for
    objects, and for lists of more than scalars."""
    if not isinstance(value, list):
        return _scalar(value, language, formats)
    items = cast("list[object]", value)
    said = [_scalar(item, language, formats) for item in items[:ITEMS_MAX]]
    if None in said:
        return None
    return ", ".join(cast("list[str]", said)) if said else _NONE.get(language, _NONE[DEFAULT])


def _scalar(value: object, language: str, formats: Collection[str]) -> str | None:
    match value:
        case str():
            return _text(value, language, formats)
        case bool():
            return _YES_NO.get(language, _YES_NO[DEFAULT])[0 if value else 1]
        case int():
            return str(value)
        case float():
            return number(Decimal(repr(value).removesuffix(".0")), language)
        case _:
            return None


def _text(value: str, language: str, formats: Collection[str]) -> str:
    try:
        if DECIMAL in formats:
            return number(Decimal(value), language) if Decimal(value).is_finite() else value
        if "date" in formats and len(value) == len("2026-11-27"):
            return _day(date.fromisoformat(value), language) or value
        if "date-time" in formats:
            return _moment(datetime.fromisoformat(value), language) or value
    except (ValueError, InvalidOperation):
        pass  # a schema of JSON's own need not hold texts to their format
    return value if len(value) <= SHOWN_CHARS_MAX else value[: SHOWN_CHARS_MAX - 1] + "…"


def _day(day: date, language: str) -> str | None:
    if language not in _DAY:
        return None
    return _DAY[language].format(day=day.day, month=_MONTHS[language][day.month - 1], year=day.year)


def _moment(moment: datetime, language: str) -> str | None:
    day, offset = _day(moment.date(), language), moment.utcoffset()
    if day is None:
        return None
    zone = "" if offset is None else " UTC" if offset == timedelta(0) else f" UTC{moment:%z}"
    return f"{day}, {moment:%H:%M}{zone}"
