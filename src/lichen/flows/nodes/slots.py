"""Slots and questions: finding a value in what somebody wrote, and reading an answer as the type that was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast
from unicodedata import normalize

import msgspec

from lichen.core.patterns.pattern import PatternError, compiled
from lichen.core.reading.numbers import Number, clipped, digits_at, number_at, numbers
from lichen.core.speech.which import number_as_written
from lichen.flows.ir import Slot, SlotType
from lichen.flows.text.reach import MISSING, fields_of
from lichen.flows.text.rendering import RenderError

HEARD_CHARS_MAX: Final = 2_000  # of a message; what follows is not searched
ANSWER_CHARS_MAX: Final = 1_000

_TYPES: Final[Mapping[str, SlotType]] = {
    "string": "string",
    "text": "string",
    "enum": "enum",
    "choice": "enum",
    "select": "enum",
    "number": "number",
    "integer": "number",
    "int": "number",
    "float": "number",
    "date": "date",
    "boolean": "boolean",
    "bool": "boolean",
    "yes_no": "boolean",
}
_WHOLE: Final = ("integer", "int")
_YES: Final = ("yes", "y", "true", "1", "ja", "oui", "si", "ok", "sure")
_NO: Final = ("no", "n", "false", "0", "nein", "non")
_NUMBER_MAX: Final = 10**18
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_DOTTED = re.compile(r"(?<!\d)(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\d)")


class Unclear(NamedTuple):
    """A number that could be any of these, as they are written where it can be only one."""

    options: tuple[str, ...]


class Question(msgspec.Struct, frozen=True):
    """One thing to be known: the slot, how it is asked for, and how long an answer may be."""

    slot: Slot
    prompt: str
    is_searched: bool  # whether a message that was not asked for it may hold it
    is_whole: bool = False  # of a number: whether it has no fraction
    words_max: int | None = None


def questions_of(payload: Any, slots: Sequence[Slot]) -> tuple[Question, ...]:
    """The questions a node's payload asks: `fields` or `questions` with `id`, `prompt` and `type`, or `slots` by name.

    Without any it asks for the flow's required slots. What the flow declares of a slot holds for the question, too.
    """
    declared = {slot.name: slot for slot in slots}
    payload = fields_of(payload)
    listed = next((payload[key] for key in ("fields", "questions") if isinstance(payload.get(key), list)), None)
    if listed is not None:
        fields = [fields_of(field) for field in listed]
        return tuple(_asked(field, declared) for field in fields if field.get("id"))
    named = payload.get("slots")
    names = cast("list[Any]", named) if isinstance(named, list) else [slot.name for slot in slots if slot.required]
    prompts = fields_of(payload.get("prompts"))
    one = payload.get("prompt", "")
    return tuple(
        Question(declared[name], str(prompts.get(name) or one or f"{name}?"), is_searched=True)
        for name in names
        if isinstance(name, str) and name in declared
    )


def _asked(field: Mapping[str, Any], declared: Mapping[str, Slot]) -> Question:
    name = str(field["id"])
    said = str(field.get("type") or field.get("answer_type") or "string")
    kind = _TYPES.get(said, "string")
    given = field.get("choices") or field.get("enum_values") or field.get("options")
    choices = cast("list[Any]", given) if isinstance(given, list) else []
    pattern = field.get("pattern")
    slot = declared.get(name) or Slot(
        name=name,
        slot_type="enum" if choices else kind,
        pattern=pattern if isinstance(pattern, str) and pattern else None,
        required=not field.get("optional") and field.get("required", True) is not False,
        enum_values=tuple(str(choice) for choice in choices),
        default_value=field.get("default"),
    )
    words = field.get("max_words")
    prompt = str(field.get("prompt") or field.get("title") or f"{name}?")
    words_max = words if isinstance(words, int) else None
    return Question(slot, prompt, slot.pattern is not None, said in _WHOLE, words_max)


def found(slot: Slot, text: str, language: str = "") -> Any:
    """The slot's value in a message that was not asked for it, or MISSING: by its pattern, or one of its choices.
    `Unclear` for a number that could be two in the language.

    Raises RenderError (`pattern_invalid`) for the pattern of a question that was filled in and cannot be used.
    """
    text = clipped(text, HEARD_CHARS_MAX)
    if slot.pattern:
        match = _compiled(slot.pattern).search(text)
        if match is None:
            return MISSING
        groups = range(1, match.re.groups + 1)
        start, end = next((match.span(group) for group in groups if match[group] is not None), match.span())
        if slot.slot_type == "number":
            return _number_at(text, start, end, language)
        return coerced(slot, text[start:end])
    return coerced(slot, text) if slot.slot_type == "enum" else MISSING


def answered(question: Question, text: str, language: str = "") -> Any:
    """The value in the answer to the slot's own question, MISSING when it is none, `Unclear` when it could be two."""
    slot = question.slot
    if slot.pattern:
        return found(slot, text, language)
    if question.words_max is not None and len(text.split()) > question.words_max:
        return MISSING
    return coerced(slot, text.strip(), language, is_whole=question.is_whole)


def coerced(slot: Slot, text: str, language: str = "", *, is_whole: bool = False) -> Any:
    """`text` as a value of the slot's type, MISSING, or `Unclear`."""
    text = normalize("NFC", text[:HEARD_CHARS_MAX])  # an accent typed as a character of its own is the same accent
    match slot.slot_type:
        case "string":
            return text if 0 < len(text) <= ANSWER_CHARS_MAX else MISSING
        case "number":
            return next((_number(one, language, is_whole=is_whole) for one in numbers(text, language)), MISSING)
        case "boolean":
            word = text.strip(" .!").casefold()
            return True if word in _YES else False if word in _NO else MISSING
        case "date":
            return _date(text)
        case "enum":
            return _choice(slot.enum_values, text)


def _number_at(text: str, start: int, end: int, language: str) -> Any:
    """The number that a pattern found."""
    number = number_at(text, start, end, language)
    if number is not None:
        return _number(number, language)
    whole = digits_at(text, start, end)
    return MISSING if whole is None else whole


def _number(number: Number, language: str, *, is_whole: bool = False) -> Any:
    kept = [value for value in number.readings if not is_whole or value == value.to_integral_value()]
    if number.value is None:
        return Unclear(tuple(number_as_written(value, language) for value in kept)) if len(kept) > 1 else MISSING
    return next(map(_plain, kept), MISSING)


def _plain(value: Decimal) -> Any:
    """The number as JSON has it; MISSING where a float could not hold all of its digits."""
    if value == value.to_integral_value():
        return int(value) if abs(value) < _NUMBER_MAX else MISSING
    return float(value) if Decimal(str(float(value))) == value else MISSING


def _date(text: str) -> Any:
    iso, dotted = _ISO.search(text), _DOTTED.search(text)
    if iso is None and dotted is None:
        return MISSING
    year, month, day = iso.groups() if iso else reversed(cast("re.Match[str]", dotted).groups())
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return MISSING


def _choice(choices: Sequence[str], text: str) -> Any:
    said = text.casefold()
    for choice in sorted(choices, key=len, reverse=True):  # of two that fit the longer is meant
        wanted = normalize("NFC", choice).casefold()
        if re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", said):
            return choice
    return MISSING


@lru_cache(1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return compiled(pattern)
    except PatternError as error:
        raise RenderError("pattern_invalid", f"A pattern cannot be used: {error}.") from None
