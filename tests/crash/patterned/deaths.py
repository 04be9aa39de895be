"""Deaths of teams: undisturbed once, to see what a team comes to and which points it passes, then at those."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.crash.mortal import Death, Mortal
from tests.crash.nest import Nests, nests
from tests.crash.patterned.teams import TEAMS
from tests.crash.rounds import Passing, Playing, all_of, every, in_a_home, several, summed_up

LIFE = "tests.crash.patterned.life"
STEPS = ("plan.after", "commit.after/run_started", "commit.after/planned", "commit.before/run_finished")
"""Points at which a team is killed at every passing: around what a member is asked, does and answers."""
SEVERAL = 3  # lives of each team that die several times, in a round


class Team:
    """A team, and what it comes to where nobody disturbs it."""

    def __init__(self, nests: Nests, folder: Path, name: str) -> None:
        self.name, self._nests = name, nests
        folder.mkdir(parents=True, exist_ok=True)
        story, seen = folder / "story", folder / "seen"
        ended = nests.live([str(folder / "home"), name, "--story", str(story), "--seen", str(seen)])
        assert not ended.trouble, ended.trouble
        self.story = story
        self.passed: Mapping[str, int] = json.loads(seen.read_text())

    def die(self, home: Path, passings: Sequence[Passing], *more: str) -> Death:
        """Dies at each passing in turn, then lives to the end, which has to be the same."""
        return Mortal(self._nests, (self.name, "--like", str(self.story), *more)).die(home, passings)

    @property
    def some(self) -> list[Passing]:
        """A few deaths that tell much: a member in the midst of what it does, and one that has answered."""
        acted = next(point for point in self.passed if point.startswith("effect.after/"))
        return [Passing("plan.after", self.passed["plan.after"] // 2 + 1), Passing(acted, self.passed[acted])]

    def all(self, playing: Playing) -> list[tuple[Passing, ...]]:
        """Every passing of the points between its steps, and so many of each other point."""
        found = [each for each in every(self.passed) if _is_step(each[0].point)]
        for point, times in self.passed.items():
            if not _is_step(point):
                found += [(Passing(point),)]
                found += [(Passing(point, playing.chance.randint(1, times)),) for _ in range(playing.rounds - 1)]
        return [*found, *several(self.passed, playing.chance, SEVERAL * playing.rounds)]


def play(playing: Playing) -> bool:
    """Deaths of every team. Whether anything is wrong."""
    with nests(LIFE) as lives:
        return bool([name for name in TEAMS if _play(lives, name, playing)])


def _play(lives: Nests, name: str, playing: Playing) -> bool:
    def whole(folder: Path) -> bool:
        team = Team(lives, folder, name)

        def die(passings: Sequence[Passing]) -> Callable[[Path], Death]:
            return lambda home: team.die(home, passings)

        return summed_up(all_of([die(each) for each in team.all(playing)], playing, name), name, playing)

    return in_a_home(whole)


def _is_step(point: str) -> bool:
    return point in STEPS or point.startswith("effect.")
