"""Deaths of agents that are written elsewhere: the points their conversation passes, and what became of one death."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.crash.mortal import Death, Mortal
from tests.crash.nest import Nests, nests
from tests.crash.own import KINDS
from tests.crash.rounds import Passing, Playing, all_of, every, several, summed_up

LIFE = "tests.crash.own"
RECORDS = (
    "log_opened", "mailbox_opened", "message_received", "turn_opened", "run_started", "plan_started", "planned",
    "decided", "wait_opened", "wait_closed", "call_started", "call_finished", "run_finished", "message_queued",
    "turn_closed", "accessed",
)  # fmt: skip
POINTS = (
    *(f"commit.{when}/{record}" for record in RECORDS for when in ("before", "after")),
    *(f"effect.{when}/shop.{tool}" for tool in ("look", "pay") for when in ("before", "after")),
    "keys.commit.before", "keys.commit.after", "ask.before", "ask.after", "plan.after", "check.after",
)  # fmt: skip
PIVOTS = (
    ("ask.after", 1), ("ask.after", 2), ("plan.after", 1), ("plan.after", 2), ("plan.after", 3),
    ("commit.after/planned", 1), ("commit.after/planned", 2),
    ("commit.before/wait_closed", 1), ("commit.after/call_started", 1), ("effect.before/shop.pay", 1),
    ("effect.after/shop.pay", 1),
)  # fmt: skip
"""Between a reply of the model and what follows from it, and around the payment."""


SEVERAL = 5  # conversations of each kind that die several times, in a round


def deaths() -> list[tuple[str, str, int]]:
    """Every point in the agent that is a function, and the pivots in each framework's."""
    pivots = [(kind, point, nth) for kind in KINDS[1:] for point, nth in PIVOTS]
    return [*((KINDS[0], point, 1) for point in POINTS), *pivots]


def mortal(nests: Nests, kind: str, *more: str) -> Mortal:
    """The conversation with the agent of this kind."""
    return Mortal(nests, (kind, *more))


def play(playing: Playing) -> bool:
    """Deaths of each kind at every passing of every point, and several in one conversation. Whether anything is
    wrong."""
    with nests(LIFE) as lives:
        return bool([kind for kind in KINDS if _play(mortal(lives, kind), kind, playing)])


def _play(mortal: Mortal, kind: str, playing: Playing) -> bool:
    times: Mapping[str, int] = mortal.passed()

    def die(passings: Sequence[Passing]) -> Callable[[Path], Death]:
        return lambda home: mortal.die(home, passings)

    plan = [*every(times), *several(times, playing.chance, SEVERAL * playing.rounds)]
    return summed_up(all_of([die(each) for each in plan], playing, kind), f"agents of {kind}", playing)
