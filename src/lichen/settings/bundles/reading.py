"""A file of a bundle as its words, with every mistake in it, each at its line and JSON pointer."""

from __future__ import annotations

import copy
from difflib import get_close_matches
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from lichen.core.reading.misfits import Steps, misfit
from lichen.core.words.errors import Invalid
from lichen.settings.bundles.marked import Marked, read_marked
from lichen.settings.places import without

T = TypeVar("T")
MISTAKES_MAX: Final = 50


class Said(NamedTuple, Generic[T]):
    """What a file says, None where too little of it can be read, and what is wrong with it."""

    marked: Marked
    words: T | None
    errors: tuple[Invalid, ...]


def read_words(name: str, data: bytes, kind: type[T]) -> Said[T]:
    """A YAML file as `kind`, of whose mistakes each is an Invalid (`bundle_yaml`, `bundle_words`)."""
    try:
        marked = read_marked(name, data)
    except Invalid as error:
        return Said(Marked(name, None, {}), None, (error,))
    rest: Any = copy.deepcopy(marked.value) if marked.value is not None else {}
    words, found = converted(rest, kind)
    return Said(marked, words, tuple(_invalid(marked, steps, message, step) for steps, message, step in found))


def converted(rest: Any, kind: type[T]) -> tuple[T | None, list[tuple[Steps, str, str]]]:
    """A value as `kind`, None where it cannot be, and each mistake: its path, what it is, and what helps."""
    found: list[tuple[Steps, str, str]] = []
    while len(found) < MISTAKES_MAX:
        try:
            return msgspec.convert(rest, kind), found
        except msgspec.ValidationError as error:
            wrong = misfit(error)
            steps = _spelt_out(rest, wrong.steps)
            within = (*steps, wrong.field) if wrong.field else steps
            found.append((within, f"{wrong.message}.", _step(kind, wrong.field if not wrong.lacks else "", steps)))
            if wrong.lacks or not within or not without(rest, within):
                return None, found
    return None, found


def _spelt_out(value: Any, steps: Steps) -> Steps:
    """The path with the first key of each mapping whose key msgspec leaves out; errors are told at the mapping."""
    return steps[: steps.index("...")] if "..." in steps else steps


def _step(kind: Any, field: str, steps: Steps) -> str:
    if field and not steps and issubclass(kind, msgspec.Struct):
        close = get_close_matches(field, kind.__struct_fields__, 1)
        return f"Did you mean {close[0]!r}?" if close else f"It knows: {', '.join(kind.__struct_fields__)}."
    return "Correct it; `lichen bundle doctor` reads it again."


def _invalid(marked: Marked, steps: Steps, message: str, step: str) -> Invalid:
    return Invalid(message, code="bundle_words", place=marked.place(*steps), next_step=step)
