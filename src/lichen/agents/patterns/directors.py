"""One that hands out the work and makes an answer of what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from lichen.agents.agent import Agent
from lichen.agents.patterns.replies import answered
from lichen.agents.patterns.team import PatternFailed, check_members, said, team
from lichen.agents.replay.chat import CallFailed, Chat
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits

ASSIGNMENTS_MAX: Final = 20
TASK_CHARS_MAX: Final = 4_000


class Assignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A task for a worker."""

    worker: str
    task: Annotated[str, Meta(min_length=1, max_length=TASK_CHARS_MAX)]


class Assigned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a director answers when it is asked who does what."""

    assignments: Annotated[tuple[Assignment, ...], Meta(max_length=ASSIGNMENTS_MAX)]


class Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker brought back, or the code of why it brought nothing."""

    worker: str
    task: str
    answer: str = ""
    error: str = ""


def director(
    name: str, lead: Agent, workers: Sequence[Agent], *, limits: Limits | None = None, description: str = ""
) -> Agent:
    """An agent whose `lead` says which of the workers does what, who do it at once, and whose lead answers then.

    The lead is told the task and the workers with their descriptions, and answers with JSON, at most 20 assignments:
    `{"assignments": [{"worker": …, "task": …}]}`; none if it needs nobody. Then it is told what came back. It fails
    (`director_unclear`) when the lead's assignments cannot be used twice, or name nobody who is there. Raises Invalid
    (`agent_invalid`).
    """
    check_members(name, lead, *workers)
    if not workers or lead in workers:
        raise Invalid("A director has at least one worker beside it.", code="agent_invalid", place=name)
    by_name = {str(worker.name): worker for worker in workers}

    async def play(chat: Chat) -> str:
        wanted = await answered(chat, lead, _to_lead(chat.text, workers), Assigned, code="director_unclear")
        if any(each.worker not in by_name for each in wanted.assignments):
            raise PatternFailed("A worker is named that is not there.", code="director_unclear")
        done = await asyncio.gather(*(_done(chat, by_name[each.worker], each) for each in wanted.assignments))
        return await said(chat, lead, f"Task:\n{chat.text}\n\nWhat the workers say:\n{_json(done)}\n\nAnswer the task.")

    parts = (lead.name, sorted(by_name))
    return team(name, play, members=(lead, *workers), parts=parts, limits=limits, description=description)


async def _done(chat: Chat, worker: Agent, each: Assignment) -> Done:
    try:
        return Done(each.worker, each.task, await said(chat, worker, each.task))
    except CallFailed as failure:
        return Done(each.worker, each.task, error=failure.code)


def _to_lead(task: str, workers: Sequence[Agent]) -> str:
    known = "\n".join(f"- {worker.name}: {worker.description or 'no description'}" for worker in workers)
    shape = '{"assignments": [{"worker": "…", "task": "…"}]}'
    return (
        f"Task:\n{task}\n\nYour workers:\n{known}\n\n"
        f"Say who does what: answer with JSON alone, {shape}, at most {ASSIGNMENTS_MAX} of them."
    )


def _json(done: Sequence[Done]) -> str:
    return msgspec.json.encode(done).decode()
