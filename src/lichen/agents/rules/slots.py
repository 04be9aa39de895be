"""Finding slot values in what a customer wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from lichen.agents.rules.money import amounts, minor_units
from lichen.agents.rules.phrase import any_of, phrase
from lichen.agents.rules.rules import Slot
from lichen.core.patterns.pattern import PatternError, compiled

VALUE_CHARS_MAX = 500
CHOICES_MAX = 64

_INTEGER = re.compile(r"(?<![\w.,-])[+-]?[0-9]{1,18}(?![0-9]|[.,][0-9])(?!\w)")

SlotValue = str | int


class Found(NamedTuple):
    """A value and the characters of the text it was taken from."""

    value: SlotValue
    start: int
    end: int


class Finder(NamedTuple):
    """A slot that is ready to be looked for. `pattern` is None where kind and question alone say what counts."""

    slot: Slot
    pattern: re.Pattern[str] | None
    choices: Mapping[str, str]  # words, lower-case, to the value they mean

    @property
    def is_free(self) -> bool:
        """Whether any answer to its question is a value."""
        return self.slot.kind == "text" and self.pattern is None

    def said(self, text: str) -> Iterator[Found]:
        """The values in a message that was not asked for them."""
        if self.pattern is not None:
            for match in self.pattern.finditer(text):
                value = self._value(_group(match))
                if value is not None:
                    yield Found(value, match.start(), match.end())
        elif self.slot.kind == "money":
            yield from (Found(a.minor, a.start, a.end) for a in amounts(text, self.slot.currency) if a.currency)

    def answered(self, text: str) -> Iterator[Found]:
        """The values in the answer to the slot's own question: the best first."""
        yield from self.said(text)
        if self.is_free:
            value = self._value(text)
            if value is not None:
                yield Found(value, 0, len(text))
        elif self.slot.kind == "money":
            yield from (Found(a.minor, a.start, a.end) for a in amounts(text, self.slot.currency))
        elif self.slot.kind == "integer" and self.pattern is None:
            yield from (Found(int(match[0]), match.start(), match.end()) for match in _INTEGER.finditer(text))

    def _value(self, text: str) -> SlotValue | None:
        text = text.strip()
        match self.slot.kind:
            case "text":
                return text if 0 < len(text) <= VALUE_CHARS_MAX else None
            case "integer":
                return int(text) if _INTEGER.fullmatch(text) else None
            case "money":
                return minor_units(text, self.slot.currency)
            case "choice":
                return self.choices.get(_plain(text))


def finder(slot: Slot) -> Finder:
    """The finder for `slot`. Raises PatternError for a pattern or choices that cannot be used."""
    if slot.kind != "choice":
        return Finder(slot, compiled(slot.pattern) if slot.pattern else None, {})
    words = _words(slot.choices)
    ordered = sorted(words, key=len, reverse=True)  # of two words at one place the longer is meant
    return Finder(slot, any_of([phrase(word) for word in ordered]), words)


def search(text: str, finders: Sequence[Finder], asked: str = "") -> dict[str, SlotValue]:
    """The first value of every slot in `text`. No two slots share characters.

    The slot that was asked for chooses first, then money that names its currency, then the others in their order: in
    `refund 2000 EUR for order 1042` the amount is taken before any number.
    """
    taken: list[Found] = []
    values: dict[str, SlotValue] = {}
    for one in sorted(finders, key=lambda f: (f.slot.name != asked, f.slot.kind != "money" or f.pattern is not None)):
        candidates = one.answered(text) if one.slot.name == asked else one.said(text)
        found = next((c for c in candidates if not _overlaps(c, taken)), None)
        if found is not None:
            taken.append(found)
            values[one.slot.name] = found.value
    return values


def _overlaps(found: Found, taken: Iterable[Found]) -> bool:
    return any(found.start < other.end and other.start < found.end for other in taken)


def _group(match: re.Match[str]) -> str:
    """The first group that took part, or the whole match of a pattern without groups."""
    return next((group for group in match.groups() if group is not None), match[0])


def _words(choices: Sequence[str] | Mapping[str, Sequence[str]]) -> dict[str, str]:
    table = choices if isinstance(choices, Mapping) else {value: (value,) for value in choices}
    said = [(word, value) for value, others in table.items() for word in (value, *others)]
    words = {_plain(word): value for word, value in said}
    if not 0 < len(words) <= CHOICES_MAX:
        raise PatternError(f"a choice has 1 to {CHOICES_MAX} words")
    if any("..." in word or "…" in word for word, _ in said):
        raise PatternError("a choice may not have gaps")
    return words


def _plain(text: str) -> str:
    """The words alone, lower-case: how a choice is compared."""
    return " ".join(re.findall(r"\w+", text.lower()))
