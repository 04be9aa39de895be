"""Regular expressions that strangers' words are searched with, kept cheap.

The text is hostile and planners run on the event loop, so an expression that a text could keep busy is refused when it
is declared. What is left runs over at most TEXT_CHARS_MAX characters.
"""

from __future__ import annotations

import re

from lichen.core.patterns.backtracking import Slow, check

TEXT_CHARS_MAX = 4_096
PATTERN_CHARS_MAX = 1_000

_CLASS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_SET = re.compile(r"\[\^?\[|\[.*(?:--|&&|~~|\|\|)", re.DOTALL)


class PatternError(ValueError):
    """A pattern cannot be used; the message says why."""


def compiled(text: str) -> re.Pattern[str]:
    """The regular expression `text`, ignoring case. Raises PatternError for one that is wrong or could be slow."""
    if not text or len(text) > PATTERN_CHARS_MAX:
        raise PatternError(f"it must have 1 to {PATTERN_CHARS_MAX} characters")
    if any(_SET.match(found[0]) for found in _CLASS.finditer(text)):
        raise PatternError("it has a set in a set, which Python will read differently one day")
    try:
        pattern = re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise PatternError(f"it is no regular expression: {error}") from None
    try:
        check(text)
    except Slow as error:
        raise PatternError(f"a long text could keep it busy: {error}") from None
    return pattern
