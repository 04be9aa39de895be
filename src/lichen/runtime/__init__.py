"""The composition root: wires ports to adapters and gives users one object to hold."""

from lichen.runtime.operations.session import Session
from lichen.runtime.operations.turn import Turn
from lichen.runtime.runtime import Runtime

__all__ = ["Runtime", "Session", "Turn"]
