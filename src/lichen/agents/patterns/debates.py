"""One writes, one objects, and the first writes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lichen.agents.agent import Agent
from lichen.agents.patterns.team import check_members, identity, said, team
from lichen.agents.replay.chat import Chat
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits

ROUNDS: Final = 3
ROUNDS_MAX: Final = 20


def is_agreed(objection: str) -> bool:
    """Whether a critic begins with the word AGREED."""
    return objection.lstrip(" *_>`").upper().startswith("AGREED")


def debate(
    name: str,
    writer: Agent,
    critic: Agent,
    *,
    rounds: int = ROUNDS,
    until: Callable[[str], bool] = is_agreed,
    limits: Limits | None = None,
    description: str = "",
) -> Agent:
    """An agent whose `writer` answers what it is told, whose `critic` objects, and whose writer answers again.

    So it goes for so many `rounds`, 1 to 20, or `until` the critic's words say that nothing is left to object; by
    default they begin with AGREED, which the critic is asked for. The answer is the writer's last. Raises Invalid
    (`agent_invalid`).
    """
    check_members(name, writer, critic)
    if not 1 <= rounds <= ROUNDS_MAX:
        raise Invalid(f"A debate has 1 to {ROUNDS_MAX} rounds.", code="agent_invalid", place=name)

    async def play(chat: Chat) -> str:
        draft = await said(chat, writer, chat.text)
        for _ in range(rounds):
            objection = await said(chat, critic, _to_critic(chat.text, draft))
            if until(objection):
                break
            draft = await said(chat, writer, _to_writer(chat.text, draft, objection))
        return draft

    parts = (writer.name, critic.name, rounds, identity(until))
    return team(name, play, members=(writer, critic), parts=parts, limits=limits, description=description)


def _to_critic(topic: str, draft: str) -> str:
    return (
        f"Topic:\n{topic}\n\nAnswer so far:\n{draft}\n\n"
        "Say what is wrong or missing. If nothing is, answer with the word AGREED."
    )


def _to_writer(topic: str, draft: str, objection: str) -> str:
    return f"Topic:\n{topic}\n\nYour answer so far:\n{draft}\n\nObjections:\n{objection}\n\nAnswer again, whole."
