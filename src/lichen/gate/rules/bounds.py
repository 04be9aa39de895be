"""Bounds of Cedar text, found by a scan before any parser sees it.

The parser recurses: a thousand nested parentheses, or as many operators in a row, end the whole process. What is
refused here is far below that and far above what a person writes.
"""

from __future__ import annotations

from typing import Final

from lichen.core.words.errors import Invalid
from lichen.gate.cedar.statements import scan

POLICIES_MAX: Final = 50_000
TOKENS_MAX: Final = 4_000_000  # of a file
TOKENS_OF_POLICY_MAX: Final = 100_000
NESTING_MAX: Final = 64
OPERATORS_MAX: Final = 500  # of one condition
NAME_PARTS_MAX: Final = 500  # of one condition or scope, all names together

_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_OPERATORS = frozenset(
    ("&&", "||", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "!", ".", "[", "if", "has", "like", "in", "is")
)


def check_bounds(file: str, source: str) -> None:
    """Raises Invalid (`policies_too_large`, `policy_too_deep`) with the place in the file."""
    policies = total = tokens = depth = operators = names = 0
    for text, start in scan(source):
        total, tokens = total + 1, tokens + 1
        if text in _OPENING:
            depth += 1
        elif text in _CLOSING:
            depth = max(0, depth - 1)
        elif text == ";":
            policies, tokens, depth = policies + 1, 0, 0
        if depth == 0:
            operators = names = 0
        operators += text in _OPERATORS
        names += text == "::"
        if policies > POLICIES_MAX or total > TOKENS_MAX or tokens > TOKENS_OF_POLICY_MAX:
            raise _too_large(file, source, start)
        if depth > NESTING_MAX or operators > OPERATORS_MAX or names > NAME_PARTS_MAX:
            raise _too_deep(file, source, start)


def _too_large(file: str, source: str, start: int) -> Invalid:
    return Invalid(
        f"A policy may have {TOKENS_OF_POLICY_MAX} words and signs, a file {TOKENS_MAX} and {POLICIES_MAX} policies.",
        code="policies_too_large",
        next_step="Express what repeats as groups, sets or roles.",
        place=_place(file, source, start),
    )


def _too_deep(file: str, source: str, start: int) -> Invalid:
    return Invalid(
        f"A condition may nest {NESTING_MAX} deep and have {OPERATORS_MAX} operators.",
        code="policy_too_deep",
        next_step="Write several policies, or a set with `in` or `contains`; `lichen policy check` reads it again.",
        place=_place(file, source, start),
    )


def _place(file: str, source: str, start: int) -> str:
    line = source.count("\n", 0, start) + 1
    return f"{file}:{line}:{start - source.rfind(chr(10), 0, start)}"
