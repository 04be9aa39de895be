"""The folder of a component: what it says of itself in `component.toml`, and the files that it is built from."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import msgspec

from lichen.core.components.manifest import ComponentManifest, manifest_of
from lichen.core.words.errors import Invalid, NotFound

Language = Literal["python", "javascript", "c"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
ABOUT: Final = "component.toml"
MANIFEST: Final = "component.manifest.json"
WASM: Final = "component.wasm"
FILES_MAX: Final = 2_000
BYTES_MAX: Final = 32 * 1024 * 1024
TEXT_BYTES_MAX: Final = 4 * 1024 * 1024
ENTRIES: Final[Mapping[str, str]] = {"python": "app.py", "javascript": "app.js", "c": ""}
_LEFT_OUT: Final = frozenset(("__pycache__", "node_modules", ".git"))
_WORLD: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_ENTRY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\.(py|js)")


class Source(msgspec.Struct, frozen=True):
    """A component's folder as it was read. `files` are by their paths below `src`, `wit` those below `wit`.

    A component of C is made of all `.c` files; `entry` is the module that one of Python or JavaScript begins with.
    """

    folder: Path
    language: Language
    world: str
    entry: str
    files: Mapping[str, bytes]
    wit: Mapping[str, str]
    manifest: ComponentManifest
    manifest_text: str

    @property
    def digest(self) -> str:
        """What stands for everything that the component is built from; the manifest is not part of it."""
        parts = [self.language, self.world, self.entry]
        held = {**self.files, **{f"../wit/{path}": text.encode() for path, text in self.wit.items()}}
        parts += [f"{path}\n{hashlib.sha256(held[path]).hexdigest()}" for path in sorted(held)]
        return f"sha256:{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}"

    @property
    def wasm(self) -> Path:
        """Where the component is, or will be."""
        return self.folder / WASM


def source_of(folder: Path) -> Source:
    """The component that a folder is the source of.

    Raises NotFound (`file_missing`), Invalid (`component_source_invalid`, `component_manifest_invalid`).
    """
    about = folder / ABOUT
    language, world, entry = _about(_text(about), about)
    files = _files(folder / "src")
    if entry and entry not in files:
        raise source_error(f"There is no src/{entry}, which it begins with.", about)
    if language == "c" and not any(path.endswith(".c") for path in files):
        raise source_error("There is no .c file in src.", folder / "src")
    wit = {path: _decoded(data, folder / "wit" / path) for path, data in _files(folder / "wit").items()}
    if not any(path.endswith(".wit") for path in wit):
        raise source_error("There is no .wit file in wit.", folder / "wit")
    manifest, text = manifest_in(folder)
    return Source(folder, language, world, entry, files, wit, manifest, text)


def manifest_in(folder: Path) -> tuple[ComponentManifest, str]:
    """The manifest of a folder, and its text.

    Raises NotFound (`file_missing`), Invalid (`component_manifest_invalid`, `component_source_invalid`).
    """
    file = folder / MANIFEST
    text = _text(file)
    try:
        return manifest_of(msgspec.json.decode(text), str(file)), text
    except (msgspec.DecodeError, RecursionError):
        step = "Correct it: it has to be JSON."
        message = f"{MANIFEST} is no JSON."
        raise Invalid(message, code="component_manifest_invalid", next_step=step, place=str(file)) from None


def source_error(message: str, place: Path) -> Invalid:
    """That a folder is no source of a component."""
    step = "`lichen component new DIR --language python` makes one that can be built."
    return Invalid(message, code="component_source_invalid", next_step=step, place=str(place))


def _about(text: str, place: Path) -> tuple[Language, str, str]:
    try:
        said: Mapping[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise source_error(f"It is no TOML: {error}.", place) from None
    unknown = sorted(said.keys() - {"language", "world", "entry"})
    if unknown:
        raise source_error(f"`{unknown[0]}` is not known; there are `language`, `world` and `entry`.", place)
    language = said.get("language")
    if language not in LANGUAGES:
        raise source_error(f"`language` has to be one of {', '.join(LANGUAGES)}.", place)
    world, entry = said.get("world", "component"), said.get("entry", ENTRIES[language])
    if not isinstance(world, str) or not _WORLD.fullmatch(world):
        raise source_error("`world` is no name of a world.", place)
    if language == "c" and "entry" in said:
        raise source_error("A component of C has no `entry`: it is made of all .c files in src.", place)
    if language != "c" and (not isinstance(entry, str) or not _ENTRY.fullmatch(entry)):
        raise source_error("`entry` is no module in src.", place)
    return language, world, cast("str", entry)


def _files(folder: Path) -> dict[str, bytes]:
    """The files below a folder, bounded. Raises NotFound (`file_missing`), Invalid (`component_source_invalid`)."""
    if not folder.is_dir():
        step = "`lichen component new DIR --language python` makes a folder that can be built."
        raise NotFound("There is no such folder.", code="file_missing", next_step=step, place=str(folder))
    found: dict[str, bytes] = {}
    left = BYTES_MAX
    for path in sorted(folder.rglob("*")):
        if _LEFT_OUT.intersection(path.relative_to(folder).parts) or path.suffix == ".pyc":
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise source_error("Only files and folders can be built, no links.", path)
        if path.is_file():
            with path.open("rb") as file:
                data = file.read(left + 1)
            found[path.relative_to(folder).as_posix()] = data
            left -= len(data)
        if left < 0 or len(found) > FILES_MAX:
            raise source_error(f"It has more than {FILES_MAX} files or {BYTES_MAX // 1024 // 1024} MiB.", folder)
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(TEXT_BYTES_MAX + 1)
    except OSError:
        step = "Name the folder of a component; `lichen component new` makes one."
        raise NotFound("There is no such file.", code="file_missing", next_step=step, place=str(path)) from None
    if len(data) > TEXT_BYTES_MAX:
        raise source_error(f"It has more than {TEXT_BYTES_MAX} bytes.", path)
    return _decoded(data, path)


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise source_error("It is no UTF-8.", path) from None
