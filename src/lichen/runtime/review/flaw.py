"""One thing that will fail when it runs."""

from __future__ import annotations

from typing import Literal

import msgspec


class Flaw(msgspec.Struct, frozen=True):
    """What it is, where it stands, and what mends it. A `note` is meant so, a `warning` may be, a `problem` cannot
    work."""

    code: str
    severity: Literal["note", "warning", "problem"]
    message: str
    mend: str
    place: str = ""
