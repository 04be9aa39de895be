"""What a member is to answer as JSON: read strictly, and asked for once more where it does not fit."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec

from lichen.agents.agent import Agent
from lichen.agents.patterns.team import PatternFailed, said
from lichen.agents.replay.chat import Chat

T = TypeVar("T")
_FENCED: Final = re.compile(r"\A\s*```[a-z]*\n(.*)\n\s*```\s*\Z", re.DOTALL)


async def answered(chat: Chat, member: Agent, text: str, shape: type[T], *, code: str) -> T:
    """What the member answers, as a `shape`. One that does not fit is asked for again, with what is wrong.

    Raises PatternFailed with `code` for the second one that does not fit, and CallFailed.
    """
    reply = await said(chat, member, text)
    try:
        return _read(reply, shape)
    except msgspec.DecodeError as error:
        wrong = str(error)
    again = f"{text}\n\nYour last answer was not usable: {wrong}. Answer with the JSON alone."
    try:
        return _read(await said(chat, member, again), shape)
    except msgspec.DecodeError:
        raise PatternFailed(f"{member.name} gave no usable answer twice.", code=code) from None


def _read(text: str, shape: type[T]) -> T:
    """The JSON of a text, which may stand in a fence as models like to write it."""
    fenced = _FENCED.match(text)
    return msgspec.json.decode(fenced[1] if fenced else text, type=shape)
