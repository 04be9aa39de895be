"""Words of Pydantic AI's own models as they come."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from pydantic_ai.messages import ModelResponse, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.wrapper import WrapperModel

from lichen.core.ports.model import Delta, Deltas


def is_words(parameters: ModelRequestParameters) -> bool:
    """Whether what the model says is the answer as words, and not a value of the agent's output type."""
    return parameters.output_mode == "text" and parameters.allow_text_output


def streams(model: Model) -> bool:
    """Whether a model can."""
    while isinstance(model, WrapperModel):
        model = model.wrapped
    if isinstance(model, FunctionModel):
        return model.stream_function is not None
    return type(model).request_stream is not Model.request_stream


async def whole(streamed: AbstractAsyncContextManager[StreamedResponse], deltas: Deltas) -> ModelResponse:
    """The response that comes; its words go to `deltas`."""
    async with streamed as events:
        async for event in events:
            text = ""
            if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                text = event.part.content
            elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                text = event.delta.content_delta
            if text:
                deltas(Delta(text))
        return events.get()
