"""What the code asks for and was never told: the next plan is made of it."""

from __future__ import annotations

import asyncio
from typing import Any

from lichen.agents.replay.entries import Outline
from lichen.core.ports.model import Model, ModelReply, ModelRequest
from lichen.core.ports.plan import CallRequest, WaitRequest

Key = tuple[str | bytes | int, ...]


class Wanted:
    """One thing that is asked for. `told` says what, with contents, for operators; `kind` says it without."""

    def __init__(self, key: Key, kind: str, told: str, *, outline: Outline | None = None) -> None:
        self.key = key
        self.kind = kind
        self.told = told
        self.outline = outline
        self.asker = asyncio.current_task()
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class WantedReply(Wanted):
    """A request to a model. `shown` is whether pieces of the reply may be seen as they come."""

    def __init__(self, outline: Outline, told: str, model: Model, request: ModelRequest, *, shown: bool) -> None:
        super().__init__(outline.key, f"a request to {outline.model}", told, outline=outline)
        self.model = model
        self.request = request
        self.shown = shown
        self.future: asyncio.Future[ModelReply]
        self.asked = outline


class WantedCall(Wanted):
    """A call."""

    def __init__(self, key: Key, told: str, call: CallRequest) -> None:
        super().__init__(key, f"a call of {call.tool}", told)
        self.call = call


class WantedAnswer(Wanted):
    """A question."""

    def __init__(self, key: Key, told: str, question: WaitRequest) -> None:
        super().__init__(key, "a question", told)
        self.question = question
