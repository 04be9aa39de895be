"""How large a pack may be, in every direction, and the errors that say where it is not one."""

from __future__ import annotations

from typing import Final

import msgspec

from lichen.core.words.errors import Invalid

MIB: Final = 1024 * 1024


class Limits(msgspec.Struct, frozen=True):
    """What a container may have at most. That of upstream for the archive; its entries have 16 MiB at most, and a
    component of Python has 18."""

    archive_bytes: int = 64 * MIB
    entry_bytes: int = 32 * MIB
    total_bytes: int = 256 * MIB  # of all entries, unpacked
    entries: int = 10_000
    ratio: int = 200  # of unpacked to packed; only entries above `ratio_from_bytes` are looked at
    ratio_from_bytes: int = MIB
    path_bytes: int = 512
    path_steps: int = 24


LIMITS: Final = Limits()


def pack_error(name: str, entry: str, message: str, *, code: str, next_step: str) -> Invalid:
    """The error for something in a pack: its place is `shop.gtpack!/flows/a.ygtc`."""
    return Invalid(message, code=code, next_step=next_step, place=f"{name}!/{shown(entry)}" if entry else name)


def shown(path: str) -> str:
    """A path of a stranger, as a terminal and a log can have it."""
    text = path.encode("unicode_escape").decode("ascii")
    return text if len(text) <= 120 else f"{text[:117]}..."
