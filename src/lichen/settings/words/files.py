"""The files of a project's own words: an object of texts by key, in a file for each language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import msgspec

from lichen.core.words.errors import Invalid

FOLDER: Final = "i18n"
FILES_MAX: Final = 100
FILE_BYTES_MAX: Final = 512 * 1024
KEYS_MAX: Final = 5_000
TEXT_CHARS_MAX: Final = 8_000
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}")


class Found(NamedTuple):
    """The words by language and key, and what is wrong with the files."""

    words: Mapping[str, Mapping[str, str]]
    errors: tuple[Invalid, ...]


def keyed_in(root: Path) -> Found:
    """What the files in `i18n/` below a folder say. One that is wrong is left out and named."""
    folder = root / FOLDER
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    words: dict[str, Mapping[str, str]] = {}
    errors: list[Invalid] = []
    for path in paths[:FILES_MAX]:
        try:
            words[path.stem] = _read(path)
        except Invalid as error:
            errors.append(error)
    if len(paths) > FILES_MAX:
        errors.append(_wrong(folder, f"There are more than {FILES_MAX} files.", "Keep one for each language."))
    return Found(words, tuple(errors))


def _read(path: Path) -> Mapping[str, str]:
    """One file. Raises Invalid (`words_invalid`) with the key at which it is wrong."""
    if not _LANGUAGE.fullmatch(path.stem):
        raise _wrong(path, f"{path.stem!r} is no language.", "Name the file for one: de.json, pt-BR.json.")
    try:
        data = path.read_bytes()
        said: Any = msgspec.json.decode(data) if len(data) <= FILE_BYTES_MAX else None
    except (OSError, UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise _wrong(path, f"The file cannot be read: {type(error).__name__}.", "Write it as JSON.") from None
    if not isinstance(said, dict) or len(cast("dict[str, Any]", said)) > KEYS_MAX:
        step = f"Write one object of at most {KEYS_MAX} texts and {FILE_BYTES_MAX // 1024} KiB."
        raise _wrong(path, "The file is no object of texts, or is too large.", step)
    texts = cast("dict[str, Any]", said)
    for error in _wrong_keys(path, texts):
        raise error
    return texts


def _wrong_keys(path: Path, texts: Mapping[str, Any]) -> Iterator[Invalid]:
    for key, text in texts.items():
        if not _KEY.fullmatch(key):
            step = "Use letters, digits and . _ - : /, at most 128."
            yield _wrong(path, f"{key[:64]!r} is no key.", step)
        elif not isinstance(text, str) or not 0 < len(text) <= TEXT_CHARS_MAX:
            step = f"Write a text of at most {TEXT_CHARS_MAX} characters."
            yield _wrong(path, "What stands under the key is no text.", step, key)


def _wrong(path: Path, message: str, step: str, key: str = "") -> Invalid:
    return Invalid(message, code="words_invalid", next_step=step, place=f"{path}#/{key}" if key else str(path))
