"""The composition root: wires ports to adapters and gives users one object to hold."""

from lichen.runtime.runtime import Runtime
from lichen.runtime.sessions import Session, Turn

__all__ = ["Runtime", "Session", "Turn"]
