"""The interpreter as an engine wants it: short thread switches, and rare collections of what is young only.

State, records and drafts form no cycles and are not tracked at all, so nothing is lost by collecting rarely.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

SWITCH_INTERVAL_S: Final = 0.00005  # the writer thread gets the interpreter back soon enough to keep commits small
COLLECT_AFTER_OBJECTS: Final = 10_000  # a look at more is a pause of its own in the midst of somebody's turn


def collect_rarely() -> None:
    """From now on, before the engine is loaded already: of its modules nothing is garbage, and there are many."""
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 50, 50)


def settle() -> None:
    """All that is loaded stays, and is never looked at again."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
