"""A planner that asks a language model what to do next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from lichen.agents import document
from lichen.agents.llm import instructions as words
from lichen.agents.llm.asking import ANSWER_TOKENS, THINKING_TOKENS, ask, first_choice, is_cut
from lichen.agents.llm.compress import Compress, done_so_far
from lichen.agents.llm.compress import told as summed_up
from lichen.agents.llm.instructions import INSTRUCTIONS, Instructions
from lichen.agents.llm.media import opened, recalled
from lichen.agents.llm.reminders import EXPLANATION, Reminder, checked, due, reminded, stable
from lichen.agents.llm.transcript import Opening, conversation
from lichen.agents.llm.typed import answered, asked_for
from lichen.agents.llm.window import Conversation, Messages, kept_until, windowed
from lichen.agents.ways.chain import several
from lichen.core.ports.call import ToolSpec
from lichen.core.ports.model import Choice, Effort, Model, ModelMessage, ModelReply, ModelRequest, ToolChoice
from lichen.core.ports.plan import CallRequest, History, Message, Plan, PlanInput, PlannerKind
from lichen.core.speech.saying import FORMATS, Format, Saying, text_of
from lichen.core.speech.wording import cut_off
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import ToolName
from lichen.tools.miscalled import refuses_misuse
from lichen.tools.spec import written_at

REMINDERS_AT_ONCE = 8
TEMPERATURE_MAX = 2
_OPENING = msgspec.json.Decoder(Opening)


class Manner(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a model is asked, beside what it is told: what LLMPlanner takes under the same names."""

    history_tokens: int | None = None
    history_media: int = 0
    reminders: tuple[Reminder, ...] = ()
    reminders_at_once: int = REMINDERS_AT_ONCE
    keep: bool = False
    tool_choice: str = "auto"
    parallel_calls: bool = True
    answer_after: tuple[str, ...] = ()
    temperature: float | None = None
    thinking: Effort | None = None
    answer_format: Format = "plain"


class LLMPlanner:
    """Gives the model the conversation and the agent's tools; its tool calls are the plan, its words the answer.

    `model`: a Model, a name such as `openai:gpt-5` (see `model.resolve`), or several of them, of which the first that
    can answer does (`Chain`; a `Router` asks a small one first). `instructions`: words, a Prompt, or a function of the
    run's facts. `max_tokens`: of one reply, what the model thinks included; where it is not said 1024, and 16384 for a
    model that thinks. `history_turns`: how many earlier turns of the session the model sees,
    `history_tokens` how much of these and of the run's own steps, about, `history_media` how many pictures, documents
    and sounds of earlier turns, the newest. `reminders`: what it is told beside,
    `reminders_at_once` of them at most but every one for safety. `keep` lets the provider keep what requests have in
    common. `tool_choice` is that of a run's first request, `parallel_calls` lets one reply make several calls.
    Once calls of tools named in `answer_after` alone were made and came out well, the model is asked to answer without
    any tool. `compress` has earlier turns and steps summed up. What the model says is of `answer_format`: words as they
    are, or CommonMark, which every channel shows in its own markup. Raises Invalid (`model_unknown`,
    `planner_invalid`).
    """

    kind: PlannerKind = "llm"
    pure: bool = False  # a model may answer differently every time

    @refuses_misuse("LLMPlanner", "planner_invalid")
    def __init__(
        self,
        model: Model | str | Sequence[Model | str],
        *,
        instructions: Instructions = INSTRUCTIONS,
        max_tokens: int | None = None,
        history_turns: int = 20,
        history_tokens: int | None = None,
        history_media: int = 0,
        reminders: Iterable[Reminder] = (),
        reminders_at_once: int = REMINDERS_AT_ONCE,
        keep: bool = False,
        tool_choice: ToolChoice | str = "auto",
        parallel_calls: bool = True,
        answer_after: Collection[str] = (),
        temperature: float | None = None,
        thinking: Effort | None = None,
        compress: Compress | None = None,
        answer_format: Format = "plain",
    ) -> None:
        if (
            min(1 if each is None else each for each in (max_tokens, history_tokens)) < 1
            or min(history_turns, history_media) < 0
        ):
            message = "A reply and a history need at least one token, and turns cannot be negative."
            raise Invalid(message, code="planner_invalid", place=written_at())
        _check(instructions, temperature, answer_format)
        self._model = several(model)
        self._instructions = instructions
        self._compress = compress
        self._max_tokens = ANSWER_TOKENS if max_tokens is None else max_tokens
        self._thinking_tokens = THINKING_TOKENS if max_tokens is None else 0
        self._history_turns = history_turns
        self._manner = Manner(
            history_tokens=history_tokens,
            history_media=history_media,
            reminders=checked(reminders),
            reminders_at_once=reminders_at_once,
            keep=keep,
            tool_choice=tool_choice,
            parallel_calls=parallel_calls,
            answer_after=tuple(sorted(set(answer_after))),
            temperature=temperature,
            thinking=thinking,
            answer_format=answer_format,
        )
        parts = (self._model.name, words.identity(instructions), self._max_tokens, history_turns)
        more = msgspec.to_builtins(self._manner)
        if compress is not None:
            more["compress"] = list(compress.identity)
        self.digest = document.digest("llm/1", (*parts, more) if more else parts)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models it asks, the first choice first."""
        return self._model.names if isinstance(self._model, Choice) else (self._model.name,)

    async def plan(self, input: PlanInput) -> Plan:
        """The model's calls, or its answer. When the run finalizes there are no tools, and always an answer.

        A tool the model made up is passed on: the run records it as unavailable and the model reads that. An answer
        that has to be of a type and is not is corrected once, then the run fails (`answer_invalid`). Raises
        Denied when policy forbids the model, and ModelError, also for replies that stay empty (`reply_empty`,
        retryable) and for one that was cut before it said anything (`reply_cut`). An
        answer that is cut later is gone on with once, and ends with an ellipsis where it is cut then.
        """
        told = await words.told(self._instructions, input)
        plan = self._formatted(await self._told(told.text, input))
        return msgspec.structs.replace(plan, prompts=(told.prompt,)) if told.prompt else plan

    async def _told(self, instructions: str, input: PlanInput) -> Plan:
        opening, state = _opening(input)
        history = await input.history()
        whole = conversation(history, opening, input)
        whole = whole._replace(
            turns=recalled(whole.turns, self._manner.history_media),
            before=summed_up(history.summary),
            done=done_so_far(history.done),
        )
        input = _counted(input, history)
        if self._compress is not None and input.reason != "finalize":
            summary = await self._compress.summary(whole, history, input)
            if summary is not None:  # it is in the log before anything is made of it
                return Plan(summary=summary, state=state)
        fitting = windowed(whole, turns=self._history_turns, tokens=self._manner.history_tokens)
        request, kind = self._request(instructions, fitting, input), input.answer_type
        if kind is not None:
            request = asked_for(kind, request)
        request = await opened(request, input.file)
        is_last = input.reason == "finalize"
        reply = await (input.model(self._model, request, input.deltas) if is_last else ask(self._model, request, input))
        if reply.calls and not is_last:
            return self._calling(reply, state, input.tools, is_silent=kind is not None)
        if kind is not None:
            return await answered(kind, reply, request, lambda again: input.model(self._model, again))
        if is_cut(reply):  # the run's story names it `reply_cut`, by the request's `finish`
            return Plan(answer=f"{reply.text.rstrip()}…")
        return Plan(answer=reply.text if reply.text.strip() else cut_off(input.run.language))

    def _formatted(self, plan: Plan) -> Plan:
        """The plan with what the model said in words as what it is; an answer of a type is no text with markup."""
        style = self._manner.answer_format
        if style == "plain" or not (plan.says or plan.answer):
            return plan
        says = tuple([Saying(text_of(each), format=style) for each in plan.says])
        is_text = bool(plan.answer) and not plan.value
        answer = Saying(text_of(plan.answer), format=style) if is_text else plan.answer
        return msgspec.structs.replace(plan, says=says, answer=answer)

    def _request(self, instructions: str, fitting: Conversation, input: PlanInput) -> ModelRequest:
        """The request of this plan."""
        manner = self._manner
        request = ModelRequest(
            f"{instructions}\n\n{EXPLANATION}" if manner.reminders else instructions,
            self._messages(fitting, input),
            max_tokens=self._max_tokens,
            temperature=manner.temperature,
            thinking=manner.thinking,
            keep=manner.keep,
            time_s=max(1.0, input.left.time_s),
            parallel=manner.parallel_calls,
            thinking_tokens=self._thinking_tokens,
        )
        if input.reason == "finalize":
            return request
        max_tokens = max(1, min(request.max_tokens, input.left.tokens))
        choice = first_choice(ToolName(manner.tool_choice), input)
        return msgspec.structs.replace(request, tools=input.tools, max_tokens=max_tokens, tool_choice=choice)

    def _messages(self, fitting: Conversation, input: PlanInput) -> Messages:
        """What the model reads: the conversation, the reminders that are due, and that it has to end."""
        manner, messages = self._manner, fitting.messages
        if manner.keep:
            messages = kept_until(fitting, stable(messages, manner.reminders))
        messages = reminded(messages, due(manner.reminders, input.run.step, most=manner.reminders_at_once))
        if input.reason == "finalize":
            return (*messages, ModelMessage("system", _final_note(input.limit)))
        return messages

    def _calling(self, reply: ModelReply, state: bytes, tools: Sequence[ToolSpec], *, is_silent: bool) -> Plan:
        """The calls of a reply. Where an answer has a type, what is said beside them is none for the customer."""
        made = reply.calls if self._manner.parallel_calls else reply.calls[:1]
        calls = tuple(CallRequest(call.tool, call.args or b"{}") for call in made)
        blocks = reply.blocks if len(made) == len(reply.calls) else b""  # they are of exactly these calls
        says = (reply.text,) if reply.text.strip() and not is_silent else ()
        beside = {tool.name for tool in tools if tool.role == "bookkeeping"}
        if says and all(call.tool in beside for call in calls):  # what was said is the answer, the calls keep the books
            return Plan(calls=calls, answer=reply.text, state=state, blocks=blocks)
        synthesize = all(call.tool in self._manner.answer_after for call in calls)
        return Plan(calls=calls, says=says, state=state, blocks=blocks, synthesize=synthesize)


def _counted(input: PlanInput, history: History) -> PlanInput:
    """The input with the number of the plan among those that said or called something, as a summary does not."""
    sums = sum(not (step.calls or step.says or step.answers) for step in history.steps)
    run = msgspec.structs.replace(input.run, step=max(0, input.run.step - sums)) if sums else input.run
    return msgspec.structs.replace(input, run=run) if sums else input


def _check(instructions: object, temperature: float | None, answer_format: str) -> None:
    """Raises Invalid (`planner_invalid`)."""
    if answer_format not in FORMATS:
        step = f"Say one of: {', '.join(FORMATS)}."
        raise Invalid("There is no such format.", code="planner_invalid", next_step=step, place=written_at())
    if not isinstance(instructions, str | words.Prompt) and not callable(instructions):
        message, step = f"Instructions are no {type(instructions).__name__}.", "Pass a str, a Prompt, or a function."
        raise Invalid(message, code="planner_invalid", next_step=step, place=written_at())
    is_number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    if temperature is not None and not (is_number and 0 <= temperature <= TEMPERATURE_MAX):
        step = f"Say a number from 0 to {TEMPERATURE_MAX}, or leave it out."
        raise Invalid(
            f"There is no temperature {temperature!r}.", code="planner_invalid", next_step=step, place=written_at()
        )


def _opening(input: PlanInput) -> tuple[tuple[Message, ...], bytes]:
    """The messages the run started with, and the state that keeps them: written once, by the first plan."""
    if input.state:
        return _OPENING.decode(input.state).messages, b""
    opening = input.input if input.reason == "start" else ()
    return opening, msgspec.json.encode(Opening(opening)) if opening else b""


def _final_note(limit: str | None) -> str:
    reached = f"The limit of this run was reached: {limit}." if limit else "This run has to end."
    return f"{reached} Answer the customer now with what is known, and say what is not done. You cannot call tools."
