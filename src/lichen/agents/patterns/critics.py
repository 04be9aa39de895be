"""One writes, and it counts only once a critic says that it is good enough: an agent with a rubric, or a person."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from lichen.agents.agent import Agent
from lichen.agents.patterns.replies import answered
from lichen.agents.patterns.team import PatternFailed, check_members, said, team
from lichen.agents.replay.chat import Chat
from lichen.core.words.errors import Invalid
from lichen.core.words.limits import Limits

THRESHOLD: Final = 0.8
ROUNDS: Final = 3
ROUNDS_MAX: Final = 20
DIMENSIONS_MAX: Final = 16
Score = Annotated[float, Meta(ge=0.0, le=1.0)]


class Human(msgspec.Struct, frozen=True):
    """A person as the critic: those who hold one of the roles `may_answer` approve or deny, within `expires_s`."""

    may_answer: tuple[str, ...] = ("operator",)
    expires_s: float | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What a critic says: a score for each dimension of the rubric, and what has to be better."""

    scores: Mapping[str, Score]
    feedback: str = ""

    def score(self, rubric: Mapping[str, float]) -> float:
        """The mean of the scores, each as heavy as the rubric says; a dimension without a score has 0."""
        weights = math.fsum(rubric.values())
        return math.fsum(self.scores.get(name, 0.0) * weight for name, weight in rubric.items()) / weights


def critic(
    name: str,
    writer: Agent,
    judge: Agent | Human,
    *,
    rubric: Mapping[str, float],
    threshold: float = THRESHOLD,
    rounds: int = ROUNDS,
    limits: Limits | None = None,
    description: str = "",
) -> Agent:
    """An agent whose answer is the writer's, once the judge finds it good enough.

    An agent as the judge scores every dimension of the `rubric`, a weight for each name, from 0 to 1; their weighted
    mean has to reach the threshold. A person as the judge sees the text and the rubric, and approves or denies it. What
    is not good enough goes back to the writer with the judge's words, so many `rounds`; then it fails
    (`critic_rejected`). It fails too when the judge's scores cannot be used twice (`verdict_invalid`) or the person
    does not answer in time (`critic_expired`). Raises Invalid (`agent_invalid`).
    """
    check_members(name, writer, *(() if isinstance(judge, Human) else (judge,)))
    _check(name, rubric, threshold, rounds)

    async def play(chat: Chat) -> str:
        draft = await said(chat, writer, chat.text)
        for number in range(1, rounds + 1):
            is_good, feedback = await _judged(chat, judge, draft, rubric, threshold)
            if is_good:
                return draft
            if number < rounds:
                draft = await said(chat, writer, _to_writer(chat.text, draft, feedback))
        raise PatternFailed("The critic did not agree.", code="critic_rejected")

    members = (writer, judge) if isinstance(judge, Agent) else (writer,)
    by = judge.name if isinstance(judge, Agent) else judge
    parts = (writer.name, by, sorted(rubric.items()), threshold, rounds)
    return team(name, play, members=members, parts=parts, limits=limits, description=description)


def _check(name: str, rubric: Mapping[str, float], threshold: float, rounds: int) -> None:
    if not 1 <= len(rubric) <= DIMENSIONS_MAX or not all(0 < weight < math.inf for weight in rubric.values()):
        step = f"Give 1 to {DIMENSIONS_MAX} dimensions, each with a weight above 0."
        raise Invalid("A rubric says what counts, and how much.", code="agent_invalid", next_step=step, place=name)
    if not 0.0 <= threshold <= 1.0 or not 1 <= rounds <= ROUNDS_MAX:
        message = f"A threshold is from 0 to 1, and there are 1 to {ROUNDS_MAX} rounds."
        raise Invalid(message, code="agent_invalid", place=name)


async def _judged(
    chat: Chat, judge: Agent | Human, draft: str, rubric: Mapping[str, float], threshold: float
) -> tuple[bool, str]:
    """Whether a draft is good enough, and what the judge says of it."""
    if isinstance(judge, Agent):
        verdict = await answered(chat, judge, _to_judge(chat.text, draft, rubric), Verdict, code="verdict_invalid")
        return verdict.score(rubric) >= threshold, verdict.feedback
    shown = {"task": chat.text, "draft": draft, "rubric": dict(rubric)}
    ruling = await chat.approval(operator=shown, may_answer=judge.may_answer, expires_s=judge.expires_s)
    if ruling.outcome not in ("approved", "denied"):
        raise PatternFailed("Nobody judged it in time.", code="critic_expired")
    return ruling.outcome == "approved", ruling.note


def _to_judge(task: str, draft: str, rubric: Mapping[str, float]) -> str:
    shape = msgspec.json.encode({"scores": dict.fromkeys(rubric, 0.5), "feedback": "…"}).decode()
    return (
        f"Task:\n{task}\n\nText to judge:\n{draft}\n\n"
        f"Score each of {_listed(list(rubric))} from 0 to 1 and say what has to be better. "
        f"Answer with JSON alone, such as {shape}."
    )


def _to_writer(task: str, draft: str, feedback: str) -> str:
    return (
        f"Task:\n{task}\n\nYour text so far:\n{draft}\n\nThe critic says:\n{feedback or '-'}\n\nWrite it again, whole."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
