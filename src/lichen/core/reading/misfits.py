"""What does not fit where a value was read as a type: msgspec's sentence, and its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import msgspec

from lichen.core.words.errors import Invalid

T = TypeVar("T")
Steps = tuple[str | int, ...]

_PLACE: Final = re.compile(r" - at (?:`key` in )?`\$(?P<path>[^`]*)`$")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_FIELD: Final = re.compile(r"(unknown|missing required) field `([^`]*)`")


class Misfit(NamedTuple):
    """The first thing that does not fit, at `path`, as in `.agents[0].name`; `[...]` stands for any key of an object.

    `field` is one of it that should not be there, or, if it `lacks` it, should.
    """

    message: str
    path: str
    field: str
    lacks: bool

    @property
    def steps(self) -> Steps:
        """The path, step by step; `...` stands for any key."""
        found = _STEP.findall(self.path)
        return tuple(name or (int(index) if index.isdecimal() else index) for name, index in found)

    @property
    def pointer(self) -> str:
        """The JSON pointer (RFC 6901) of value and field; `*` stands for any key."""
        steps = (*self.steps, *([self.field] if self.field else []))
        return "".join(f"/{'*' if step == '...' else _escaped(str(step))}" for step in steps)


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def misfit(error: msgspec.ValidationError) -> Misfit:
    """What msgspec says of a value that does not fit its type."""
    text = str(error)
    place, field = _PLACE.search(text), _FIELD.search(text)
    path, kind, name = place["path"] if place else "", field[1] if field else "", field[2] if field else ""
    return Misfit(_PLACE.sub("", text), path, name, kind == "missing required")


def read_as(decode: Callable[[], T], code: str, *, place: str = "$") -> T:
    """What `decode` makes of a body. Raises Invalid with this code, at `place` where nothing better is known."""
    try:
        return decode()
    except msgspec.ValidationError as error:
        found = misfit(error)
        raise Invalid(f"{found.message}.", code=code, place=f"${found.path}" if found.path else place) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid("The body is not JSON.", code=code, place=place) from None
