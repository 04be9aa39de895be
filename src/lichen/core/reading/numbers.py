"""Numbers in people's words, with the currency beside them: `$1,234.56`, `1.234,56 €`, `−50`, `80,-`, `1 234`.

Everybody who acts on a number that somebody wrote, and everybody who judges it, reads it here, by the language of the
conversation: so what an agent does and what endorses it are the same number, or nobody acts. What could be two numbers
has two readings and is to be asked about. What is not certain to be a number is none: parts of dates, ranges and ids,
percentages, `1.2 million`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from lichen.core.reading.currencies import SYMBOLS, agreed, currency_of
from lichen.core.reading.notation import readings

TOKEN_CHARS_MAX: Final = 64

_UNSEEN: Final = "\u200e\u200f\u061c"  # marks of a direction, which CLDR puts beside signs and currencies
_OPENING: Final = f"([{{<\"'“”„‚‘«»`*_#;¿¡{_UNSEEN}"
_CLOSING: Final = f")]}}>\"'“”’‘«»`*_.,;:!?…{_UNSEEN}"
_NO_BREAK: Final = "\u00a0\u202f\u2007\u2009"
_SPACES: Final = f" {_NO_BREAK}"
_MINUS: Final = "-−"
_BETWEEN: Final = ("-", "–", "—", "−", "/", "÷", ":")  # alone between two numbers they make one thing of both
_SCALES: Final = frozenset(
    ("k", "m", "b", "t", "bn", "mn", "mm", "mln", "tsd", "mio", "mrd", "bio", "hundred", "thousand", "million",
     "millions", "billion", "billions", "trillion", "trillions", "dozen", "hundert", "tausend", "millionen",
     "milliarde", "milliarden", "billionen", "dutzend", "percent", "prozent", "pct", "promille", "permille")
)  # fmt: skip
"""Words after a number that make another one of it."""

_TOKEN: Final = re.compile(r"\S+")
_DIGIT: Final = re.compile(r"\d")
_LABEL: Final = re.compile(r"[^\W\d_]+[:=]")  # `amount:80`
_NAMED: Final = rf"[A-Z]{{0,3}}[{SYMBOLS}]|[^\W\d_]{{2,9}}"
_PIECE: Final = re.compile(
    rf"(?P<sign>[-+−])?(?P<before>{_NAMED})?(?P<inner>[-+−])?"
    r"(?P<body>\d(?:[\d.,'’٫٬]*\d)?)(?P<dash>[.,][-–—]{1,2})?"
    rf"(?P<after>{_NAMED})?"
)
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_CUT: Final = re.compile(r"\d[.,'’]?\d")
_FIRST: Final = re.compile(r"(?!0)\d{1,3}")
_NEXT: Final = re.compile(r"\d{3}")
_LAST: Final = re.compile(r"\d{3}(?:[.,٫]\d+)?")


class Number(NamedTuple):
    """A number at `start:end` of a text, with the currency named beside it: an ISO 4217 code, `XXX` for one that is not
    known, empty for none. `readings` is the number, or the two or more that it could be."""

    readings: tuple[Decimal, ...]
    currency: str
    start: int
    end: int

    @property
    def value(self) -> Decimal | None:
        """The number, where it can be only one."""
        return self.readings[0] if len(self.readings) == 1 else None


def numbers(text: str, language: str = "") -> tuple[Number, ...]:
    """The numbers in a text, from left to right."""
    return tuple(_Scan(text, language).found()) if _DIGIT.search(text) else ()


def only_number(text: str, language: str = "") -> Number | None:
    """The number that a text consists of, with or without a currency."""
    text = text.strip()
    return next((one for one in numbers(text, language) if (one.start, one.end) == (0, len(text))), None)


def number_at(text: str, start: int, end: int, language: str = "") -> Number | None:
    """The number that a pattern found at `start:end`: with all of its digits, for `500` of `1.500` is none."""
    number = next((one for one in numbers(text, language) if one.start < end and start < one.end), None)
    if number is None or _digits(text[number.start : number.end]) != _digits(text[start:end]):
        return None
    return number


def digits_at(text: str, start: int, end: int) -> int | None:
    """The whole number that only a pattern knows as one, such as that of `A-1042`; none that is cut out of another."""
    said = text[start:end].strip()
    if not _WHOLE.fullmatch(said) or _CUT.search(text[max(0, start - 2) : start + 1] + " " + text[end - 1 : end + 2]):
        return None
    return None if any(one.start < end and start < one.end for one in numbers(text)) else int(said)


def clipped(text: str, most: int) -> str:
    """The first characters of a text, without a number that goes on where they end."""
    if len(text) <= most:
        return text
    words = list(_TOKEN.finditer(text, 0, most))
    if words and len(words[-1][0]) > TOKEN_CHARS_MAX:
        return text[:most]  # which no number has to do with
    if len(words) > 1 and not text[most].isspace():
        words.pop()  # it may have been cut
    while words and (_DIGIT.search(words[-1][0]) or words[-1][0] in _BETWEEN or currency_of(words[-1][0])):
        words.pop()
    return text[: words[-1].end()] if words else ""


def _digits(text: str) -> str:
    return "".join(mark for mark in text if mark.isdecimal())


class _Token(NamedTuple):
    """What stands between spaces, `start:end` without the punctuation around it; `match` where it may be a number."""

    start: int
    end: int
    is_open: bool  # whether punctuation stands before it
    is_closed: bool  # whether punctuation stands behind it
    word: str
    match: re.Match[str] | None


class _Scan:
    """One look through a text. A currency between two numbers belongs to the first."""

    def __init__(self, text: str, language: str) -> None:
        self._text = text
        self._language = language
        self._tokens = [_token(match) for match in _TOKEN.finditer(text)]
        self._taken = 0  # tokens before this are of an earlier number

    def found(self) -> Iterator[Number]:
        at = 0
        while at < len(self._tokens):
            if self._tokens[at].match is None:
                at += 1
                continue
            last = self._last(at)
            number = self._number(at, last)
            at = self._taken = max(last + 1, self._taken)
            if number is not None:
                yield number

    def _last(self, at: int) -> int:
        """The last of the tokens from here on that may be one number, written with spaces."""
        if self._body(at, _FIRST):
            while self._goes_on(at):
                at += 1
        return at

    def _goes_on(self, at: int) -> bool:
        here, after = self._tokens[at], self._tokens[at + 1] if at + 1 < len(self._tokens) else None
        if after is None or not self._is_beside(here, after):
            return False
        is_whole = here.match is not None and not (here.match["after"] or here.match["dash"])
        match = after.match
        is_bare = match is not None and not (match["sign"] or match["before"] or match["inner"])
        return is_whole and is_bare and (self._body(at, _FIRST) or self._body(at, _NEXT)) and self._body(at + 1, _LAST)

    def _body(self, at: int, like: re.Pattern[str]) -> bool:
        match = self._tokens[at].match
        return match is not None and like.fullmatch(match["body"]) is not None

    def _number(self, first: int, last: int) -> Number | None:
        one, other = self._match(first), self._match(last)
        begin, before = self._before(first, one)
        finish, after = self._after(last, other)
        signs = (one["sign"] or "") + (one["inner"] or "")
        is_all = begin == 0 and finish == len(self._tokens) - 1
        found = self._readings(first, last, is_all=is_all, is_before=bool(before) and not after)
        if len(signs) > 1 or not found or self._is_part(begin, last, finish):
            return None
        values = tuple(-value for value in found) if signs and signs in _MINUS else found
        return Number(values, agreed(before, after), self._tokens[begin].start, self._tokens[finish].end)

    def _match(self, at: int) -> re.Match[str]:
        match = self._tokens[at].match
        assert match is not None
        return match

    def _before(self, at: int, match: re.Match[str]) -> tuple[int, str]:
        """The token that names the currency before the number, and the currency: the number's own token for none."""
        here = self._tokens[at]
        if match["before"]:
            return at, currency_of(match["before"])
        if at > self._taken and self._is_beside(self._tokens[at - 1], here):
            code = currency_of(self._tokens[at - 1].word)
            return (at - 1, code) if code else (at, "")
        return at, ""

    def _after(self, at: int, match: re.Match[str]) -> tuple[int, str]:
        here = self._tokens[at]
        if match["after"]:
            return at, currency_of(match["after"])
        is_beside = at + 1 < len(self._tokens) and self._is_beside(here, self._tokens[at + 1])
        if is_beside and (code := currency_of(self._tokens[at + 1].word)):
            self._taken = at + 2
            return at + 1, code
        return at, ""

    def _is_beside(self, one: _Token, other: _Token) -> bool:
        """Whether nothing but a space stands between two tokens."""
        if one.is_closed or other.is_open:
            return False
        gap = self._text[one.end : other.start].strip(_UNSEEN)
        return len(gap) == 1 and gap in _SPACES

    def _readings(self, first: int, last: int, *, is_all: bool, is_before: bool) -> tuple[Decimal, ...]:
        """What the tokens say. With plain spaces between them they may be two numbers, unless nothing else is said."""
        bodies = [self._written(at) for at in range(first, last + 1)]
        whole = readings(" ".join(bodies), self._language)
        gaps = [self._text[self._tokens[at + 1].start - 1] for at in range(first, last)]
        if is_all or all(gap in _NO_BREAK for gap in gaps):
            return whole
        return tuple(dict.fromkeys((*whole, *readings(bodies[0 if is_before else -1], self._language))))

    def _written(self, at: int) -> str:
        match = self._match(at)
        return match["body"] + (f"{match['dash'][0]}00" if match["dash"] else "")

    def _is_part(self, begin: int, last: int, finish: int) -> bool:
        """Whether what stands around a number makes something else of it."""
        before, after = self._word(begin - 1), self._word(last + 1)
        if (
            before in ("−", "minus")
            or self._is_signed(begin - 1)
            or after.rstrip(".") in _SCALES
            or after[:1] in ("%", "‰")
            or _is_fraction(after)
        ):
            return True
        if after == "per" and self._word(last + 2) == "cent":
            return True
        after = self._word(finish + 1)
        return (before in _BETWEEN and self._is_counted(begin - 2, -1)) or (
            after in _BETWEEN and self._is_counted(finish + 2, 1)
        )

    def _is_signed(self, at: int) -> bool:
        """Whether a currency with a sign of its own stands there: `-€ 80`."""
        word = self._tokens[at].word if 0 <= at < len(self._tokens) else ""
        return bool(word) and word[0] in _MINUS and bool(currency_of(word[1:].strip(_UNSEEN)))

    def _is_counted(self, at: int, step: int) -> bool:
        """Whether a number stands there, or its currency."""
        if 0 <= at < len(self._tokens) and currency_of(self._tokens[at].word):
            at += step
        return _DIGIT.search(self._word(at)) is not None

    def _word(self, at: int) -> str:
        return self._tokens[at].word.casefold() if 0 <= at < len(self._tokens) else ""


def _token(match: re.Match[str]) -> _Token:
    raw = match[0]
    bare = raw.rstrip(_CLOSING)
    word = bare.lstrip(_OPENING)
    if not word:
        return _Token(match.start(), match.end(), False, False, raw, None)
    start, end = match.start() + len(bare) - len(word), match.start() + len(bare)
    is_open, is_closed = bool(raw[: start - match.start()].strip(_UNSEEN)), bool(raw[len(bare) :].strip(_UNSEEN))
    if (label := _LABEL.match(word)) is not None:
        start, word, is_open = start + label.end(), word[label.end() :], True
    return _Token(start, end, is_open, is_closed, word, _piece(word))


def _piece(word: str) -> re.Match[str] | None:
    """The parts of a word that may be a number, with its sign and currency."""
    if len(word) > TOKEN_CHARS_MAX or not _DIGIT.search(word):
        return None
    piece = _PIECE.fullmatch(word)
    is_named = piece is not None and all(currency_of(piece[side]) for side in ("before", "after") if piece[side])
    return piece if is_named else None


def _is_fraction(word: str) -> bool:
    """Whether it begins with a half, a third, a superscript."""
    return bool(word) and not word[0].isdecimal() and unicodedata.numeric(word[0], None) is not None
