"""Agents that work together as one: what every pattern is made of.

A pattern is code that asks its members and is run again from its start for every plan (`agents/replay/`): what a member
answered is in the log, so a process that dies in the middle goes on there and asks nobody twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, cast

from lichen.agents import document
from lichen.agents.agent import Agent
from lichen.agents.own.function import source_of
from lichen.agents.replay.chat import CallFailed, Chat
from lichen.agents.replay.planner import ReplayPlanner
from lichen.core.ports.call import Tool
from lichen.core.ports.plan import Plan, PlanInput, PlannerKind
from lichen.core.words.errors import Invalid, LichenError
from lichen.core.words.failure import Failure
from lichen.core.words.limits import Limits
from lichen.tools.failure import MESSAGE_BYTES_MAX, bounded
from lichen.tools.spec import written_at

MEMBERS_MAX: Final = 32  # of one pattern; Symbiont's bound of parallel tasks
LIMITS: Final = Limits(calls=1_000, time_s=900.0)  # a pattern lends all that its members use
Play = Callable[[Chat], Awaitable[Any]]


class PatternFailed(LichenError):
    """A pattern that came to no answer. It fails its run, under this code, and is not tried again."""

    code = "pattern_failed"


class TeamPlanner:
    """The planner of a pattern: its code, run again for every plan. What fails for good fails the run at once.

    A run that reaches a limit answers that it was cut off, as any run of code; one that `has_effects` fails instead if
    its code does, since what it leaves behind must not look like an answer.
    """

    kind: PlannerKind = "own"
    pure: bool = False  # it looks back on what its members said

    def __init__(self, play: Play, digest: str, *, has_effects: bool = False) -> None:
        self._play, self.digest, self._has_effects = play, digest, has_effects

    async def plan(self, input: PlanInput) -> Plan:
        """What is asked next of which members, or the answer. A member that fails, fails the pattern under its code."""
        failed: PatternFailed | CallFailed | None = None

        async def play(chat: Chat) -> Any:
            nonlocal failed
            try:
                return await self._play(chat)
            except (PatternFailed, CallFailed) as failure:
                failed = failure
                raise

        try:
            plan = await ReplayPlanner(play, digest=self.digest).plan(input)
        except (PatternFailed, CallFailed) as failure:
            return _failed(failure)
        return _failed(failed) if failed is not None and self._has_effects else plan


def _failed(failure: LichenError) -> Plan:
    said = bounded(failure.message, MESSAGE_BYTES_MAX)
    return Plan(failure=failure.code, because=Failure(type(failure).__name__, said))


def team(
    name: str,
    play: Play,
    *,
    members: Sequence[Agent] = (),
    tools: Iterable[Tool] = (),
    parts: object = (),
    has_effects: bool = False,
    limits: Limits | None = None,
    description: str = "",
) -> Agent:
    """The agent called `name` whose runs are this code. `members` are its tools; `parts` is what the code goes by."""
    each = distinct(members)
    if len(each) > MEMBERS_MAX:
        raise Invalid(f"A pattern has at most {MEMBERS_MAX} members.", code="agent_invalid", place=name)
    digest = document.digest("pattern/1", (play.__qualname__, parts))
    given = (*(member_tool(member) for member in each), *tools)
    planner = TeamPlanner(play, digest, has_effects=has_effects)
    return Agent(name, planner=planner, tools=given, limits=limits or LIMITS, description=description)


def member_tool(member: Agent) -> Tool:
    """A member as a tool: what it is asked it reads as words."""
    return member.as_tool(template="{message}", description=member.description or f"Asks {member.name}.")


def check_members(name: str, *members: object) -> None:
    """Raises Invalid (`agent_invalid`) for a member that is no agent."""
    for each in members:
        if not isinstance(each, Agent):
            message = f"A {type(each).__name__} is no member of {name}: members are agents."
            step = 'Hand over agents: Agent("shop.writer", planner=...).'
            raise Invalid(message, code="agent_invalid", next_step=step, place=written_at())


def distinct(members: Sequence[Agent]) -> tuple[Agent, ...]:
    """The members, each once. Raises Invalid for two that share a name."""
    by_name = {member.name: member for member in members}
    if any(by_name[member.name] is not member for member in members):
        raise Invalid("Two members of a pattern share a name.", code="agent_invalid")
    return tuple(by_name.values())


async def said(chat: Chat, member: Agent, text: str) -> str:
    """What a member answers. Raises CallFailed."""
    return answer_of(await chat.call(member.name, message=text or "-"))


def answer_of(result: Any) -> str:
    """The words of a child run's result."""
    fields = cast("dict[str, Any]", result) if isinstance(result, dict) else {}
    return str(fields.get("answer", ""))


def identity(function: Callable[..., Any] | None) -> str:
    """What tells versions of a function apart."""
    return "" if function is None else source_of(function)
