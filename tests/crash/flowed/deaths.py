"""Deaths of a flow: at every passing of every point of its run, and several in one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.crash.mortal import Death, Mortal
from tests.crash.nest import Nests, nests
from tests.crash.rounds import Passing, Playing, all_of, every, several, summed_up

LIFE = "tests.crash.flowed.life"
RECORDS = ("planned", "decided", "call_started", "call_finished", "wait_opened", "wait_closed", "run_started",
           "run_finished", "message_received", "message_queued", "turn_opened", "turn_closed")  # fmt: skip
TOOLS = ("shop.reserve", "shop.pay", "shop.stamp", "shop.send")
POINTS = (
    *(f"commit.{when}/{record}" for record in RECORDS for when in ("before", "after")),
    *(f"effect.{when}/{tool}" for tool in TOOLS for when in ("before", "after")),
)
SOME = (
    Passing("effect.after/shop.reserve"),  # that is tried again
    Passing("commit.after/run_started", 2),  # the agent's
    Passing("effect.after/shop.pay", 3),  # in a branch for an item
    Passing("effect.after/shop.send"),  # in the nested flow
    Passing("commit.before/wait_closed", 2),  # beside branches at once
    Passing("commit.before/run_finished", 2),
)
SEVERAL = 12  # lives that die several times, in a round


def mortal(lives: Nests, *more: str) -> Mortal:
    """The flow's conversation."""
    return Mortal(lives, more)


def play(playing: Playing) -> bool:
    """Deaths at every passing of every point, and several in one conversation. Whether anything is wrong."""
    with nests(LIFE) as lives:
        flow = mortal(lives)

        def die(passings: Sequence[Passing]) -> Callable[[Path], Death]:
            return lambda home: flow.die(home, passings)

        passed = flow.passed()
        never = set(POINTS) - set(passed)
        if never:
            playing.console.print(f"[red]flowed, never passed: {', '.join(sorted(never))}")
        plan = [*every(passed), *several(passed, playing.chance, SEVERAL * playing.rounds)]
        return summed_up(all_of([die(each) for each in plan], playing, "flowed"), "flowed", playing) or bool(never)
