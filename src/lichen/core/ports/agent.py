"""What every run is made of, as the engine and other agents see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from lichen.core.ports.answer import AnswerType
from lichen.core.ports.call import Tool
from lichen.core.ports.plan import Planner
from lichen.core.speech.spoken import Spoken
from lichen.core.words.ids import AgentName, ToolName
from lichen.core.words.limits import Limits

OnMissing = Literal["resume", "ask", "finalize"]
"""What follows when a call lacks arguments: its planner is told; the customer is asked for them; the run ends with what
it has."""


class AgentDef(Protocol):
    """The definition of an agent."""

    @property
    def name(self) -> AgentName:
        """Unique in the runtime."""
        ...

    @property
    def planner(self) -> Planner:
        """Decides what a run does."""
        ...

    @property
    def tools(self) -> Mapping[ToolName, Tool]:
        """All it may call, by name."""
        ...

    @property
    def limits(self) -> Limits:
        """Bounds of each of its runs."""
        ...

    @property
    def answers(self) -> AnswerType | None:
        """What its answers have to be, None where words will do."""
        ...

    @property
    def say(self) -> Spoken | None:
        """How customers are told its answers, None where in the words that its planner gave."""
        ...

    @property
    def on_missing(self) -> OnMissing:
        """What follows when a call lacks arguments."""
        ...

    @property
    def digest(self) -> str:
        """Pins the definition."""
        ...
