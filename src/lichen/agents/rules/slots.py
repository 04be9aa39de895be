"""Finding slot values in what a customer wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from lichen.agents.rules.money import Amount, amount_of, amounts
from lichen.agents.rules.phrase import any_of, phrase
from lichen.agents.rules.rules import Slot
from lichen.core.patterns.pattern import PatternError, compiled
from lichen.core.reading.numbers import Number, digits_at, number_at, numbers
from lichen.core.speech.which import amount_as_written, number_as_written

VALUE_CHARS_MAX = 500
CHOICES_MAX = 64
_INTEGER_MAX = 10**18

SlotValue = str | int


class Unclear(NamedTuple):
    """A number that could be any of these, as they are written where it can be only one."""

    options: tuple[str, ...]


class Found(NamedTuple):
    """A value and the characters of the text it was taken from."""

    value: SlotValue | Unclear
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

    def said(self, text: str, language: str = "") -> Iterator[Found]:
        """The values in a message that was not asked for them."""
        if self.pattern is not None:
            for match in self.pattern.finditer(text):
                value = self._matched(text, language, match)
                if value is not None:
                    yield Found(value, match.start(), match.end())
        elif self.slot.kind == "money":
            yield from self._money(text, language, is_named=True)

    def answered(self, text: str, language: str = "") -> Iterator[Found]:
        """The values in the answer to the slot's own question: the best first."""
        yield from self.said(text, language)
        if self.is_free:
            value = self._text(text)
            if value is not None:
                yield Found(value, 0, len(text))
        elif self.slot.kind == "money" and self.pattern is None:
            yield from self._money(text, language, is_named=False)
        elif self.slot.kind == "integer" and self.pattern is None:
            for number in numbers(text, language):
                value = _whole(number, language)
                if value is not None:
                    yield Found(value, number.start, number.end)

    def _matched(self, text: str, language: str, match: re.Match[str]) -> SlotValue | Unclear | None:
        """What the pattern found. A number counts with all of its digits: `500` of `1.500` is none."""
        start, end = _group(match)
        match self.slot.kind:
            case "text":
                return self._text(text[start:end])
            case "choice":
                return self.choices.get(_plain(text[start:end]))
            case "integer":
                number = number_at(text, start, end, language)
                return digits_at(text, start, end) if number is None else _whole(number, language)
            case "money":
                number = number_at(text, start, end, language)
                amount = None if number is None else amount_of(number, self.slot.currency)
                return None if amount is None else _amount(amount, language, self.slot.currency)

    def _money(self, text: str, language: str, *, is_named: bool) -> Iterator[Found]:
        for amount in amounts(text, self.slot.currency, language=language):
            if amount.currency or not is_named:
                value = _amount(amount, language, self.slot.currency)
                yield Found(value, amount.start, amount.end)

    def _text(self, text: str) -> str | None:
        text = text.strip()
        return text if 0 < len(text) <= VALUE_CHARS_MAX else None


def _amount(amount: Amount, language: str, currency: str) -> SlotValue | Unclear:
    if amount.minor is not None:
        return amount.minor
    named = amount.currency or currency
    return Unclear(tuple(amount_as_written(value, language, named) for value in amount.readings))


def _whole(number: Number, language: str) -> int | Unclear | None:
    """The whole number that it is. Where only one of its readings is whole it is not taken for that one."""
    if number.value is not None:
        return int(number.value) if _is_whole(number.value) else None
    whole = [value for value in number.readings if _is_whole(value)]
    return Unclear(tuple(number_as_written(value, language) for value in whole)) if len(whole) > 1 else None


def _is_whole(value: Decimal) -> bool:
    return value == value.to_integral_value() and abs(value) < _INTEGER_MAX


def finder(slot: Slot) -> Finder:
    """The finder for `slot`. Raises PatternError for a pattern or choices that cannot be used."""
    if slot.kind != "choice":
        return Finder(slot, compiled(slot.pattern) if slot.pattern else None, {})
    words = _words(slot.choices)
    ordered = sorted(words, key=len, reverse=True)  # of two words at one place the longer is meant
    return Finder(slot, any_of([phrase(word) for word in ordered]), words)


def search(
    text: str, finders: Sequence[Finder], asked: str = "", *, language: str = ""
) -> dict[str, SlotValue | Unclear]:
    """The value of every slot in `text`, numbers as they are written in `language`. No two share characters.

    Where a message says several values of a slot nobody knows which is meant: it is unclear. The slot that was asked
    for chooses first, then money that names its currency, then the others in their order: in `refund 2000 EUR for order
    1042` the amount is taken before any number.
    """
    taken: list[Found] = []
    values: dict[str, SlotValue | Unclear] = {}
    for one in sorted(finders, key=lambda f: (f.slot.name != asked, f.slot.kind != "money" or f.pattern is not None)):
        candidates = one.answered(text, language) if one.slot.name == asked else one.said(text, language)
        found = next((c for c in candidates if not _overlaps(c, taken)), None)
        if found is not None:
            several = [c for c in one.said(text, language) if not _overlaps(c, taken)]
            taken += [found, *several]
            values[one.slot.name] = _meant(found, several, text)
    return values


def _meant(found: Found, several: Sequence[Found], text: str) -> SlotValue | Unclear:
    """The value that was found, unless others were said beside it."""
    written = {each.value: _written(each, text) for each in several if not isinstance(each.value, Unclear)}
    return Unclear(tuple(written.values())) if len(written) > 1 else found.value


def _written(found: Found, text: str) -> str:
    """A value as a customer writes it."""
    return found.value if isinstance(found.value, str) else text[found.start : found.end].strip()


def _overlaps(found: Found, taken: Iterable[Found]) -> bool:
    return any(found.start < other.end and other.start < found.end for other in taken)


def _group(match: re.Match[str]) -> tuple[int, int]:
    """Where the first group that took part is, or the whole match of a pattern without groups."""
    groups = range(1, (match.re.groups or 0) + 1)
    return next((match.span(group) for group in groups if match[group] is not None), match.span())


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
