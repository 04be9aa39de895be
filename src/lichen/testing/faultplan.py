"""Fault plans: which of a tool's attempts fail, and how, drawn from a seed so that a failure can be had again."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

Fault = Literal["none", "not_done", "raises", "hangs", "raises_after", "hangs_after"]
"""What an attempt does. `…_after`: the effect happened and its result is lost."""

FAULTS: tuple[Fault, ...] = ("none", "none", "none", "not_done", "raises", "hangs", "raises_after", "hangs_after")
Event = Literal["say", "start", "approve", "deny", "reconcile", "cancel", "pause", "resume", "wait", "crash"]
OFTEN: tuple[Event, ...] = ("say", "wait")
EVENTS: tuple[Event, ...] = (
    *OFTEN,
    *OFTEN,
    "start",
    "approve",
    "deny",
    "reconcile",
    "cancel",
    "pause",
    "resume",
    "crash",
)


class Happening(NamedTuple):
    """One thing that somebody does to the system. `pick` chooses among what it could be done to."""

    event: Event
    pick: float
    seconds: float


class FaultPlan:
    """Everything that goes wrong in one simulation. The same seed gives the same plan."""

    def __init__(self, seed: int, *, happenings: int = 40) -> None:
        self.seed = seed
        chance = random.Random(seed)
        self.happenings = tuple(
            Happening(chance.choice(EVENTS), chance.random(), chance.choice((0.0, 0.1, 1.0, 20.0, 400.0)))
            for _ in range(happenings)
        )
        self._salt = chance.random()

    def fault(self, key: str, attempt: int) -> Fault:
        """What becomes of this attempt at the call with this idempotency key, whenever it is made."""
        return random.Random(f"{self._salt}/{key}/{attempt}").choice(FAULTS)

    def chance(self, key: str) -> float:
        """A number in [0, 1) that belongs to `key`."""
        return random.Random(f"{self._salt}/{key}").random()

    def __repr__(self) -> str:
        return f"FaultPlan(seed={self.seed})"
