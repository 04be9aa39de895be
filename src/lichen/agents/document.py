"""Documents people write: read as files, turned into typed values strictly, and identified by their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid

T = TypeVar("T")


def read(document: object, shape: type[T], *, code: str, place: str = "") -> T:
    """`document`, made of dicts, lists and scalars, as a `shape`.

    Raises Invalid with `code`; its place is the JSON pointer, after `place`, of the first thing that does not fit.
    """
    try:
        return msgspec.convert(document, shape, strict=True)
    except msgspec.ValidationError as error:
        found, step = misfit(error), "Correct the document at the place named."
        where = f"{place}{found.pointer}" or "/"
        raise Invalid(f"{found.message}.", code=code, next_step=step, place=where) from None


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
