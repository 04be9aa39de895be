"""A planner that asks a language model what to do next."""

from __future__ import annotations

import msgspec

from lichen.agents import document
from lichen.agents.llm.transcript import Opening, transcript
from lichen.agents.models.model import resolve
from lichen.core.ports.model import Model, ModelError, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import CallRequest, Message, Plan, PlanInput, PlannerKind
from lichen.core.words.errors import Invalid

INSTRUCTIONS = "Help the customer. Use the tools for facts and actions; never claim a result that no tool gave."
_CUT_OFF = "I had to stop before this was done. Please try again later."
_OPENING = msgspec.json.Decoder(Opening)


class LLMPlanner:
    """Gives the model the conversation and the agent's tools; its tool calls are the plan, its words the answer.

    `model`: a Model, or a name such as `openai:gpt-5` (see `model.resolve`). `max_tokens`: of one reply.
    `history_turns`: how many earlier turns of the session the model sees. Raises Invalid (`model_unknown`,
    `planner_invalid`).
    """

    def __init__(
        self,
        model: Model | str,
        *,
        instructions: str = INSTRUCTIONS,
        max_tokens: int = 1024,
        history_turns: int = 20,
    ) -> None:
        if max_tokens < 1 or history_turns < 0:
            message = "A reply needs at least one token, and turns cannot be negative."
            raise Invalid(message, code="planner_invalid")
        self._model = resolve(model) if isinstance(model, str) else model
        self._instructions = instructions
        self._max_tokens = max_tokens
        self._history_turns = history_turns
        parts = (self._model.name, instructions, max_tokens, history_turns)
        self._digest = document.digest("llm/1", parts)

    @property
    def kind(self) -> PlannerKind:
        """`llm`: a language model decides."""
        return "llm"

    @property
    def pure(self) -> bool:
        """False: a model may answer differently every time."""
        return False

    @property
    def digest(self) -> str:
        """Identifies model, instructions and bounds."""
        return self._digest

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models it asks, the first choice first."""
        return (self._model.name,)

    async def plan(self, input: PlanInput) -> Plan:
        """The model's calls, or its answer. When the run finalizes there are no tools, and always an answer.

        A tool the model made up is passed on: the run records it as unavailable and the model reads that. Raises
        Denied when policy forbids the model, and ModelError, also for an empty reply (`reply_empty`, retryable).
        """
        opening, state = _opening(input)
        history = await input.history()
        messages = transcript(history, opening, input, self._history_turns)
        reply = await input.model(self._model, self._request(messages, input), input.deltas)
        return _last(reply) if input.reason == "finalize" else _next(reply, state)

    def _request(self, messages: tuple[ModelMessage, ...], input: PlanInput) -> ModelRequest:
        if input.reason == "finalize":
            note = ModelMessage("system", _final_note(input.limit))
            return ModelRequest(self._instructions, (*messages, note), max_tokens=self._max_tokens)
        max_tokens = max(1, min(self._max_tokens, input.left.tokens))
        return ModelRequest(self._instructions, messages, input.tools, max_tokens=max_tokens)


def _opening(input: PlanInput) -> tuple[tuple[Message, ...], bytes]:
    """The messages the run started with, and the state that keeps them: written once, by the first plan."""
    if input.state:
        return _OPENING.decode(input.state).messages, b""
    opening = input.input if input.reason == "start" else ()
    return opening, msgspec.json.encode(Opening(opening)) if opening else b""


def _final_note(limit: str | None) -> str:
    reached = f"The limit of this run was reached: {limit}." if limit else "This run has to end."
    return f"{reached} Answer the customer now with what is known, and say what is not done. You cannot call tools."


def _next(reply: ModelReply, state: bytes) -> Plan:
    if reply.calls:
        calls = tuple(CallRequest(call.tool, call.args or b"{}") for call in reply.calls)
        return Plan(calls=calls, says=(reply.text,) if reply.text.strip() else (), state=state)
    if not reply.text.strip():
        # No usage: the handle has billed the reply already.
        raise ModelError("The model gave an empty reply.", code="reply_empty", retryable=True)
    return Plan(answer=reply.text)


def _last(reply: ModelReply) -> Plan:
    """An answer whatever came: calls are dropped, for there is nothing left to make them with."""
    return Plan(answer=reply.text if reply.text.strip() else _CUT_OFF)
