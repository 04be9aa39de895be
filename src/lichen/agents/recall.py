"""`session.recall` and `person.recall`: how a model looks back on what happened, through the gate like any call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, Field

from lichen.core.memory.events import EVENTS_MAX, RECALLS, MemoryEvent, MemoryScope, MemoryType, Recall
from lichen.core.ports.call import Arguments, CallMeta, CannotTell, NotDone, Probe, Produced, Resources, ToolSpec
from lichen.core.words.errors import Denied
from lichen.tools.arguments.codec import ArgumentCodec, ResultCodec
from lichen.tools.spec import pinned

if TYPE_CHECKING:
    from lichen.engine.brief.memory import Memories

EVENT_CHARS_MAX: Final = 2_000  # of one event as a model reads it

_SAYS: Final[dict[MemoryScope, str]] = {
    "session": "Looks back on this conversation: what was said, and what you called and were told, the newest first.",
    "person": "Looks back on all conversations you had with this person: what was said, called and told, newest first.",
}


class Looking(BaseModel):
    """What to look for."""

    types: Annotated[
        list[MemoryType],
        Field(max_length=6, description="message, plan, call, result, wait or answer; none for all of them."),
    ] = []
    containing: Annotated[str, Field(max_length=200, description="Words that must occur.")] = ""
    since: Annotated[datetime | None, Field(description="Nothing older than this moment (ISO 8601).")] = None
    limit: Annotated[int, Field(ge=1, le=EVENTS_MAX)] = 20


class Past(BaseModel):
    """One event. `text` is what it says: words, or of calls and results JSON."""

    type: MemoryType
    at: str
    by: Literal["", "customer", "agent", "operator", "service"] = ""
    tool: str = ""
    outcome: str = ""
    text: str = ""
    cut: int = 0


class Remembered(BaseModel):
    """The events, the newest first; `more` says that there are others."""

    events: list[Past]
    more: bool


class RecallTool:
    """One of the two tools. It gives no more than its agent was declared with; a runtime binds it to its logs, and
    before that it cannot be called."""

    def __init__(self, of: MemoryScope, terms: Recall, memories: Memories | None = None) -> None:
        self._of: MemoryScope = of
        self._terms, self._memories = terms, memories
        self._arguments = ArgumentCodec(Looking)
        self.spec = pinned(
            ToolSpec(
                name=RECALLS[of],
                description=_SAYS[of],
                effects="none",
                input_schema=self._arguments.schema,
                output_schema=ResultCodec(Remembered).schema,
                origin="memory",
                cost=0,
            )
        )

    def bound(self, resources: Resources) -> RecallTool:
        """A copy that works on the runtime's logs."""
        from lichen.engine.brief.memory import Memories  # whoever declares an agent needs no engine

        return RecallTool(self._of, self._terms, resources.get(Memories))

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments. Raises InvalidArguments."""
        return self._arguments.decode(args)

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """`{}`: policy decides on the arguments and on who asks."""
        return b"{}"

    async def execute(self, args: Arguments, meta: CallMeta) -> Produced:
        """The events, with the label of all that they say. Raises NotDone (`memory_denied`)."""
        from lichen.engine.brief.lookback import Wanted

        assert self._memories is not None, "a runtime binds this tool to its logs"
        asked: Looking = self._arguments.value(args)
        types: tuple[MemoryType, ...] = tuple(
            [each for each in self._terms.types if each in asked.types or not asked.types]
        )
        if not types:
            return Produced(Remembered(events=[], more=False).model_dump_json().encode())
        since_us = 0 if asked.since is None else int(asked.since.astimezone(UTC).timestamp() * 1e6)
        wanted = Wanted(types, min(asked.limit, self._terms.events), since_us, asked.containing)
        try:
            seen = await self._memories.read(meta, self._of, wanted)
        except Denied as error:
            raise NotDone(error.message, code=error.code, retryable=False) from None
        events = list(_fitting(seen.events, self._terms.chars))
        more = not seen.is_all or len(events) < len(seen.events)
        return Produced(Remembered(events=events, more=more).model_dump_json().encode(), label=seen.label)

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """CannotTell: looking back again changes nothing."""
        return CannotTell()


def recall_tools(terms: Recall) -> tuple[RecallTool, ...]:
    """What an agent is given that was declared so: of a person's memory that of the conversation is a part."""
    own = RecallTool("session", terms)
    return (own,) if terms.of == "session" else (own, RecallTool("person", terms))


def _fitting(events: Sequence[MemoryEvent], chars: int) -> Iterator[Past]:
    """The events as a model reads them, as many as fit, and of the newest at least its beginning."""
    for i, event in enumerate(events):
        if i and len(event.text[:EVENT_CHARS_MAX]) > chars:
            return
        text = event.text[: min(chars, EVENT_CHARS_MAX)]
        chars -= len(text)
        yield Past(
            type=event.type,
            at=datetime.fromtimestamp(event.at_us / 1e6, UTC).isoformat(timespec="seconds"),
            by=event.by,  # type: ignore[arg-type] - one of these
            tool=event.tool or "",
            outcome=event.outcome,
            text=text,
            cut=event.cut + len(event.text) - len(text),
        )
