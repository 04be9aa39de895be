"""A request as one model gets it: words for the files that it does not take, and room to think where it thinks."""

from __future__ import annotations

import msgspec

from lichen.core.ports.model import Choosy, Media, Model, ModelMessage, ModelRequest, Thinker
from lichen.core.speech.attached import unshown


def shown_to(model: Model, request: ModelRequest) -> ModelRequest:
    """The request as it is sent to this model, and kept beside its plan."""
    request = _roomy(model, request)
    if not isinstance(model, Choosy) or all(model.takes(each) for said in request.messages for each in said.media):
        return request
    return msgspec.structs.replace(request, messages=tuple([_shown(model, each) for each in request.messages]))


def _roomy(model: Model, request: ModelRequest) -> ModelRequest:
    """The request with as many tokens as this model may take; budgets lower that afterwards."""
    thinks = request.thinking is not None or (isinstance(model, Thinker) and model.thinks)
    more = request.thinking_tokens if thinks else 0
    return msgspec.structs.replace(request, max_tokens=request.max_tokens + more, thinking_tokens=0)


def _shown(model: Choosy, message: ModelMessage) -> ModelMessage:
    taken = tuple([each for each in message.media if model.takes(each)])
    if len(taken) == len(message.media):
        return message
    words = [_named(each) for each in message.media if not model.takes(each)]
    return msgspec.structs.replace(message, text="\n".join([message.text, *words]).strip(), media=taken)


def _named(media: Media) -> str:
    return unshown(media.name, media.media_type, media.size_bytes)
