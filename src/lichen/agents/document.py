"""Documents people write: read as files, turned into typed values strictly, and identified by their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from lichen.core.reading.misfits import misfit
from lichen.core.words.errors import Invalid

PROJECT: Final = "lichen.toml"

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


def check_within(path: str | Path, root: Path, *, place: str = "") -> None:
    """Raises Invalid (`path_outside`) for a path that leads, by itself or by links, out of the folder `root`: what a
    file of a project names may reach a model or a person, and is none of the machine's other files."""
    folder = root.resolve()
    if not Path(path).resolve().is_relative_to(folder):
        message = f"The path leads out of the project's folder, {folder}."
        step = "Copy the file into that folder, and name it there."
        raise Invalid(message, code="path_outside", next_step=step, place=place or str(path))


def project_of(path: Path) -> Path:
    """The folder of the project that a file belongs to: the nearest above it with a `lichen.toml`, else its own."""
    own = path.absolute().parent
    return next((folder for folder in (own, *own.parents) if (folder / PROJECT).is_file()), own)


def digest(kind: str, value: Any) -> str:
    """SHA-256, in hex, of `value` as JSON with sorted keys, under the name of what it is."""
    return hashlib.sha256(kind.encode() + b"\x00" + msgspec.json.encode(value, order="sorted")).hexdigest()
