"""The agent that fits: a small one for what it can do, a large one for the rest."""

from __future__ import annotations

from collections.abc import Sequence

from lichen.agents.agent import Agent
from lichen.agents.patterns.team import check_members, said, team
from lichen.agents.replay.chat import CallFailed, Chat
from lichen.agents.ways.confidence import ASKED, stated
from lichen.agents.ways.router import THRESHOLD, Route, Routes
from lichen.core.ports.model import ModelReply
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits


def router(
    name: str,
    small: Agent,
    large: Agent,
    *,
    routes: Sequence[Route] = (),
    threshold: float = THRESHOLD,
    is_asked: bool = True,
    limits: Limits | None = None,
    description: str = "",
) -> Agent:
    """An agent that answers as `small` does, or as `large`.

    The first of `routes` that fits what it is told says which is asked, and where none does it is the small one. That
    one is asked how sure it is: below `threshold` its answer is dropped and the large one is asked, as it is where the
    small one fails. `is_asked=False` takes every answer of the small one. Raises Invalid (`agent_invalid`,
    `planner_invalid`).
    """
    check_members(name, small, large)
    if small is large or not 0.0 <= threshold <= 1.0:
        message = "A router has two agents, and a threshold from 0 to 1."
        raise Invalid(message, code="agent_invalid", place=name)
    rules = Routes(routes)

    async def play(chat: Chat) -> str:
        if rules.first(chat.text) == "small":
            try:
                answer = await said(chat, small, f"{chat.text}\n\n{ASKED}" if is_asked else chat.text)
            except CallFailed:
                return await said(chat, large, chat.text)
            reply, sure = stated(ModelReply(answer))
            if not is_asked or (sure is not None and sure >= threshold):
                return reply.text if is_asked else answer
        return await said(chat, large, chat.text)

    parts = (small.name, large.name, list(routes), threshold, is_asked)
    return team(name, play, members=(small, large), parts=parts, limits=limits, description=description)
