"""Models and planners of tests about what asking a model costs: each reply comes when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lichen.core.ports.model import Connections, Deltas, Model, ModelError, ModelMessage, ModelReply, ModelRequest
from lichen.core.ports.plan import Plan, PlanInput
from lichen.core.words.limits import Usage
from lichen.core.words.scope import Scope


class Slow:
    """Answers once `open` is set, with what it is given to use of what was reserved."""

    def __init__(self, *usages: Usage | ModelError, name: str = "slow:") -> None:
        self.name = name
        self.requests: list[ModelRequest] = []
        self.open = asyncio.Event()
        self._usages = list(usages)

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """A reply that uses what was said, or nothing that anybody told."""
        self.requests.append(request)
        await self.open.wait()
        usage = self._usages.pop(0) if self._usages else Usage()
        if isinstance(usage, ModelError):
            raise usage
        return ModelReply("Here you are.", usage=usage, model=self.name)


class Far(Slow):
    """One that is reached over a network."""

    def over(self, connections: Connections, scope: Scope) -> Model:
        """The same, for everybody."""
        return self


class Asks:
    """A planner that asks its models in turn, each with so many tokens for its reply, and says the last reply."""

    pure = False
    digest = "asks"
    shows = False  # what comes, as it comes

    def __init__(self, *models: Model, max_tokens: int = 100, text: str = "x" * 30, says: Sequence[str] = ()) -> None:
        self._models, self._max_tokens, self._text = models, max_tokens, text

    async def plan(self, input: PlanInput) -> Plan:
        """Its last reply."""
        reply = ModelReply("")
        for model in self._models:
            messages = (ModelMessage("user", self._text),)
            request = ModelRequest("Be kind.", messages, max_tokens=self._max_tokens)
            reply = await input.model(model, request, input.deltas if self.shows else None)
        return Plan(answer=reply.text)


class AsksAtOnce(Asks):
    """Asks all of its models at once."""

    async def plan(self, input: PlanInput) -> Plan:
        """All replies."""
        request = ModelRequest("Be kind.", (ModelMessage("user", self._text),), max_tokens=self._max_tokens)
        replies = await asyncio.gather(*(input.model(model, request) for model in self._models))
        return Plan(answer=" ".join(reply.text for reply in replies))


class Rates:
    """So many millionths of a US dollar for each token read and written; some models have no price."""

    def __init__(self, read: int = 1, written: int = 2, *, unpriced: Sequence[str] = ()) -> None:
        self._read, self._written, self._unpriced = read, written, unpriced

    def cost(self, model: str, usage: Usage) -> int | None:
        """The price."""
        if model in self._unpriced:
            return None
        return usage.input_tokens * self._read + usage.output_tokens * self._written
