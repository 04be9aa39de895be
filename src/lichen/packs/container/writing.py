"""A pack's container, written: the same files give the same bytes, on every machine and at any time."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final

from lichen.packs.container.headers import CENTRAL, END, LOCAL, UTF8
from lichen.packs.container.limits import LIMITS
from lichen.packs.container.names import check_apart, checked_name

_VERSION: Final = 20
_UNIX: Final = 3 << 8
_DAY: Final = 0x0021  # 1 January 1980, the first day that a ZIP file knows
_MODE: Final = 0o100644 << 16


def packed(name: str, files: Mapping[str, bytes]) -> bytes:
    """A ZIP file of these files by path, in the order of their paths, stored. Raises Invalid (`pack_path_…`)."""
    paths = [checked_name(name, path, LIMITS) for path in sorted(files)]
    check_apart(name, paths, ())
    whole, directory = bytearray(), bytearray()
    for path in paths:
        start = len(whole)
        data, raw = files[path], path.encode()
        flags, crc, size = (0 if path.isascii() else UTF8), zlib.crc32(data), len(data)
        whole += LOCAL.pack(b"PK\x03\x04", _VERSION, flags, 0, 0, _DAY, crc, size, size, len(raw), 0) + raw + data
        directory += CENTRAL.pack(
            b"PK\x01\x02", _UNIX | _VERSION, _VERSION, flags, 0, 0, _DAY, crc, size, size, len(raw), 0, 0, 0, 0,
            _MODE, start,
        )  # fmt: skip
        directory += raw
    end = END.pack(b"PK\x05\x06", 0, 0, len(paths), len(paths), len(directory), len(whole), 0)
    return bytes(whole + directory + end)
