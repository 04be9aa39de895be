"""What an adapter of an ABI family is given and gives: an instance to call, what is asked of it, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec

from lichen.core.components.capabilities import NOTHING, Capabilities
from lichen.core.components.manifest import Operation
from lichen.core.state.port import States
from lichen.core.words.scope import Scope
from lichen.tools.egress.reach import Reach

TrapKind = Literal[
    "time", "cancelled", "memory", "stack", "unreachable", "bounds", "arithmetic", "host", "value", "exit", "missing",
    "other",
]  # fmt: skip
"""Why a guest ended: its time, somebody cancelled; it wanted more memory, tables or instances than it may have; a
recursion too deep; a trap of its own; an access beside its memory; a division; what we refuse to go on with; a value
that is too large or does not fit; it left; it has not what was called; else."""


class Trapped(Exception):
    """The guest was stopped, or stopped itself. Its instance is gone, and so is whatever it knew; no other call is
    touched. `detail` is a bounded word of ours, or of the engine, never of the guest."""

    def __init__(self, kind: TrapKind, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind: TrapKind = kind
        self.detail = detail


class Exports(Protocol):
    """What a component exports and imports, known without an instance."""

    @property
    def interfaces(self) -> Mapping[str, tuple[str, ...]]:
        """The functions of each exported interface, version and all; those that are in none are under ""."""
        ...

    @property
    def imports(self) -> tuple[str, ...]:
        """The names of what it imports."""
        ...

    def takes(self, interface: str, function: str) -> int:
        """How many arguments an exported function takes; 0 for one that is not there."""
        ...

    def cases(self, interface: str, function: str) -> tuple[str, ...]:
        """What the first argument of an exported function may be, where that is one of some names."""
        ...


class Instance(Protocol):
    """One fresh store and instance, of one call; gone after it. Values are canonical (`values.canonical`)."""

    def call(self, interface: str, function: str, *args: Any) -> Any:
        """What an exported function returns; `interface` is "" for one that is in none. Raises Trapped."""
        ...

    def has(self, interface: str, function: str) -> bool:
        """Whether it can be called."""
        ...


class Surroundings(NamedTuple):
    """The clock of a runtime, in Unix microseconds, and its randomness: so many bytes."""

    clock: Callable[[], int]
    random: Callable[[int], bytes]


STILL: Final = Surroundings(lambda: 0, bytes)
"""Where there is no runtime: time stands still, and nothing is random."""


class Services(NamedTuple):
    """What a runtime has for components."""

    states: States | None = None
    reach: Reach | None = None
    around: Surroundings = STILL


class TenantContext(msgspec.Struct, frozen=True):
    """For whom and within what a component is asked. Ids are ours; a person is a pseudonym."""

    scope: Scope
    user: str = ""
    session: str = ""
    trace: str = ""
    correlation: str = ""
    deadline_ms: int = 0  # Unix time
    attempt: int = 1
    idempotency_key: str = ""
    flow: str = ""
    node: str = ""
    i18n: str = "en"


class Invocation(msgspec.Struct, frozen=True):
    """One question: which operation, with what (JSON), under which configuration, for whom."""

    operation: str
    payload: Any
    context: TenantContext
    config: Any = None
    metadata: Mapping[str, Any] = {}


class Reported(msgspec.Struct, frozen=True):
    """A failure that a component told of: an answer, not a trap."""

    code: str
    message: str
    retryable: bool = False
    backoff_ms: int | None = None
    details: Any = None


class Answered(msgspec.Struct, frozen=True):
    """What came of a question: JSON, or a failure."""

    payload: Any = None
    failure: Reported | None = None
    metadata: Mapping[str, Any] = {}


class Described(msgspec.Struct, frozen=True):
    """What a component says of itself. `members` are further things that it can do, such as `qa-spec`."""

    name: str
    version: str = ""
    operations: tuple[Operation, ...] = ()
    capabilities: Capabilities = NOTHING
    members: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}


class Family(Protocol):
    """One ABI family: pure translation, with no I/O of its own."""

    @property
    def name(self) -> str:
        """Such as `node@0.4.0`."""
        ...

    def fits(self, exports: Exports) -> str | None:
        """The interface by which a component is of this family, version and all."""
        ...

    def describe(self, instance: Instance, exports: Exports) -> Described:
        """What it says of itself. Raises Trapped, Invalid (`component_invalid`) for what no description is."""
        ...

    def invoke(self, instance: Instance, exports: Exports, asked: Invocation) -> Answered:
        """What came of it. Raises Trapped, Invalid (`component_invalid`) for an answer that none is."""
        ...
