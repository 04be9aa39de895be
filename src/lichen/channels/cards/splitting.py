"""A text in several messages, where a platform takes no longer ones: cut between paragraphs, else between words, markup
closed before a cut and opened again after it.

What was said plainly stands, put together again, as it was said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from lichen.channels.cards.capabilities import Dialect, Unit
from lichen.channels.cards.text import paras_of
from lichen.channels.cards.writing import Para, Span, write
from lichen.core.speech.saying import Format

LEAST: Final = 64
"""Of a limit: less than that holds no word with its markup."""
_ENDS: Final = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?…]\s"), re.compile(r"\s"))
_JOINED_MAX: Final = 16


def size(text: str, unit: Unit) -> int:
    """How long a text is, as a platform counts."""
    match unit:
        case "characters":
            return len(text)
        case "bytes":
            return len(text.encode())
        case "utf16":
            return len(text.encode("utf-16-le")) // 2


def split(text: str, style: Format, dialect: Dialect, *, longest: int, unit: Unit = "characters") -> tuple[str, ...]:
    """A text in a platform's markup, in pieces of which each is as long as it may be; one piece where there is no
    limit (0)."""
    return split_paras(paras_of(text, style), dialect, longest=longest, unit=unit)


def split_paras(paras: Sequence[Para], dialect: Dialect, *, longest: int, unit: Unit = "characters") -> tuple[str, ...]:
    """Paragraphs in such pieces. A limit under LEAST is LEAST."""

    def fits(part: Sequence[Para]) -> bool:
        return not longest or size(write(part, dialect), unit) <= max(longest, LEAST)

    whole = write(paras, dialect)
    if fits(paras):
        return (whole,) if whole else ()
    return tuple([piece for part in _parts(paras, fits, max(longest, LEAST)) if (piece := write(part, dialect))])


_Fits = Callable[[Sequence[Para]], bool]


def _parts(paras: Sequence[Para], fits: _Fits, longest: int) -> Iterator[list[Para]]:
    part: list[Para] = []
    for para in paras:
        if fits([*part, para]):
            part.append(para)
            continue
        if part:
            yield part
        *full, rest = _cut(para, fits, longest)
        yield from ([each] for each in full)
        part = [rest]
    if part:
        yield part


def _cut(para: Para, fits: _Fits, longest: int) -> Iterator[Para]:
    """A paragraph in parts that fit."""
    text = "".join(span.text for span in para.spans)
    while not fits([para]):
        at = _place(text, _longest_fitting(para, fits, min(len(text), longest)))
        if not 0 < at < len(text):
            break  # nothing is left to cut
        yield replace(para, spans=_between(para.spans, 0, at))
        para = replace(para, spans=_between(para.spans, at, len(text)), prefix=para.indent)
        text = text[at:]
    yield para


def _longest_fitting(para: Para, fits: _Fits, most: int) -> int:
    """How many characters of a paragraph fit, about: the most of which it is found by halving."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        if fits([replace(para, spans=_between(para.spans, 0, middle))]):
            low = middle
        else:
            high = middle - 1
    return low


def _place(text: str, most: int) -> int:
    """Where a text is cut of which so much fits: behind a paragraph, a line, a sentence or a word that ends in the
    second half, else between two characters that a reader sees apart."""
    for end in _ENDS:
        places = [found.end() for found in end.finditer(text, most // 2, most)]
        if places:
            return places[-1]
    at = most
    while most - at < _JOINED_MAX and 1 < at < len(text) and _belong_together(text[at - 1], text[at]):
        at -= 1
    return at if not (at < len(text) and _belong_together(text[at - 1], text[at])) else most


def _belong_together(left: str, right: str) -> bool:
    joins = ("\u200d", "\ufe0f", "\ufe0e")
    is_skin = "\U0001f3fb" <= right <= "\U0001f3ff"
    is_flag = all("\U0001f1e6" <= each <= "\U0001f1ff" for each in (left, right))
    return left == "\u200d" or right in joins or is_skin or is_flag or unicodedata.combining(right) != 0


def _between(spans: Sequence[Span], start: int, end: int) -> tuple[Span, ...]:
    """The spans of the characters from one place to another."""
    found: list[Span] = []
    at = 0
    for span in spans:
        text = span.text[max(start - at, 0) : max(end - at, 0)]
        if text:
            found.append(replace(span, text=text))
        at += len(span.text)
    return tuple(found)
