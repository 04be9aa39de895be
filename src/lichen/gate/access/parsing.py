"""A `.gmap` file as rules, with every mistake in it.

`PATH = public` or `PATH = forbidden`, one on a line; a path is `_`, `pack`, `pack/_`, `pack/flow` or `pack/flow/node`.
Empty lines, and lines that begin with `#`, say nothing. Paths are compared sign by sign.

Source: greentic-bundle, `access/parse.rs`. What is read there and means nothing is refused here: a `_` where it stands
for no flow of a pack, `.` and `..`, signs that nobody sees.
"""

from __future__ import annotations

import unicodedata
from typing import Final, NamedTuple

from lichen.core.words.errors import Invalid
from lichen.gate.access.rules import EVERY, Path, Rule, Rules

FILE_BYTES_MAX: Final = 256 * 1024  # upstream measures with 2,048 rules in 80 KiB
RULES_MAX: Final = 4_096
PART_CHARS_MAX: Final = 256
MISTAKES_MAX: Final = 50
WORDS: Final = {"public": True, "forbidden": False}

_SHAPE: Final = "Write `_`, `pack`, `pack/_`, `pack/flow` or `pack/flow/node`."
_VERDICT: Final = "Write `= public` or `= forbidden`; a remark has a line of its own, which begins with #."


class Parsed(NamedTuple):
    """The rules of a text, and what is wrong with it. With a mistake none of it is in force."""

    rules: Rules
    errors: tuple[Invalid, ...]


def parse(data: bytes, file: str, *, path: str = "") -> Parsed:
    """The rules of a file's bytes. `file` is what rules and the log call it; `path` where errors say it lies.

    Every error is an Invalid (`access_…`) at `file:line:column`.
    """
    at = path or file
    if len(data) > FILE_BYTES_MAX:
        return Parsed(Rules(), (_too_large(f"The file has more than {FILE_BYTES_MAX} bytes.", at),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        step = "Save it as UTF-8."
        wrong = Invalid("It is no text in UTF-8.", code="access_invalid", next_step=step, place=f"{at}:{line}")
        return Parsed(Rules(), (wrong,))
    rules: list[Rule] = []
    errors: list[Invalid] = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            rule = _rule(line, number, file, at)
        except Invalid as error:
            errors.append(error)
            continue
        rules += [] if rule is None else [rule]
    if len(rules) > RULES_MAX:
        errors.append(_too_large(f"The file has more than {RULES_MAX} rules.", f"{at}:{rules[RULES_MAX].line}"))
    return Parsed(Rules(rules), tuple(errors[:MISTAKES_MAX]))


def path_of(written: str, place: str = "") -> Path:
    """A path as it is written, here or in a question about it. Raises Invalid (`access_path`)."""
    if written == EVERY:
        return Path()
    parts = [part for part in written.split("/") if part]  # as upstream: `pack//flow` is `pack/flow`
    if not parts or len(parts) > 3:
        many = "too many parts" if parts else "no part that names anything"
        raise _path(f"The path has {many}.", _SHAPE, place)
    for part in parts:
        _check(part, place)
    if EVERY in parts and (len(parts) != 2 or parts[0] == EVERY):
        step = f"{_SHAPE} A flow's name stands for all of its nodes already."
        raise _path("`_` stands for everything, or after a pack for its flows, and for nothing else.", step, place)
    return Path(*parts)


def _rule(line: str, number: int, file: str, shown: str) -> Rule | None:
    """The rule on a line; None for a line that has none. Raises Invalid."""
    stripped = line.strip(" \t\r")
    if not stripped or stripped.startswith("#"):
        return None
    written, sign, verdict = stripped.partition("=")
    written, word = written.strip(" \t"), verdict.strip(" \t")
    at = f"{shown}:{number}"
    begin = len(line) - len(line.lstrip(" \t\r")) + 1
    if not sign:
        raise _verdict("The line says neither public nor forbidden.", f"{at}:{begin + len(stripped)}")
    if not written:
        raise _path("There is no path before the `=`.", _SHAPE, f"{at}:{begin}")
    path = path_of(written, f"{at}:{begin}")
    if word not in WORDS:
        column = begin + stripped.index("=") + 1 + len(verdict) - len(verdict.lstrip(" \t"))
        message = "It is neither `public` nor `forbidden`." if word else "Nothing stands after the `=`."
        raise _verdict(message, f"{at}:{column}")
    return Rule(path, WORDS[word], number, file)


def _check(part: str, place: str) -> None:
    """Raises Invalid (`access_path`) for a part that is no name, or not what it looks like."""
    if part in (".", "..") or "\\" in part or "*" in part:
        raise _path(f"{part[:32]!r} names no pack, flow or node.", _SHAPE, place)
    if len(part) > PART_CHARS_MAX:
        raise _path(f"A name has more than {PART_CHARS_MAX} characters.", _SHAPE, place)
    hidden = next((sign for sign in part if unicodedata.category(sign)[0] in "CZ"), None)
    if hidden is not None:
        step = "Write the name without it; names are compared sign by sign."
        raise _path(f"There is a sign that nobody sees in a name (U+{ord(hidden):04X}).", step, place)
    if unicodedata.normalize("NFC", part) != part:
        raise _path("A name is written with composed signs (not NFC).", "Write it as the flow's file does.", place)


def _path(message: str, next_step: str, place: str) -> Invalid:
    return Invalid(message, code="access_path", next_step=next_step, place=place or None)


def _verdict(message: str, place: str) -> Invalid:
    return Invalid(message, code="access_verdict", next_step=_VERDICT, place=place)


def _too_large(message: str, place: str) -> Invalid:
    step = "Name packs instead of their flows, or flows instead of their nodes."
    return Invalid(message, code="access_too_large", next_step=step, place=place)
