"""All at once: members that answer the same, and one that answers for each part of a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from lichen.agents.agent import Agent
from lichen.agents.patterns.team import PatternFailed, check_members, identity, said, team
from lichen.agents.replay.chat import CallFailed, Chat
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits

AT_ONCE: Final = 8
PARTS_MAX: Final = 256


class Opinion(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one member said, or the code of why it said nothing."""

    agent: str
    answer: str = ""
    error: str = ""


Join = Callable[[Sequence[Opinion]], str]
"""Makes one answer of several."""


def parallel(
    name: str,
    members: Sequence[Agent],
    *,
    join: Join | Agent | None = None,
    least: int = 1,
    limits: Limits | None = None,
    description: str = "",
) -> Agent:
    """An agent that asks all members at once what it is told.

    Its answer is what `join` makes of theirs in the members' order: a function, or an agent that reads them as JSON;
    without it that JSON, `[{"agent": …, "answer": …}, …]`. A member that fails has an `error` instead of an answer. It
    fails (`parallel_failed`) when fewer than `least` answered. Raises Invalid (`agent_invalid`).
    """
    check_members(name, *members, *(() if join is None or callable(join) else (join,)))
    if not 1 <= least <= len(members):
        raise Invalid("Of all members at least one, and at most all, have to answer.", code="agent_invalid", place=name)

    async def play(chat: Chat) -> str:
        opinions = await asyncio.gather(*(_opinion(chat, member, chat.text) for member in members))
        if sum(not opinion.error for opinion in opinions) < least:
            raise PatternFailed("Too few members answered.", code="parallel_failed")
        if isinstance(join, Agent):
            return await said(chat, join, _json(opinions))
        return join(opinions) if join is not None else _json(opinions)

    every = (*members, join) if isinstance(join, Agent) else members
    by = join.name if isinstance(join, Agent) else identity(join)
    parts = ([member.name for member in members], by, least)
    return team(name, play, members=every, parts=parts, limits=limits, description=description)


def map_reduce(
    name: str,
    mapper: Agent,
    reducer: Agent,
    *,
    split: Callable[[str], Sequence[str]] | None = None,
    at_once: int = AT_ONCE,
    limits: Limits | None = None,
    description: str = "",
) -> Agent:
    """An agent that has `mapper` answer for each part of what it is told, and `reducer` make one answer of theirs.

    `split` makes the parts, at most 256; without it they are the strings of a JSON array, else the lines. `at_once` of
    them are asked at a time. The reducer reads `[{"agent": …, "answer": …}, …]` in the order of the parts; a part that
    failed has an `error`. It fails (`map_reduce_failed`) when all did, or the parts are none or too many.
    """
    check_members(name, mapper, reducer)
    if not at_once >= 1:
        raise Invalid("At least one part is asked at a time.", code="agent_invalid", place=name)

    async def play(chat: Chat) -> str:
        parts = tuple(split(chat.text) if split is not None else _parts(chat.text))
        if not 0 < len(parts) <= PARTS_MAX:
            raise PatternFailed(f"There are {len(parts)} parts.", code="map_reduce_failed")
        opinions = list[Opinion]()
        for start in range(0, len(parts), at_once):
            batch = parts[start : start + at_once]
            opinions += await asyncio.gather(*(_opinion(chat, mapper, part) for part in batch))
        if all(opinion.error for opinion in opinions):
            raise PatternFailed("No part was answered.", code="map_reduce_failed")
        return await said(chat, reducer, _json(opinions))

    parts = (mapper.name, reducer.name, identity(split), at_once)
    return team(name, play, members=(mapper, reducer), parts=parts, limits=limits, description=description)


async def _opinion(chat: Chat, member: Agent, text: str) -> Opinion:
    try:
        return Opinion(member.name, await said(chat, member, text))
    except CallFailed as failure:
        return Opinion(member.name, error=failure.code)


def _parts(text: str) -> Sequence[str]:
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.DecodeError:
        return [line.strip() for line in text.splitlines() if line.strip()]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
