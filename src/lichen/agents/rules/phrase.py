"""Phrases that customers' words are searched with: words in a row, with gaps, as regular expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from lichen.core.patterns.pattern import PATTERN_CHARS_MAX, PatternError

_GAPS_MAX = 3
_GAP = r"(?:\W{1,10}\w{1,40}){0,8}?\W{1,10}"  # up to eight words in between
_WORD = re.compile(r"\w+|\.\.\.|…")


def phrase(text: str) -> str:
    """A regular expression for the words of `text` in a row, whatever stands between them but words.

    `...` stands for up to eight further words. Raises PatternError when there is no word, or nothing before a gap.
    """
    pieces: list[str] = _WORD.findall(text)
    words = [piece for piece in pieces if piece not in ("...", "…")]
    gaps = len(pieces) - len(words)
    if not words or len(text) > PATTERN_CHARS_MAX:
        raise PatternError(f"it must have words, and at most {PATTERN_CHARS_MAX} characters")
    if gaps > _GAPS_MAX or (gaps and not (pieces[0] in words and pieces[-1] in words)):
        raise PatternError(f"'...' may stand between words only, at most {_GAPS_MAX} times")
    return rf"(?<!\w){_joined(pieces)}(?!\w)"


def any_of(expressions: Sequence[str]) -> re.Pattern[str]:
    """One pattern for all `expressions`, ignoring case."""
    return re.compile("|".join(f"(?:{expression})" for expression in expressions), re.IGNORECASE)


def _joined(pieces: list[str]) -> str:
    made = re.escape(pieces[0])
    for before, piece in pairwise(pieces):
        if piece in ("...", "…"):
            made += _GAP
        else:
            made += ("" if before in ("...", "…") else r"\W{1,10}") + re.escape(piece)
    return made
