"""A section of the suite: what it is called, what it tries, what it found."""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, cast

Size = Literal["small", "full"]


class Outcome(NamedTuple):
    """What was tried, in a line with its figures, and everything that should not have been possible."""

    tried: str
    found: list[str]


Attack = Callable[[Size, random.Random, Path], Outcome]
"""Tries its part, in an empty folder of its own. Everything it chooses, it chooses with the given chance."""

SECTIONS = ("tenancy", "doors", "budgets", "labels", "tampering", "kills")
"""Modules beside this one, each with a function `attack`."""


def sections() -> dict[str, Attack]:
    """Every section by its name."""
    return {name: cast(Attack, importlib.import_module(f"{__package__}.{name}").attack) for name in SECTIONS}
