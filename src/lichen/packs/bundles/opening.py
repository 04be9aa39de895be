"""A bundle opened: its files by path, of a folder or of a SquashFS file, each read when it is asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol

from lichen.core.words.errors import Invalid, NotFound
from lichen.packs.container.limits import Limits
from lichen.packs.squash.image import opened_file
from lichen.packs.squash.limits import LIMITS, bundle_error, check_paths, checked_step

SKIPPED: Final = frozenset({".git", ".greentic", ".lichen", ".DS_Store", "logs", "__pycache__"})
_BUILD: Final = ("state/build/", "state/runtime/", "state/pids/")  # what upstream's tools leave behind


class Bundle(Protocol):
    """Files by path, in order. `name` is what errors call it."""

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    def __contains__(self, path: str, /) -> bool: ...

    def __iter__(self) -> Iterator[str]: ...

    def read(self, path: str, /) -> bytes:
        """The bytes of a file. Raises NotFound, Invalid (`bundle_…`)."""
        ...


class Folder:
    """A bundle's folder: what was there when it was opened. A file that became something else is refused."""

    def __init__(self, root: Path, sizes: Mapping[str, int], limits: Limits) -> None:
        self.name = str(root)
        self._root, self._sizes, self._limits = root, sizes, limits

    def __contains__(self, path: str) -> bool:
        return path in self._sizes

    def __iter__(self) -> Iterator[str]:
        return iter(self._sizes)

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises NotFound (`bundle_file_missing`), Invalid (`bundle_too_large`,
        `bundle_entry_special`)."""
        if path not in self._sizes:
            step = "`lichen bundle inspect BUNDLE` lists the files there are."
            place = str(self._root / path)
            raise NotFound("The bundle has no such file.", code="bundle_file_missing", place=place, next_step=step)
        try:
            handle = os.open(self._root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            raise self._special(path) from None
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise self._special(path)
            found = file.read(self._limits.entry_bytes + 1)
        if len(found) > self._limits.entry_bytes:
            raise _too_large(self.name, path, self._limits)
        return found

    def _special(self, path: str) -> Invalid:
        return bundle_error(
            self.name,
            path,
            "It is a link or another thing that is no file, or it cannot be read.",
            code="bundle_entry_special",
            next_step="Put the file itself there, or leave it out of the bundle's folder.",
        )


def open_bundle(path: Path, limits: Limits = LIMITS) -> Bundle:
    """The bundle in a folder or a file. Raises NotFound (`file_missing`), Invalid (`bundle_…`)."""
    return open_folder(path, limits) if path.is_dir() else opened_file(path, limits)


def open_folder(root: Path, limits: Limits = LIMITS) -> Folder:
    """The bundle in a folder. Raises Invalid (`bundle_entry_special`, `bundle_path`, `bundle_entry_twice`,
    `bundle_too_large`)."""
    sizes: dict[str, int] = {}
    total = 0
    for path, size in _walked(str(root), root, "", limits):
        sizes[path] = size
        total += size
        if size > limits.entry_bytes:
            raise _too_large(str(root), path, limits)
        if len(sizes) > limits.entries or total > limits.total_bytes:
            message = f"It has more than {limits.entries} files, or more than {limits.total_bytes} bytes."
            raise bundle_error(
                str(root), "", message, code="bundle_too_large", next_step="Leave large files out of it."
            )
    check_paths(str(root), sizes, limits)
    return Folder(root, dict(sorted(sizes.items())), limits)


def _walked(name: str, folder: Path, above: str, limits: Limits) -> Iterator[tuple[str, int]]:
    """Every file below a folder with its size; no link is followed."""
    if above.count("/") > limits.path_steps:
        raise bundle_error(name, above, f"A path is deeper than {limits.path_steps} folders.", code="bundle_path")
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = checked_step(name, above, os.fsencode(entry.name))
        if entry.name in SKIPPED or path.endswith(".gtbundle") or f"{path}/".startswith(_BUILD):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walked(name, Path(entry.path), f"{path}/", limits)
        elif entry.is_file(follow_symlinks=False):
            yield path, entry.stat(follow_symlinks=False).st_size
        else:
            message = "It is a link or another thing that is neither file nor folder."
            step = "Put the file itself there, or leave it out of the bundle's folder."
            raise bundle_error(name, path, message, code="bundle_entry_special", next_step=step)


def _too_large(name: str, path: str, limits: Limits) -> Invalid:
    message = f"A file has more than {limits.entry_bytes} bytes."
    return bundle_error(name, path, message, code="bundle_too_large", next_step="Leave it out of the bundle.")
