"""One after the other: each member reads what the one before it said."""

from __future__ import annotations

from collections.abc import Sequence

from lichen.agents.agent import Agent
from lichen.agents.patterns.team import check_members, said, team
from lichen.agents.replay.chat import Chat
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits


def chain(name: str, members: Sequence[Agent], *, limits: Limits | None = None, description: str = "") -> Agent:
    """An agent that hands what it is told to the first member, that one's answer to the second, and so on.

    The last one's answer is its own. It fails with the code of a member that fails. Raises Invalid (`agent_invalid`).
    """
    check_members(name, *members)
    if not members:
        raise Invalid("A chain has at least one member.", code="agent_invalid", place=name)

    async def play(chat: Chat) -> str:
        text = chat.text
        for member in members:
            text = await said(chat, member, text)
        return text

    parts = [member.name for member in members]
    return team(name, play, members=members, parts=parts, limits=limits, description=description)
