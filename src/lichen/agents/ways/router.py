"""A small model for what it can do, a large one for the rest: rules say who is asked first, and how sure is enough."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

import msgspec

from lichen.agents import document
from lichen.agents.models.model import resolve
from lichen.agents.ways.chain import goes_elsewhere
from lichen.agents.ways.confidence import ASKED, evident, stated
from lichen.core.patterns.pattern import PatternError, compiled
from lichen.core.ports.model import (
    Delta,
    Deltas,
    Model,
    ModelError,
    ModelHandle,
    ModelReply,
    ModelRequest,
    unasked,
)
from lichen.core.words.errors import Denied, Invalid
from lichen.tools.miscalled import refuses_misuse

THRESHOLD: Final = 0.85
READ_CHARS_MAX: Final = 8_000  # of the newest message, by the routes
Size = Literal["small", "large"]
Confidence = Callable[[ModelRequest, ModelReply], float]
"""How sure a reply of the small model is, from 0 to 1."""


class Route(msgspec.Struct, frozen=True):
    """Who is asked first, for requests that all of this holds for: one of `words` stands in the newest message of the
    user, `pattern` is found in it, it has at least `chars_min` characters, and one of `tools` may be called.
    """

    use: Size
    words: tuple[str, ...] = ()
    pattern: str = ""
    chars_min: int = 0
    tools: tuple[str, ...] = ()


class Routes:
    """Routes that are ready to be used. Raises Invalid (`planner_invalid`) for a pattern that cannot be."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.each = tuple((route, _pattern(route, i)) for i, route in enumerate(routes))

    def first(self, text: str, tools: Collection[str] = ()) -> Size:
        """Which of the two is asked first, for these words and tools."""
        for route, pattern in self.each:
            if _is_meant(route, pattern, text, tools):
                return route.use
        return "small"


class Router:
    """`Router("openai:gpt-5-mini", "openai:gpt-5", routes=[Route("large", words=("invoice",))])`: a model that is two.

    The first route that fits says which of them is asked; where none does it is the small one. A reply of the small one
    of which `confidence` is below `threshold` is dropped, and the large one is asked: also where the small one fails or
    policy forbids it. `is_asked`: the small one is asked to say itself how sure it is, and the lower figure counts.
    Nothing of a reply that may be dropped is shown while it comes. Both are asked through the gate under their own
    names and billed apart. Raises Invalid (`planner_invalid`, and what `resolve` raises).
    """

    @refuses_misuse("Router", "planner_invalid")
    def __init__(
        self,
        small: Model | str,
        large: Model | str,
        *,
        routes: Sequence[Route] = (),
        confidence: Confidence = evident,
        threshold: float = THRESHOLD,
        is_asked: bool = False,
    ) -> None:
        if not 0.0 <= threshold <= 1.0:
            raise Invalid("A threshold is from 0 to 1.", code="planner_invalid")
        self._small, self._large = (resolve(m) if isinstance(m, str) else m for m in (small, large))
        self._routes = Routes(routes)
        self._confidence, self._threshold, self._is_asked = confidence, threshold, is_asked

    @property
    def name(self) -> str:
        """The names of both, with the digest of the rules between them."""
        by = getattr(self._confidence, "__qualname__", type(self._confidence).__qualname__)
        parts = ([route for route, _ in self._routes.each], self._threshold, self._is_asked, by)
        return f"{self._small.name} >{document.digest('router/1', parts)[:8]}> {self._large.name}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of both, the small one first."""
        return (self._small.name, self._large.name)

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """Raises ModelError (`model_unasked`): policy has to be asked about each of them."""
        raise unasked(self.name)

    async def ask(self, handle: ModelHandle, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """The small one's reply if it is sure enough, else the large one's. Raises Denied, and ModelError."""
        began_s = asyncio.get_running_loop().time()
        if self.first(request) == "small":
            reply = await self._sure(handle, request)
            if reply is not None:
                _show(reply, deltas)
                return reply
        left_s = request.time_s - (asyncio.get_running_loop().time() - began_s)
        return await handle(self._large, msgspec.structs.replace(request, time_s=max(0.0, left_s)), deltas)

    def first(self, request: ModelRequest) -> Size:
        """Which of them is asked first."""
        newest = next((m.text for m in reversed(request.messages) if m.role == "user"), "")
        return self._routes.first(newest, {str(tool.name) for tool in request.tools})

    async def _sure(self, handle: ModelHandle, request: ModelRequest) -> ModelReply | None:
        """The small one's reply, None if it gives none or is not sure enough."""
        asked = msgspec.structs.replace(request, time_s=request.time_s / 2, is_patient=False)
        if self._is_asked and request.output_schema is None:
            asked = msgspec.structs.replace(asked, system=f"{request.system}\n\n{ASKED}")
        try:
            reply = await handle(self._small, asked, None)
        except (ModelError, Denied) as error:
            if not goes_elsewhere(error):
                raise
            return None
        said, sure = stated(reply) if self._is_asked else (reply, None)
        if sure is None and self._is_asked and not reply.calls and request.output_schema is None:
            sure = 0.0  # it was asked, and did not even say that
        least = min(self._confidence(request, said), 1.0 if sure is None else sure)
        return said if least >= self._threshold else None


def _pattern(route: Route, number: int) -> re.Pattern[str] | None:
    try:
        return compiled(route.pattern) if route.pattern else None
    except PatternError as error:
        raise Invalid(f"{error}.", code="planner_invalid", place=f"/routes/{number}/pattern") from None


def _is_meant(route: Route, pattern: re.Pattern[str] | None, newest: str, tools: Collection[str]) -> bool:
    text = newest[:READ_CHARS_MAX]
    said = set(re.findall(r"\w+", text.casefold()))
    return (
        (not route.words or any(word.casefold() in said for word in route.words))
        and (pattern is None or pattern.search(text) is not None)
        and len(newest) >= route.chars_min
        and (not route.tools or not set(tools).isdisjoint(route.tools))
    )


def _show(reply: ModelReply, deltas: Deltas | None) -> None:
    if deltas is not None and reply.text:
        deltas(Delta(reply.text))
