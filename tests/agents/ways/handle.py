"""A handle as a planner has one: it forbids what a test says, and notes who was asked for what."""

from __future__ import annotations

from collections.abc import Collection

from lichen.core.ports.model import Choice, Deltas, Model, ModelError, ModelReply, ModelRequest
from lichen.core.words.errors import Denied


class Handle:
    """Asks models, unless they are forbidden."""

    def __init__(self, *, forbidden: Collection[str] = ()) -> None:
        self._forbidden = forbidden
        self.asked: list[tuple[str, ModelRequest]] = []
        self.outcomes: list[str] = []

    async def __call__(self, model: Model, request: ModelRequest, deltas: Deltas | None = None, /) -> ModelReply:
        if isinstance(model, Choice):
            return await model.ask(self, request, deltas)
        if model.name in self._forbidden:
            self.outcomes.append("denied")
            raise Denied("Not this one.", code="model_denied")
        self.asked.append((model.name, request))
        try:
            reply = await model.generate(request, deltas)
        except ModelError as error:
            self.outcomes.append(error.code)
            raise
        self.outcomes.append("ok")
        return reply

    @property
    def names(self) -> list[str]:
        """Who was asked, in order."""
        return [name for name, _ in self.asked]
