"""Patterns as agents' files say them: the same agents that the functions of this room give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from lichen.agents.agent import Agent
from lichen.agents.patterns.chains import chain
from lichen.agents.patterns.critics import Human, critic
from lichen.agents.patterns.debates import debate
from lichen.agents.patterns.directors import director
from lichen.agents.patterns.parallels import map_reduce, parallel
from lichen.agents.patterns.races import race
from lichen.agents.patterns.routers import router
from lichen.agents.tables import (
    ChainTable,
    CriticTable,
    DebateTable,
    DirectorTable,
    MapReduceTable,
    ParallelTable,
    PatternTable,
    RaceTable,
    RouterTable,
)
from lichen.core.words.limits import Limits

Member = Callable[[str, str], Agent]
"""The agent of a file that a field names, by the JSON pointer of that field and the file."""


def made(name: str, said: PatternTable, member: Member, *, limits: Limits | None, description: str) -> Agent:
    """The agent that a table of a pattern says. Raises Invalid (`agent_invalid`), and what `member` raises."""
    rest: dict[str, Any] = {"limits": limits, "description": description}
    match said:
        case ChainTable():
            return chain(name, _each(member, "members", said.members), **rest)
        case RaceTable():
            return race(name, _each(member, "members", said.members), **rest)
        case ParallelTable():
            join = member("/join", said.join) if said.join else None
            return parallel(name, _each(member, "members", said.members), join=join, least=said.least, **rest)
        case MapReduceTable():
            mapper, reducer = member("/mapper", said.mapper), member("/reducer", said.reducer)
            return map_reduce(name, mapper, reducer, **_stated(at_once=said.at_once), **rest)
        case DebateTable():
            writer, other = member("/writer", said.writer), member("/critic", said.critic)
            return debate(name, writer, other, **_stated(rounds=said.rounds), **rest)
        case DirectorTable():
            return director(name, member("/lead", said.lead), _each(member, "workers", said.workers), **rest)
        case RouterTable():
            small, large = member("/small", said.small), member("/large", said.large)
            more = _stated(threshold=said.threshold)
            return router(name, small, large, routes=said.routes, is_asked=said.is_asked, **more, **rest)
        case CriticTable():
            return _critic(name, said, member, rest)
        case _:
            assert_never(said)


def _critic(name: str, said: CriticTable, member: Member, rest: Mapping[str, Any]) -> Agent:
    asked = said.judge
    judge = member("/judge", asked) if isinstance(asked, str) else Human(asked.may_answer, asked.expires_s)
    more = _stated(threshold=said.threshold, rounds=said.rounds)
    return critic(name, member("/writer", said.writer), judge, rubric=said.rubric, **more, **rest)


def _each(member: Member, field: str, files: Sequence[str]) -> list[Agent]:
    return [member(f"/{field}/{i}", file) for i, file in enumerate(files)]


def _stated(**given: Any) -> dict[str, Any]:
    """What a file says; the rest is left to the pattern."""
    return {name: value for name, value in given.items() if value is not None}
