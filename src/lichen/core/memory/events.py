"""Past events: what was said, planned, called and answered, each with the words that are still there."""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Mapping
from typing import Any, Final, Generic, Literal, Protocol, TypeVar, get_args

import msgspec

from lichen.core.words.errors import Invalid
from lichen.core.words.ids import CallId, RunId, SessionId, ToolName

MemoryType = Literal["message", "plan", "call", "result", "wait", "answer"]
"""`message`: what was said in a conversation, by whoever it was. `plan`: what a planner said beside its calls, and its
notes. `call`: what was called. `result`: what came of it. `wait`: what was asked of somebody. `answer`: how that
ended."""

MemoryScope = Literal["session", "person"]
"""The run's own conversation; or all that its person had with this agent."""

TYPES: Final[tuple[MemoryType, ...]] = get_args(MemoryType)
RECALLS: Final[Mapping[MemoryScope, ToolName]] = {
    "session": ToolName("session.recall"),
    "person": ToolName("person.recall"),
}
"""The tools by which an agent reads its memory."""

EVENTS_MAX: Final = 200  # of one reading
TEXT_CHARS_MAX: Final = 16_000  # of one event

T = TypeVar("T")


class MemoryEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that happened. `text` is what it says: words, or of calls and results JSON.

    `by` is who said a message: `customer`, `agent`, `operator` or `service`. `outcome` is how a call or a wait ended,
    `kind` what kind of wait that was. `cut` counts the characters that `text` has more. `place` is where in the log it
    stands.
    """

    type: MemoryType
    at_us: int
    place: str
    session: SessionId | None = None
    run: RunId | None = None
    text: str = ""
    by: str = ""
    tool: ToolName | None = None
    call: CallId | None = None
    outcome: str = ""
    kind: str = ""
    cut: int = 0

    @property
    def data(self) -> Any:
        """The arguments of a call, or its result, as values; None where there are none, or they were cut."""
        try:
            return msgspec.json.decode(self.text) if self.type in ("call", "result") and self.text else None
        except msgspec.DecodeError:
            return None


class Memory(Protocol):
    """What a run may look back on: what happened before it began. The same for every plan of it, whenever it is made.

    It is read from the log when it is asked, so what was erased is gone. Whoever reads it has read it: a plan that is
    made from an event carries the event's label.
    """

    def events(
        self,
        *types: MemoryType,
        limit: int = 20,
        since_us: int = 0,
        containing: str = "",
        of: MemoryScope = "session",
    ) -> Awaitable[tuple[MemoryEvent, ...]]:
        """The latest events, the newest first: of these types or of all, from a moment on, with these words in them.

        Other people's, other agents' and other tenants' are never among them. Raises Denied (`memory_denied`) for a
        person's where the agent is not declared so or policy does not let it.
        """
        ...

    def latest(self, what: MemoryType, *, of: MemoryScope = "session") -> Awaitable[MemoryEvent | None]:
        """The newest event of a type, None where there is none. Raises Denied as `events` does."""
        ...


class _At(Generic[T]):
    """Something that is there as soon as it is awaited."""

    def __init__(self, value: T) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, T]:
        yield from ()
        return self._value


class NoMemory:
    """The memory of a run before which nothing happened."""

    def events(
        self,
        *types: MemoryType,
        limit: int = 20,
        since_us: int = 0,
        containing: str = "",
        of: MemoryScope = "session",
    ) -> Awaitable[tuple[MemoryEvent, ...]]:
        """None."""
        return _At(())

    def latest(self, what: MemoryType, *, of: MemoryScope = "session") -> Awaitable[MemoryEvent | None]:
        """None."""
        return _At(None)


NO_MEMORY: Final = NoMemory()


class Recall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much an agent is given to look back on with tools of its own: `Agent(..., memory=Recall("person"))`.

    `of`: the conversation that it is in, or all that its person had with it. One call gives at most `events` events of
    these `types`, and of all their words at most `chars` characters.
    """

    of: MemoryScope = "session"
    events: int = 20
    chars: int = 8_000
    types: tuple[MemoryType, ...] = TYPES

    def __post_init__(self) -> None:
        if not 0 < self.events <= EVENTS_MAX or not 0 < self.chars <= EVENTS_MAX * TEXT_CHARS_MAX or not self.types:
            raise ValueError(f"a memory gives 1 to {EVENTS_MAX} events of some types, and some characters of them")


def recall_of(given: bool | MemoryScope | Recall) -> Recall | None:
    """What an agent was declared with. Raises Invalid (`agent_invalid`)."""
    if isinstance(given, Recall):
        return given
    if given in get_args(MemoryScope):
        return Recall(given)  # type: ignore[arg-type] - it is one of the two
    if isinstance(given, bool):
        return Recall() if given else None
    step = 'Give True, "session", "person" or a Recall.'
    raise Invalid(f"{given!r} is no memory of an agent.", code="agent_invalid", next_step=step)
