"""What a version of an agent has of a pack, as it is kept with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Lent(NamedTuple):
    """A pack whose components an agent asks: its id, its digest, and how the names of their tools begin, by
    component."""

    pack: str
    digest: str
    names: Mapping[str, str]
