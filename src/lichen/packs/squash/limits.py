"""How large a bundle may be, in every direction, what its paths may be, and the errors that say where it is not one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from lichen.core.words.errors import Invalid
from lichen.packs.container.limits import MIB, Limits, shown

LIMITS: Final = Limits(archive_bytes=256 * MIB, entry_bytes=64 * MIB, total_bytes=512 * MIB)
REBUILD: Final = "Build the bundle anew, with `lichen bundle build`."
FETCH: Final = "Fetch the file again; it ends too early or was changed."
_BAD: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def bundle_error(name: str, entry: str, message: str, *, code: str, next_step: str = REBUILD) -> Invalid:
    """The error for something in a bundle: its place is `shop.gtbundle!/bundle.yaml`."""
    return Invalid(message, code=code, next_step=next_step, place=f"{name}!/{shown(entry)}" if entry else name)


def checked_step(name: str, above: str, raw: bytes) -> str:
    """A path, one step longer. Raises Invalid (`bundle_path`) for a step that is no plain name on every system."""
    try:
        step = raw.decode("utf-8")
    except UnicodeDecodeError:
        shape = f"{above}{raw.decode('latin-1')}"
        raise bundle_error(name, shape, "A name is no UTF-8.", code="bundle_path") from None
    if step in ("", ".", "..") or "/" in step or _BAD.search(step) or _DRIVE.match(step):
        message = "A name leads elsewhere, or holds a character that is no part of a name on every system."
        raise bundle_error(name, f"{above}{step}", message, code="bundle_path")
    return f"{above}{step}"


def check_paths(name: str, paths: Iterable[str], limits: Limits) -> None:
    """Refuses paths that are too long, and two that are one on some system. Raises Invalid (`bundle_path`,
    `bundle_entry_twice`)."""
    seen: set[str] = set()
    for path in paths:
        if len(path.encode()) > limits.path_bytes or path.count("/") >= limits.path_steps:
            message = f"A path is longer than {limits.path_bytes} bytes or deeper than {limits.path_steps} folders."
            raise bundle_error(name, path, message, code="bundle_path")
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())
        if folded in seen:
            message = "Two entries have one name, but for case and how letters are spelled."
            raise bundle_error(name, path, message, code="bundle_entry_twice")
        seen.add(folded)
