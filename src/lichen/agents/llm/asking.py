"""One question to a model, and the same once more where the reply says nothing."""

from __future__ import annotations

from typing import Final

import msgspec

from lichen.core.ports.model import HELD, Model, ModelError, ModelMessage, ModelReply, ModelRequest, ToolChoice
from lichen.core.ports.plan import PlanInput
from lichen.core.words.errors import Denied
from lichen.core.words.ids import ToolName

ANSWER_TOKENS: Final = 1024  # of a reply where nobody says how many
THINKING_TOKENS: Final = 15 * 1024  # beside these, for a model that thinks
_CUT: Final = ModelMessage(
    "system",
    "Your last message reached its length in the middle. Go on exactly where it stopped, and repeat nothing of it.",
)
_EMPTY: Final = ModelMessage("system", "Your last reply was empty. Answer the customer, or call a tool.")


async def ask(model: Model, request: ModelRequest, input: PlanInput) -> ModelReply:
    """A reply that calls or says something: an empty one is asked for once more, with a word about it.

    Raises Denied, and ModelError: `reply_empty` for the second empty one, which another attempt may mend, and
    `reply_cut` for one that ended at its length before it said anything, which the same request would do again.
    """
    reply = await input.model(model, request, input.deltas)
    _check_not_cut(reply, request)
    if is_cut(reply):
        return await _gone_on(model, request, reply, input)
    if not is_empty(reply):
        return reply
    again = msgspec.structs.replace(request, messages=(*request.messages, _EMPTY))
    reply = await input.model(model, again, input.deltas)
    _check_not_cut(reply, request)
    if is_empty(reply):
        # No usage: the handle has billed the replies already.
        raise ModelError("The model gave two empty replies.", code="reply_empty", retryable=True)
    return reply


def is_empty(reply: ModelReply) -> bool:
    """Whether a reply neither calls nor says anything."""
    return not reply.calls and not reply.text.strip()


def is_cut(reply: ModelReply) -> bool:
    """Whether words for the customer ended at their length, and not where the model would end."""
    return reply.finish == "length" and not reply.calls and not is_empty(reply)


async def _gone_on(model: Model, request: ModelRequest, reply: ModelReply, input: PlanInput) -> ModelReply:
    """The reply with what the model says further, asked once; as it is where there is none, such as for budgets."""
    said = ModelMessage("assistant", reply.text, blocks=reply.blocks)
    again = msgspec.structs.replace(request, messages=(*request.messages, said, _CUT), tool_choice="none")
    try:
        rest = await input.model(model, again, input.deltas)
    except (Denied, ModelError) as error:
        if isinstance(error, ModelError) and error.code == HELD:  # a person has to agree first
            raise
        return reply
    if rest.calls:
        return reply
    return msgspec.structs.replace(reply, text=reply.text + rest.text, finish=rest.finish, blocks=b"")


def _check_not_cut(reply: ModelReply, request: ModelRequest) -> None:
    """Raises ModelError for a reply of which the cut left nothing of use: no word, or half a value of a type."""
    if reply.finish == "length" and not reply.calls and (is_empty(reply) or request.output_schema is not None):
        message = (
            f"{reply.model or 'The model'} reached the length of a reply before it said anything whole. Raise "
            "max_tokens of its LLMPlanner, or under [llm] of its agent's file: what it thinks counts in. "
            "Budgets lower it as well."
        )
        raise ModelError(message, code="reply_cut", retryable=False)


def first_choice(wanted: ToolChoice | ToolName, input: PlanInput) -> ToolChoice | ToolName:
    """The tool choice of a request: what is wanted holds for the run's first plan, and where there is such a tool."""
    if wanted == "auto" or input.run.step > 0 or not input.tools:
        return "auto"
    is_there = wanted in ("none", "required") or any(tool.name == wanted for tool in input.tools)
    return wanted if is_there else "auto"
