"""Documents people write: read as files, turned into typed values strictly, and identified by their digest."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lichen.core.words.errors import Invalid

T = TypeVar("T")

_PLACE = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_FIELD = re.compile(r"(?:unknown|required) field `([^`]*)`")


def read(document: object, shape: type[T], *, code: str, place: str = "") -> T:
    """`document`, made of dicts, lists and scalars, as a `shape`.

    Raises Invalid with `code`; its place is the JSON pointer, after `place`, of the first thing that does not fit.
    """
    try:
        return msgspec.convert(document, shape, strict=True)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"{_PLACE.sub('', str(error))}.",
            code=code,
            next_step="Correct the document at the place named.",
            place=f"{place}{_pointer(str(error))}" or "/",
        ) from None


def load(path: str | Path, bytes_max: int, *, code: str) -> bytes:
    """The bytes of a file. Raises Invalid with `code` and the path for one that cannot be read or is larger."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        message = f"The file cannot be read: {error.strerror}."
        raise Invalid(message, code=code, next_step="Name a file that exists.", place=str(path)) from None
    if len(data) > bytes_max:
        message = f"The file is larger than {bytes_max} bytes."
        raise Invalid(message, code=code, next_step="Split it.", place=str(path))
    return data


def digest(kind: str, value: Any) -> str:
    """SHA-256, in hex, of `value` as JSON with sorted keys, under the name of what it is."""
    return hashlib.sha256(kind.encode() + b"\x00" + msgspec.json.encode(value, order="sorted")).hexdigest()


def _pointer(message: str) -> str:
    """The JSON pointer of msgspec's `$.intents[0].slots`, with the unknown or missing field; `*` stands for any key."""
    found = _PLACE.search(message)
    steps = [name or index.replace("...", "*") for name, index in _STEP.findall(found["path"] if found else "")]
    field = _FIELD.search(message)
    return "".join(f"/{step}" for step in (*steps, *([field[1]] if field else [])))
