"""Many deaths at once, each in a home of its own that is gone afterwards, and what they came to."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")


class Playing(NamedTuple):
    """How a part of the suite is played: how often, how many at once, by which chance, and where it says so."""

    rounds: int
    at_once: int
    chance: random.Random
    console: Console


class Passing(NamedTuple):
    """The passing of a point at which a life dies."""

    point: str
    nth: int = 1


class Died(Protocol):
    """What became of a life that was to die somewhere."""

    @property
    def passings(self) -> Sequence[Passing]:
        """Where, one after the other."""
        ...

    @property
    def was_hit(self) -> bool:
        """Whether every death came."""
        ...

    @property
    def trouble(self) -> str:
        """What is wrong after them; nothing if all is well."""
        ...


D = TypeVar("D", bound=Died)


def every(passed: Mapping[str, int]) -> list[tuple[Passing]]:
    """A death at each passing of each point of a life that does not die."""
    return [(Passing(point, nth),) for point, times in passed.items() for nth in range(1, times + 1)]


def several(passed: Mapping[str, int], chance: random.Random, many: int) -> list[tuple[Passing, ...]]:
    """So many lives that die two to four times, anywhere."""
    points = [passing for (passing,) in every(passed)]
    return [tuple(chance.sample(points, chance.randint(2, 4))) for _ in range(many)]


def all_of(plan: Sequence[Callable[[Path], T]], playing: Playing, told: str) -> list[T]:
    """What became of each, in the plan's order."""

    with ThreadPoolExecutor(playing.at_once) as pool, _progress(playing.console) as progress:
        task = progress.add_task(told, total=len(plan))
        deaths = [pool.submit(in_a_home, die) for die in plan]
        for death in as_completed(deaths):
            death.result()
            progress.advance(task)
    return [death.result() for death in deaths]


def in_a_home(die: Callable[[Path], T]) -> T:
    """What becomes of it in a home that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="lichen-crash-") as home:
        return die(Path(home))


def summed_up(found: Sequence[Died], told: str, playing: Playing) -> bool:
    """Says how many died and what is wrong with them; whether anything is.

    A point has to be passed at least once: how often is a matter of what is committed together. Of several deaths the
    later ones may find nothing left to die in.
    """
    bad = [each for each in found if each.trouble]
    for each in bad:
        playing.console.print(f"[red]{told}, {named(each.passings)}: {each.trouble}", markup=True, highlight=False)
    wanted = {each.passings[0].point for each in found}
    never = wanted - {each.passings[0].point for each in found if each.was_hit}
    if never:
        playing.console.print(f"[red]{told}, never hit: {', '.join(sorted(never))}")
    hits = sum(each.was_hit for each in found)
    playing.console.print(f"{told}: {len(found)} lives, {hits} died as planned, {len(bad)} wrong")
    return bool(bad or never)


def named(passings: Sequence[Passing]) -> str:
    """The passings, for whoever reads where it died."""
    return " ".join(f"{point}-{nth}" for point, nth in passings)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)
