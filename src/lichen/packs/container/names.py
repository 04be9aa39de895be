"""Whether the name of an entry is a plain relative path that means the same on every system.

Source: APPNOTE.TXT 6.3.10 section 4.4.17 (forward slashes, relative, no drive letter); "Zip Slip" (Snyk, 2018).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from lichen.core.words.errors import Invalid
from lichen.packs.container.limits import Limits, pack_error

_REBUILD: Final = "Build the pack anew, with `lichen pack build`."
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def checked_name(name: str, path: str, limits: Limits) -> str:
    """The path of an entry without the slash that ends a folder's. Raises Invalid (`pack_path_…`)."""
    wrong = _wrong(name, path, limits)
    if wrong is not None:
        raise wrong
    return path.rstrip("/")


def _wrong(name: str, path: str, limits: Limits) -> Invalid | None:
    steps = path.rstrip("/").split("/")
    if not path or len(path.encode()) > limits.path_bytes or len(steps) > limits.path_steps:
        message = f"A path is empty, longer than {limits.path_bytes} bytes or deeper than {limits.path_steps} folders."
        return pack_error(name, path, message, code="pack_path_long", next_step=_REBUILD)
    if _CONTROL.search(path):
        return pack_error(name, path, "A path holds a control character.", code="pack_path_control", next_step=_REBUILD)
    if "\\" in path:
        return pack_error(name, path, "A path holds a backslash.", code="pack_path_backslash", next_step=_REBUILD)
    if path.startswith("/"):
        return pack_error(name, path, "A path is absolute.", code="pack_path_absolute", next_step=_REBUILD)
    if _DRIVE.match(path):
        return pack_error(name, path, "A path names a drive.", code="pack_path_drive", next_step=_REBUILD)
    if any(step in ("", ".", "..") for step in steps) or path.endswith("//"):
        return pack_error(
            name, path, "A path leads out of the pack or in a circle.", code="pack_path_parent", next_step=_REBUILD
        )
    return None


def check_apart(name: str, paths: Iterable[str], folders: Iterable[str]) -> None:
    """Refuses paths that are one file on some system, and a file that is a folder as well.

    Raises Invalid (`pack_entry_twice`, `pack_path_both`).
    """
    seen: set[str] = set()
    above = {_folded(folder) for folder in folders}
    for path in paths:
        folded = _folded(path)
        if folded in seen:
            message = "Two entries have one name, but for case and how letters are spelled."
            raise pack_error(name, path, message, code="pack_entry_twice", next_step=_REBUILD)
        seen.add(folded)
        steps = folded.split("/")
        above.update("/".join(steps[:i]) for i in range(1, len(steps)))
    for path in sorted(seen & above):
        message = "A file has the name of a folder."
        raise pack_error(name, path, message, code="pack_path_both", next_step=_REBUILD)


def _folded(path: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
