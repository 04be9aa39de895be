"""What the doctor of packs finds, from the table of its codes."""

from __future__ import annotations

from docs.reference.markdown import code, table
from lichen.packs.checking.diagnostic import CODES, VALIDATING


def page() -> str:
    """The table of all codes."""
    known = sorted({**CODES, **VALIDATING}.items())
    return table(("code", "what is wrong"), ((code(name), meaning) for name, meaning in known))
