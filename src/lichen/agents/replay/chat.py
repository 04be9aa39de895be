"""What an agent that is a function is given: the conversation, models, tools, questions, time and chance."""

from __future__ import annotations

import hashlib
import random  # noqa: TID251 - seeded by the run, so that the code is told the same again
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import pydantic_core

from lichen.agents.replay.entries import Opened
from lichen.agents.replay.passage import Passage
from lichen.agents.rules.answer import answer_text
from lichen.core.ports.call import Issue, Outcome, Tool, ToolSpec
from lichen.core.ports.model import Model, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import CallRequest, CallResult, Message, WaitRequest
from lichen.core.words.errors import Invalid, LichenError
from lichen.core.words.ids import RunId, SessionId, ToolName
from lichen.core.words.scope import Actor, Scope
from lichen.core.words.wait import WaitOutcome

SEED: Final = b"lichen/chance/1"


class CallFailed(LichenError):
    """A call that gave no result: `outcome` says how it ended, `reason` why, as far as the agent may know."""

    code = "call_failed"
    next_step = "Catch it where the agent can go on without the result."

    def __init__(self, result: CallResult) -> None:
        super().__init__(f"The call of {result.tool} ended {result.outcome}.", code=result.code or result.outcome)
        self.tool: ToolName = result.tool
        self.outcome: Outcome = result.outcome
        self.reason: str = result.reason
        self.issues: tuple[Issue, ...] = result.issues


class Unanswered(LichenError):
    """A question that nobody answered in time."""

    code = "question_expired"
    next_step = "Catch it where the agent can go on without an answer."


class Ruling(NamedTuple):
    """How somebody decided: `approved`, `denied` or `expired`, and what they noted."""

    outcome: WaitOutcome
    note: str


class Chat:
    """One run of an agent that is a function. Everything that is asked for here is recorded, and told again as it was
    when the function is run again; what it takes from elsewhere, such as the clock, may differ, and then it diverges.

    `text` is what the run was started with, `messages` the same message by message, `earlier` the conversation before.
    `heard` are messages that joined since. `random` is seeded by the run.
    """

    def __init__(self, passage: Passage, opened: Opened, model: Model | None) -> None:
        run = passage.input.run
        self._passage = passage
        self._model = model
        self.scope: Scope = run.scope
        self.actor: Actor = run.actor
        self.run: RunId = run.run
        self.session: SessionId | None = run.session
        self.attributes: Mapping[str, str] = run.attributes
        self.messages: tuple[Message, ...] = opened.messages
        self.earlier: tuple[Message, ...] = opened.earlier
        self.notes: tuple[str, ...] = opened.notes
        self.text: str = "\n".join(message.text for message in opened.messages)
        self.random = random.Random(hashlib.sha256(SEED + str(run.run).encode()).digest())

    @property
    def heard(self) -> Sequence[Message]:
        """What was said since the run began, as far as the log goes."""
        return tuple(self._passage.tape.heard)

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """The contracts of the agent's tools."""
        return self._passage.input.tools

    async def model(
        self,
        asked: str | Sequence[ModelMessage] | ModelRequest,
        *,
        system: str = "",
        tools: Sequence[Tool | ToolSpec] = (),
        model: Model | None = None,
        shown: bool = False,
    ) -> ModelReply:
        """What the model says to a text, to messages, or to a whole request: the agent's model, or `model`.

        `tools` are those it may ask for; to make its calls is up to the function. `shown` lets the customer see the
        text as it comes. Raises Denied where policy forbids the model, ModelError where it gives no reply, and Invalid
        (`model_missing`).
        """
        chosen = model or self._model
        if chosen is None:
            step = "Give the agent one with `model=`, or name it here."
            raise Invalid("No model is given to ask.", code="model_missing", next_step=step)
        return await self._passage.reply(chosen, _request(asked, system, tools), shown=shown)

    async def call(self, tool: Tool | str, /, **arguments: Any) -> Any:
        """The result of a call, as JSON has it. It passes policy, and happens once however often the function is run.

        Several at once with `asyncio.gather`. Raises CallFailed for one that was denied, failed, timed out, was
        cancelled, or of which nobody knows whether it happened.
        """
        name = ToolName(tool) if isinstance(tool, str) else tool.spec.name
        result = await self._passage.call(CallRequest(name, pydantic_core.to_json(_sorted(arguments))))
        if result.outcome != "ok":
            raise CallFailed(result)
        return msgspec.json.decode(result.data or b"null")

    async def ask(self, question: str, *, choices: Sequence[str] = (), expires_s: float | None = None) -> str:
        """What the customer answers: their words, or one of `choices`. Raises Unanswered after `expires_s` seconds."""
        schema: Mapping[str, Any] = {"enum": list(choices)} if choices else {}
        wait = WaitRequest("clarification", question, expires_s=expires_s, answer_schema=schema)
        answer = await self._passage.answer(wait)
        if answer.outcome != "answered":
            raise Unanswered("Nobody answered the question in time.")
        return answer_text(answer.body)

    async def approval(
        self,
        *,
        operator: Mapping[str, Any],
        may_answer: Sequence[str] = ("operator",),
        public_text: str = "",
        expires_s: float | None = None,
    ) -> Ruling:
        """Whether somebody else agrees: those who hold one of the roles `may_answer`, who are shown `operator`.

        The customer is told `public_text` meanwhile. The outcome is `expired` after `expires_s` seconds.
        """
        wait = WaitRequest("approval", public_text, tuple(may_answer), expires_s, operator=operator)
        answer = await self._passage.answer(wait)
        body = msgspec.json.decode(answer.body or b"{}", type=dict[str, Any])
        return Ruling(answer.outcome, str(body.get("note", "")))

    def say(self, text: str) -> None:
        """Tells the customer this meanwhile, once. It is sent with the next plan."""
        self._passage.say(text)

    @property
    def has_said(self) -> bool:
        """Whether it told the customer anything meanwhile."""
        return self._passage.has_said

    def now(self) -> datetime:
        """The time in UTC, the same whenever the function is run again."""
        return datetime.fromtimestamp(self._passage.time_us() / 1e6, UTC)

    def uuid(self) -> UUID:
        """A UUID of version 4 that nothing else has."""
        return UUID(int=self.random.getrandbits(128), version=4)


def _request(
    asked: str | Sequence[ModelMessage] | ModelRequest, system: str, tools: Sequence[Tool | ToolSpec]
) -> ModelRequest:
    if isinstance(asked, ModelRequest):
        return asked
    messages = (ModelMessage("user", asked),) if isinstance(asked, str) else tuple(asked)
    return ModelRequest(system, messages, tuple(each if isinstance(each, ToolSpec) else each.spec for each in tools))


def _sorted(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: arguments[name] for name in sorted(arguments)}
