"""Regular expressions that strangers' words are searched with, kept cheap.

The text is hostile and planners run on the event loop, so an expression that a text could keep busy is refused when it
is declared. What is left runs over at most TEXT_CHARS_MAX characters.
"""

from __future__ import annotations

import re
import warnings

TEXT_CHARS_MAX = 4_096
PATTERN_CHARS_MAX = 1_000
_REPEAT_MAX = 8  # `{n,m}` beyond this counts as unbounded
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?#[^)]*\)|\(|\)|\{(\d*)(,?)(\d*)\}|[*+?]|.", re.DOTALL)


class PatternError(ValueError):
    """A pattern cannot be used; the message says why."""


def compiled(text: str) -> re.Pattern[str]:
    """The regular expression `text`, ignoring case. Raises PatternError for one that is wrong or could be slow."""
    if not text or len(text) > PATTERN_CHARS_MAX:
        raise PatternError(f"it must have 1 to {PATTERN_CHARS_MAX} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python will read differently one day is refused today
            pattern = re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise PatternError(f"it is no regular expression: {error}") from None
    _refuse_slow(text)
    return pattern


def _refuse_slow(text: str) -> None:
    """Raises PatternError for a repetition inside a repetition, and for more than one `.*`: with them the time grows
    with a power of the text's length."""
    groups = [False]  # of each open group: whether it holds an unbounded repetition
    last, wildcards = "", 0
    for piece in _PIECE.finditer(text):
        token = piece[0]
        if _is_many(piece):
            if last == "group with repetition":
                raise PatternError("it repeats a repetition; a long text would take too long")
            wildcards += last == "." and _is_unbounded(piece)
            groups[-1] = True
        elif token == "(":
            groups.append(False)
        elif token == ")" and len(groups) > 1:
            inner = groups.pop()
            groups[-1] = groups[-1] or inner
            token = "group with repetition" if inner else token
        last = token
    if wildcards > 1:
        raise PatternError("it has more than one unbounded '.'; use '.{0,40}', or a phrase with '...'")


def _is_many(piece: re.Match[str]) -> bool:
    """Whether this repeats more than a few times: `*`, `+`, `{3,}`, `{40}`."""
    if _is_unbounded(piece):
        return True
    most = piece[3] or piece[1] or "0"
    return int(most[:9]) > _REPEAT_MAX


def _is_unbounded(piece: re.Match[str]) -> bool:
    return piece[0] in ("*", "+") or bool(piece[1] and piece[2] and not piece[3])
