"""A rule: expressions that follow one another in a text, each of them cheap whatever the text is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from lichen.core.patterns.pattern import TEXT_CHARS_MAX, compiled
from lichen.tools.scan.finding import Finding, Severity

OVERLAP_CHARS: Final = 256


class Rule(NamedTuple):
    """Finds a text in which something of each of the parts stands, one after the other."""

    name: str
    severity: Severity
    message: str
    parts: tuple[re.Pattern[str], ...]

    def fits(self, text: str) -> bool:
        """Whether the text is one."""
        at = 0
        for part in self.parts:
            found = part.search(text, at)
            if found is None:
                return False
            at = found.end()
        return True

    def at(self, place: str) -> Finding:
        """What is said of such a text at this place."""
        return Finding(self.name, self.severity, place, self.message)


def rule(name: str, severity: Severity, message: str, *parts: str) -> Rule:
    """A rule of these expressions, which ignore case. Raises PatternError for one that a text could keep busy."""
    return Rule(name, severity, message, tuple(compiled(part) for part in parts))


def pieces(text: str) -> Iterator[str]:
    """A text in pieces that an expression may be let loose on; they overlap, so that nothing hides at an edge."""
    step = TEXT_CHARS_MAX - OVERLAP_CHARS
    for start in range(0, max(len(text) - OVERLAP_CHARS, 1), step):
        yield text[start : start + TEXT_CHARS_MAX]


def found(rules: tuple[Rule, ...], text: str, place: str) -> Iterator[Finding]:
    """What these rules find in a text."""
    for piece in pieces(text):
        for each in rules:
            if each.fits(piece):
                yield each.at(place)
