"""What the doctor of packs finds, from the table of its codes."""

from __future__ import annotations

from docs.reference.markdown import code, table
from lichen.packs.checking.diagnostic import CODES


def page() -> str:
    """The table of all codes."""
    return table(("code", "what is wrong"), ((code(name), meaning) for name, meaning in sorted(CODES.items())))
