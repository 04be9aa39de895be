"""The packs that a data directory keeps, each as the very file it was: runs and revisions need them after another file
took their place."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from lichen.core.ports.call import Tool
from lichen.core.words.errors import Corrupt, LichenError, NotFound, Unavailable
from lichen.log.disk.files import write_whole
from lichen.packs.container.limits import LIMITS
from lichen.runtime.packs.opening import Opened, taken_apart
from lichen.settings.packs.table import PackFile

FOLDER: Final = "packs"  # in the catalog
Names = Mapping[str, str]


class Shelf:
    """Keeps packs by their digests, below the folder of a catalog."""

    def __init__(self, catalog: Path) -> None:
        self._folder = catalog / FOLDER

    def keep(self, pack: Opened) -> None:
        """Keeps a pack, once. Raises Unavailable (`pack_not_kept`)."""
        try:
            if pack.digest not in self:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_whole(self._folder / pack.digest, pack.data)
        except OSError as error:
            step = "Make room in the data directory."
            message = f"The pack cannot be kept: {error.strerror}."
            raise Unavailable(message, code="pack_not_kept", next_step=step, place=str(self._folder)) from None

    def __contains__(self, digest: str) -> bool:
        return (self._folder / digest).is_file()

    def taken(self, digest: str, path: Path, said: PackFile) -> Opened:
        """A pack that was kept, as if it lay at a path, with what is said of it now.

        Raises NotFound (`pack_gone`), Corrupt (`pack_kept_differs`), Invalid (`pack_…`).
        """
        try:
            with (self._folder / digest).open("rb") as file:
                data = file.read(LIMITS.archive_bytes + 1)
        except OSError:
            step = "Ship that version again."
            raise NotFound("This file of the pack is kept no more.", code="pack_gone", next_step=step) from None
        if hashlib.sha256(data).hexdigest() != digest:
            step = "Remove it; the file of the pack is needed again."
            place = str(self._folder / digest)
            raise Corrupt("It is not the pack that was kept.", code="pack_kept_differs", next_step=step, place=place)
        return taken_apart(data, path, said)

    def tools(self, home: Path, digest: str, names: Names, said: PackFile) -> tuple[Tool, ...]:
        """The tools of a kept pack's components, under the names that they had. Raises as `taken`."""
        from lichen.runtime.packs.components import made_of  # for packs with components only

        return made_of(self.taken(digest, Path(digest), said), names, home).every

    def prune(self, needed: Collection[str]) -> None:
        """Drops every pack that nobody needs."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.name not in needed:
                    path.unlink(missing_ok=True)


def gone(error: LichenError) -> bool:
    """Whether a pack cannot be had any more, rather than not now."""
    return isinstance(error, NotFound | Corrupt)
