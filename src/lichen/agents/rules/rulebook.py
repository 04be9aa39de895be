"""A rule table that was checked and is ready to be used: patterns compiled, templates parsed, names resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from lichen.agents.rules.rules import Call, Intent, Slot, When
from lichen.agents.rules.slots import Finder
from lichen.core.patterns.pattern import TEXT_CHARS_MAX
from lichen.core.speech.template import TOO_LARGE, Lookup, Reference, Template

Ends = Mapping[str, Template]
"""What is said for each ending, by its name without `on_`; a failure code's key is `code:<code>`."""

Argument = Template | list["Argument"] | dict[str, "Argument"] | int | float | bool | None


class Condition(NamedTuple):
    """A `When` with its reference resolved."""

    reference: Reference
    when: When

    def holds(self, lookup: Lookup) -> bool:
        """Whether every test passes."""
        value, when = lookup(self.reference), self.when
        if when.exists is not None and when.exists != (value is not None):
            return False
        if when.equals is not None and not _same(value, when.equals):
            return False
        if when.one_of and not any(_same(value, one) for one in when.one_of):
            return False
        return _within(value, when)


class CallRule(NamedTuple):
    """A call: when it is made, with which arguments, what is said if it does not end well."""

    rule: Call
    name: str
    args: dict[str, Argument]
    optional: frozenset[str]  # slots whose absence leaves an argument out
    conditions: Sequence[Condition]
    ends: Ends


class AnswerRule(NamedTuple):
    """An answer and when it fits."""

    text: Template
    conditions: Sequence[Condition]


class SlotRule(NamedTuple):
    """A slot, how it is found and how it is asked for."""

    slot: Slot
    finder: Finder
    ask: Template
    ask_again: Template


class IntentRule(NamedTuple):
    """An intent in one language. `kept` are the references into results that something of it needs later."""

    rule: Intent
    words: re.Pattern[str]
    slots: Mapping[str, SlotRule]
    calls: Sequence[CallRule]
    answers: Sequence[AnswerRule]
    ends: Ends
    kept: Mapping[str, Reference]
    handover: Template | None
    language: str

    @property
    def finders(self) -> list[Finder]:
        """How its slots are found, in their order."""
        return [slot.finder for slot in self.slots.values()]


class Rulebook(NamedTuple):
    """All intents with the highest priority first, and what is said without one."""

    intents: Sequence[IntentRule]
    by_name: Mapping[str, IntentRule]
    ends: Ends
    greeting: str
    fallback: str

    def match(self, text: str) -> IntentRule | None:
        """The intent that `text` states, read up to TEXT_CHARS_MAX characters."""
        text = text[:TEXT_CHARS_MAX]
        return next((intent for intent in self.intents if intent.words.search(text)), None)


def filled(call: CallRule, lookup: Lookup) -> bytes | None:
    """The arguments of `call` as JSON, or None when one of them refers to something that is not there."""
    try:
        return msgspec.json.encode(_value(call.args, call.optional, lookup))
    except LookupError:
        return None


def _value(argument: Argument, optional: frozenset[str], lookup: Lookup) -> object:
    match argument:
        case Template():
            value = argument.fill(lookup)
            if value is None or value is TOO_LARGE:
                raise LookupError
            return value
        case dict():
            kept = {k: v for k, v in argument.items() if not _is_left_out(v, optional, lookup)}
            return {key: _value(value, optional, lookup) for key, value in kept.items()}
        case list():
            return [_value(value, optional, lookup) for value in argument]
        case _:
            return argument


def _is_left_out(argument: Argument, optional: frozenset[str], lookup: Lookup) -> bool:
    if not isinstance(argument, Template) or len(argument.parts) != 1:
        return False
    [part] = argument.parts
    return isinstance(part, Reference) and part.name in optional and lookup(part) is None


def _same(value: object, wanted: object) -> bool:
    """Equality that does not take True for 1."""
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _within(value: object, when: When) -> bool:
    if when.at_least is None and when.at_most is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (when.at_least is None or value >= when.at_least) and (when.at_most is None or value <= when.at_most)
