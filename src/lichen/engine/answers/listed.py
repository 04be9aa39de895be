"""Choices as a numbered list, where a platform has too few buttons: what is listed, whether by number, and what a reply
means of it.

A reply is `2`, `2.`, `(2)`, a digit in any script, an emoji, or the words. Where a number may itself be the answer the
choices have no numbers, and only the words count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from unicodedata import normalize

from lichen.core.speech.form import choices_of
from lichen.engine.answers.forms import fields_of
from lichen.tools.arguments.schema import problem

LISTED_MAX: Final = 50
_SCALAR: Final = (str, int, float)
_NUMBER: Final = re.compile(r"[(\[#]?\s*([1-9][0-9]{0,2})\s*[.):\]!]?")
_BEGINS_WITH_NUMBER: Final = re.compile(r"\W*\d")
_AROUND: Final = " \t\r\n.,;:!?\"'"
_NUMBERS: Final = frozenset({"number", "integer"})
_TEN: Final = "\U0001f51f"


def titles_of(suggestions: Sequence[str], schema: Mapping[str, Any]) -> tuple[str, ...]:
    """What may be chosen, as it is shown: what is suggested, else what the schema allows."""
    return tuple(suggestions) or choices_in(schema)


def asked_for(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of what is asked for: the only field of a form that has one, the items of a list."""
    fields = list(fields_of(schema).values())
    if len(fields) == 1:
        return asked_for(fields[0])
    items: Any = schema.get("items")
    is_list = schema.get("type") == "array" and isinstance(items, Mapping)
    return cast("Mapping[str, Any]", items) if is_list else schema


def choices_in(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The choices that a schema offers, as they are shown: what it allows, else its examples."""
    schema = asked_for(schema)
    allowed = choices_of(schema)
    if allowed is not None:
        return tuple([each.title for each in allowed if isinstance(each.value, _SCALAR)])[:LISTED_MAX]
    return tuple([each for each in schema.get("examples") or () if isinstance(each, str)])[:LISTED_MAX]


def has_numbers(titles: Sequence[str], schema: Mapping[str, Any]) -> bool:
    """Whether the choices are listed with numbers: no number may be an answer itself."""
    if any(_BEGINS_WITH_NUMBER.match(normalize("NFKC", title)) for title in titles):
        return False
    schema = asked_for(schema)
    if choices_of(schema) is not None:
        return True
    if _NUMBERS & _types(schema):
        return False
    return "pattern" not in schema or all(problem(schema, str(n)) for n in range(1, len(titles) + 1))


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    named: Any = schema.get("type")
    return frozenset(cast("list[str]", named) if isinstance(named, list) else (named,))


def chosen(text: str, titles: Sequence[str], schema: Mapping[str, Any]) -> int | None:
    """Which of the choices a reply means, from 0; None for one that means none of them."""
    number = number_in(text)
    if number is not None and has_numbers(titles, schema):
        return number - 1 if number <= len(titles) else None
    return by_words(text, titles)


def by_words(text: str, titles: Sequence[str]) -> int | None:
    """Which of the choices the words are, from 0, whatever their case, spaces and punctuation around them."""
    if text in titles:
        return titles.index(text)
    said = letters(text)
    return next((i for i, each in enumerate(titles) if said and letters(each) == said), None)


def number_in(text: str) -> int | None:
    """The number that a reply is and nothing else."""
    plain = normalize("NFKC", text.replace(_TEN, "10")).replace("\ufe0f", "").replace("\u20e3", "").strip()
    found = _NUMBER.fullmatch(plain)
    return None if found is None else int(found[1])


def letters(text: str) -> str:
    """The letters of words, by which they are compared."""
    return "".join(normalize("NFC", text).casefold().strip(_AROUND).split())
