"""A conversation whose process dies, and is started again until it ends: how often, and what is wrong then."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.crash.bills import Attempt, left_asking
from tests.crash.nest import Ended, Nests
from tests.crash.rounds import Passing


class Death(NamedTuple):
    """What became of a conversation that was to die at these passings, one after the other."""

    passings: tuple[Passing, ...]
    deaths: int  # that came
    trouble: str

    @property
    def was_hit(self) -> bool:
        """Whether every death came."""
        return self.deaths == len(self.passings)


class Mortal:
    """A conversation, in lives of a module: each is given its home, these arguments, how many died before it and how
    many attempts at a plan these took with them. One that does not die judges.
    """

    def __init__(self, nests: Nests, argv: Sequence[str] = ()) -> None:
        self._nests, self._argv = nests, tuple(argv)

    def die(self, home: Path, passings: Sequence[Passing]) -> Death:
        """Dies at each passing in turn, then lives to the end."""
        deaths, lost = 0, set[Attempt]()
        for point, nth in passings:
            died = self._live(home, deaths, lost, "--point", point, "--nth", str(nth))
            if not died.was_killed:
                return Death(tuple(passings), deaths, died.trouble)
            deaths += 1
            lost |= left_asking(home)
        return Death(tuple(passings), deaths, self._live(home, deaths, lost).trouble)

    def passed(self) -> Mapping[str, int]:
        """How often a life that does not die passes each point."""
        with tempfile.TemporaryDirectory(prefix="lichen-crash-") as home:
            seen = Path(home) / "seen"
            ended = self._live(Path(home), 0, set(), "--seen", str(seen))
            assert not ended.trouble, ended.trouble
            return json.loads(seen.read_text())

    def _live(self, home: Path, deaths: int, lost: set[Attempt], *more: str) -> Ended:
        told = ("--deaths", str(deaths), "--lost", str(len(lost)))
        return self._nests.live([str(home), *self._argv, *told, *more])
