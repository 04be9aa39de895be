"""`kill -9` at random passings of random points: in the midst of runs, and between a request and its reply."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.attack.section import Outcome, Size
from tests.crash import doors
from tests.crash.harness import LIFE, Trial, trial
from tests.crash.nest import Nests, nests
from tests.crash.points import needs_a_death_before, points
from tests.crash.visitor import Transport

AT_ONCE = 2


class Life(NamedTuple):
    """A death in the midst of runs."""

    home: Path
    point: str
    has_probe: bool
    nth: int


class Talk(NamedTuple):
    """A death between a request and its reply."""

    home: Path
    point: str
    transport: Transport
    nth: int


def attack(size: Size, chance: random.Random, folder: Path) -> Outcome:
    """Dies, lives again, and lets the judge of the crash suite look at what is left."""
    lives, talks = (2, 1) if size == "small" else (60, 30)
    with ThreadPoolExecutor(AT_ONCE) as pool, nests(LIFE) as born:
        trials = list(pool.map(partial(_die, born), _lives(chance, folder, lives)))
        passages = list(pool.map(_leave, _talks(chance, folder, talks)))
    found = [f"{each.point} probe={each.has_probe}: {each.trouble or each.unknown}" for each in trials if each.is_wrong]
    found += [f"{each.point} by {each.transport}: {each.trouble}" for each in passages if each.trouble]
    deaths = sum(each.was_hit for each in trials), sum(each.was_hit for each in passages)
    return Outcome(
        f"{deaths[0]} deaths in {len(trials)} lives of runs, {deaths[1]} in {len(passages)} conversations", found
    )


def _lives(chance: random.Random, folder: Path, count: int) -> list[Life]:
    every = points()
    nths = (1, 1, 2, 3)
    return [
        Life(folder / f"run-{i}", chance.choice(every), chance.random() < 0.5, chance.choice(nths))
        for i in range(count)
    ]


def _die(born: Nests, life: Life) -> Trial:
    life.home.mkdir()
    prelude = needs_a_death_before(life.point)
    return trial(born, life.home, life.point, has_probe=life.has_probe, nth=life.nth, prelude=prelude)


def _talks(chance: random.Random, folder: Path, count: int) -> list[Talk]:
    every = doors.points()
    chosen = [chance.choice(every) for _ in range(count)]
    return [
        Talk(folder / f"talk-{i}", point, transport, 1 if doors.passed_once(point) else chance.randint(1, 3))
        for i, (point, transport) in enumerate(chosen)
    ]


def _leave(talk: Talk) -> doors.Passage:
    talk.home.mkdir()
    return asyncio.run(doors.passage(talk.home, talk.point, talk.transport, talk.nth))
