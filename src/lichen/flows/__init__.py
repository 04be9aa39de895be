"""Planners that walk a graph: `.ygtc` flows, loaded, checked, drawn, and walked node by node.

Names are imported when they are first used, so that `import lichen` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lichen.flows.ir import Flow
    from lichen.flows.read.load import load as load_flow
    from lichen.flows.walk.planner import FlowPlanner

_HOMES = {"Flow": ("ir", "Flow"), "FlowPlanner": ("walk.planner", "FlowPlanner"), "load_flow": ("read.load", "load")}

__all__ = ["Flow", "FlowPlanner", "load_flow"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lichen.flows' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"lichen.flows.{module}"), attribute)
