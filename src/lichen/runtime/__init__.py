"""The composition root: wires ports to adapters and gives users one object to hold.

Names are imported when they are first used, so that `import lichen` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lichen.runtime.operations.talk.session import Session
    from lichen.runtime.operations.talk.turn import Turn
    from lichen.runtime.runtime import Runtime

_HOMES = {"Runtime": "runtime", "Session": "operations.talk.session", "Turn": "operations.talk.turn"}

__all__ = ["Runtime", "Session", "Turn"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lichen.runtime' has no attribute {name!r}")
    return getattr(import_module(f"lichen.runtime.{home}"), name)
