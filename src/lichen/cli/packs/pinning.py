"""`lichen.toml` with the references in it by their digests: those change, and not a letter of anything else.

The new text is read again before it takes the place of the old one, at once.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from lichen.core.words.errors import Conflict, Invalid

Steps = tuple[str | int, ...]
_STEP: Final = "Change it by hand."


class Entry(NamedTuple):
    """A name in the file, with the steps to it."""

    steps: Steps
    name: str


def entries_in(document: Mapping[str, Any]) -> Iterator[Entry]:
    """The files that `packs` of `[lichen]` and the components name."""
    parts = cast("Mapping[str, Any]", document.get("lichen") or {})
    for above, listed in ((("lichen", "packs"), parts.get("packs")), (("component",), document.get("component"))):
        for number, one in enumerate(cast("list[Any]", listed) if isinstance(listed, list) else []):
            if isinstance(one, str):
                yield Entry((*above, number), one)
            elif isinstance(one, dict) and isinstance(cast("dict[str, Any]", one).get("file"), str):
                yield Entry((*above, number, "file"), cast("dict[str, Any]", one)["file"])


def with_names(text: str, names: Mapping[Steps, str]) -> str:
    """The text in which these places say this. Raises Invalid (`file_unwritten`) where that is not all it would say."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    meant = tomllib.loads(text)
    try:
        document: Any = tomlkit.parse(text)
        for steps, name in names.items():
            for whole in (document, meant):
                _put(whole, steps, name)
        written = tomlkit.dumps(document)
        is_meant = tomllib.loads(written) == meant
    except (TOMLKitError, tomllib.TOMLDecodeError, KeyError, TypeError, IndexError):
        written, is_meant = text, False
    if not is_meant:
        message = "The file is written in a way in which a program cannot change this alone."
        raise Invalid(message, code="file_unwritten", next_step=_STEP)
    return written


def _put(whole: Any, steps: Steps, name: str) -> None:
    for step in steps[:-1]:
        whole = whole[step]
    whole[steps[-1]] = name


def rewrite(path: Path, change: Callable[[str], str]) -> bool:
    """Changes a file at once or not at all, and tells whether it did. Raises Conflict (`file_changed`)."""
    before = path.read_bytes()
    after = change(before.decode()).encode()
    if after == before:
        return False
    beside = path.with_name(f".{path.name}.pinned")
    beside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            file.write(after)
            file.flush()
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
            os.fsync(file.fileno())
        if path.read_bytes() != before:
            message = f"{path.name} was changed meanwhile."
            raise Conflict(message, code="file_changed", next_step="Run this again.")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return True
