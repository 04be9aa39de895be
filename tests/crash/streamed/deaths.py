"""Deaths of the conversation: the points it passes, and what became of dying there."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.crash.mortal import Death, Mortal
from tests.crash.nest import ROOT, Nests, nests
from tests.crash.rounds import Passing, Playing, all_of, every, several, summed_up

LIFE = "tests.crash.streamed.life"
RECORDS = (
    "log_opened", "mailbox_opened", "message_received", "turn_opened", "run_started", "plan_started", "planned",
    "decided", "call_started", "call_finished", "run_finished", "message_queued", "delivery_attempted",
    "delivery_settled", "turn_closed", "accessed",
)  # fmt: skip
POINTS = (
    *(f"commit.{when}/{record}" for record in RECORDS for when in ("before", "after")),
    *(f"effect.{when}/shop.{tool}" for tool in ("look", "note", "pay") for when in ("before", "after")),
    "ask.before", "ask.piece", "ask.after", "plan.after", "check.after", "deliver.before", "deliver.after",
    "keys.commit.before", "keys.commit.after",
)  # fmt: skip
"""All that the conversation passes, each before and after the commit of every record that it writes."""


PIVOTS: tuple[tuple[Passing, ...], ...] = (
    *((Passing("ask.before", nth),) for nth in (1, 5)),  # the first; the second of an attempt that asks twice
    *((Passing("ask.piece", nth),) for nth in (1, 4, 8, 14)),  # of words and of arguments, of each agent
    *((Passing("ask.after", nth),) for nth in (2, 3, 5)),
    (Passing("commit.before/plan_started"),),
    (Passing("commit.after/plan_started", 4),),
    (Passing("plan.after", 4),),
    (Passing("commit.after/planned", 3),),
    (Passing("effect.after/shop.pay"),),
    (Passing("commit.before/run_finished"),),
    (Passing("deliver.after", 2),),
    (Passing("ask.piece", 3), Passing("ask.after", 1), Passing("effect.before/shop.pay"), Passing("ask.piece", 2)),
)
"""Where something is on its way that could be lost or come twice; and one death after the other."""

SEVERAL = 10  # conversations that die several times, in a round


class Provider:
    """The provider's process. Each conversation asks it under a name of its own."""

    def __init__(self, port: int) -> None:
        self._port = port

    def url(self) -> str:
        """A new conversation's."""
        return f"http://127.0.0.1:{self._port}/{uuid.uuid4().hex}"


@contextmanager
def provider() -> Generator[Provider]:
    """The provider, while it is wanted. Nobody kills it."""
    command = [sys.executable, "-m", "tests.crash.streamed.provider"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield Provider(int(process.stdout.readline()))
        finally:
            process.kill()


def mortal(nests: Nests, url: str, *more: str) -> Mortal:
    """The conversation, which asks the provider there."""
    return Mortal(nests, (url, *more))


def play(playing: Playing) -> bool:
    """Deaths at every passing of every point, and several in one conversation. Whether anything is wrong."""
    with nests(LIFE) as lives, provider() as served:
        times = mortal(lives, served.url()).passed()

        def die(passings: Sequence[Passing]) -> Callable[[Path], Death]:
            return lambda home: mortal(lives, served.url()).die(home, passings)

        plan = [*every(times), *several(times, playing.chance, SEVERAL * playing.rounds)]
        return summed_up(all_of([die(each) for each in plan], playing, "streamed"), "streamed conversations", playing)
