"""Whoever meddles while a flow is walked: makes a text, a flow that is entered, or the time of a wait fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from lichen.core.ports.plan import RunContext
from lichen.flows.nodes.steps import Failed

Point = Literal["TemplateRender", "PackResolve", "Timeout"]
"""Where: a node's texts are filled in, a flow is entered, a node waits for somebody."""

Meddling = Callable[[Point, str, str], Failed | None]
"""Says how a point of a flow's node fails, if it does."""


class Meddler(Protocol):
    """Meddles with plans. A plan that is made again is meddled with in the same way."""

    def within(self, run: RunContext) -> Meddling:
        """What it does to the plan that is made now."""
        ...
