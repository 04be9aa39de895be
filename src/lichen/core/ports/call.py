"""A call: the one way a run touches the world. Its contract, its meta data, and what can become of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from lichen.core.cage.grant import Grant
from lichen.core.ports.secrets import Secret
from lichen.core.words.errors import Invalid, NotFound
from lichen.core.words.failure import Failure
from lichen.core.words.ids import AgentName, CallId, RunId, SessionId, ToolName, TurnId
from lichen.core.words.label import EMPTY, Label
from lichen.core.words.scope import Actor, Scope

if TYPE_CHECKING:  # which says what a model is asked in terms of tools
    from lichen.core.ports.model import Model, ModelReply, ModelRequest

T = TypeVar("T")

Effects = Literal["none", "idempotent", "once", "child"]
"""What repeating a call would do: nothing; nothing new under the same key; a second effect; nothing (a child run)."""

Outcome = Literal["ok", "failed", "denied", "cancelled", "timed_out", "unknown"]
Audience = Literal["timeline", "internal", "evidence"]
Placement = Literal["loop", "thread", "process", "jail"]
Origin = Literal["records", "third_party", "memory"]
"""What a result holds: what we know ourselves; words of strangers; what was said here before, labelled as it was."""

ToolRole = Literal["work", "bookkeeping", "terminal"]
"""What a success leads to: the next plan; nothing, for a call beside the work; the end of the run, with its result."""

Recovery = Literal["", "correct_call", "replan", "finish"]
"""What a planner can do about a failed call: the same with other arguments; something else; end with what it has."""

ARGUMENT_BYTES_MAX = 256 * 1024
RESULT_BYTES_MAX = 1024 * 1024
ISSUES_MAX = 100  # with one call
QUESTION_CHARS_MAX = 4_000
FOREIGN_CODE_CHARS_MAX = 128
PAUSE_S_MAX = 86_400.0  # before a further attempt
STATE_BYTES_MAX = 64 * 1024  # that a tool keeps while it waits for an answer

UNAVAILABLE = ToolName("lichen.unavailable")  # stands in the log where a model named a tool that is not there


class Retry(msgspec.Struct, frozen=True, array_like=True):
    """How often a call that certainly did not happen is tried, and how long to wait before each further attempt."""

    attempts: int = 1
    backoff_s: float = 0.5
    on: tuple[str, ...] = ()  # failure codes; empty means any failure the tool reported as NotDone


class CallTerms(msgspec.Struct, frozen=True):
    """What a plan asked for beyond the tool's own: how long an attempt may take, and how often it is tried."""

    timeout_s: float | None = None
    retry: Retry | None = None


class Paging(msgspec.Struct, frozen=True):
    """How the results of a tool come in pages: the argument that takes a cursor, the field of the result that gives
    the next one. A result has `returned` and `truncated`, and may have a `total`. No planner sees a cursor.
    """

    cursor: str = "cursor"
    next: str = "next_cursor"


class ArtifactSpec(msgspec.Struct, frozen=True):
    """A kind of thing that a tool gives beside its result, for people's eyes: its JSON Schema, and for whom it is.

    `timeline`: whoever is shown the run, and the customer beside the answer; `internal`: other programs; `evidence`:
    what the result rests on.
    """

    schema: Mapping[str, Any] = {}
    audience: Audience = "timeline"
    description: str = ""


class SecretNames(msgspec.Struct, frozen=True):
    """The secrets that a tool asks for: to act, to read facts, to look whether a call happened."""

    call: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    probe: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Each name once."""
        return tuple(dict.fromkeys((*self.call, *self.facts, *self.probe)))


class CircuitBreaker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a tool is left alone: after `failures` of the last `of` calls in an environment, for `open_s` seconds. Then
    one call at a time tries it, and `answers` of them open it to all. No `failures`: never.

    A failure is a call that ran out of its time, raised anything but NotDone, or gave what its contract does not say.
    What raises NotDone refuses, which is an answer, unless its code is among `codes`.
    """

    failures: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    of: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    open_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 30.0
    answers: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    codes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.failures > self.of:
            raise ValueError(f"{self.failures} failures do not fit among {self.of} calls")


class ToolSpec(msgspec.Struct, frozen=True):
    """Everything the loop and the gate know of a tool. JSON schemas are draft 2020-12 objects.

    `origin` says what a result holds: our own `records`, text of a `third_party`, or words from `memory`, which bring
    labels of their own. Records vouch for what they say if each argument of the call was vouched for; `record_fields`
    do whatever was asked. `audit` names the argument fields
    kept under the tenant's retention key. `cost` is what a call takes from `Limits.calls` (0 for bookkeeping).
    `secrets` are the names of those it is handed, and of no others. `needs` names the attributes without which no run
    of an agent that has it is started. Calls of another `role` than `work` are free of the budget.

    `confirm` is the question to whom it is wanted for, before each call; `call_hint` and `result_hint` tell people of a
    call in a line. All three are templates: `{order_id}` is an argument, in a result's hint `{result.status}` a field
    of the result. `reminder` is told to a model beside each good result, `example` are arguments that are right.
    `artifacts` are the kinds of things that it gives beside its result, which people are shown and no model reads.
    `breaker` says when the tool is left alone, unless the project says so. `cage` is what one that `runs` in a jail may
    have of the machine. `digest` pins all of it.
    """

    name: ToolName
    description: str
    effects: Effects
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    facts_schema: Mapping[str, Any] | None = None
    timeout_s: float = 30.0
    retry: Retry = Retry()
    audit: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    origin: Origin = "records"
    record_fields: tuple[str, ...] = ()
    has_probe: bool = False
    runs: Placement = "loop"
    cost: int = 1
    agent: AgentName | None = None  # an agent tool: the engine performs it as a child run
    digest: str = ""
    secrets: SecretNames = SecretNames()
    needs: tuple[str, ...] = ()
    role: ToolRole = "work"
    confirm: str = ""
    call_hint: str = ""
    result_hint: str = ""
    reminder: str = ""
    example: Mapping[str, Any] | None = None
    artifacts: Mapping[str, ArtifactSpec] = {}
    pages: Paging | None = None
    breaker: CircuitBreaker | None = None
    cage: Grant | None = None


class GivenAnswer(msgspec.Struct, frozen=True):
    """What came of the question that a tool asked last, in this very call: what was `answered`, as JSON of the schema
    that it named; that somebody `declined`; or that nobody said anything in its time. `state` is what the tool kept.
    """

    outcome: Literal["answered", "declined", "expired"]
    data: bytes = b"{}"
    state: bytes = b""


class CallMeta(msgspec.Struct, frozen=True):
    """What a tool may know about the call it serves. Never part of what a model sees.

    `idempotency_key` is the same on every attempt; `timeout_s` is what is left for this attempt. `label` is that of
    everything the run has read: what the tool passes on was made from it. `secrets` are those that the function being
    called asks for, by name. `answer` is there where the tool asked for something (`NeedsAnswer`) before. `beside` is
    there where the call is made in the runtime's own process. `subject` is the pseudonym of whose words the run holds,
    empty where it holds nobody's; `language` is that of its session, empty for the tenant's own.
    """

    scope: Scope
    actor: Actor  # the agent, with the person it acts for in `on_behalf_of`
    run: RunId
    call: CallId
    session: SessionId | None
    idempotency_key: str
    attempt: int
    timeout_s: float
    attributes: Mapping[str, str] = {}
    turn: TurnId | None = None
    label: Label = EMPTY
    secrets: Mapping[str, Secret] = {}
    answer: GivenAnswer | None = None
    beside: Beside | None = None
    subject: str = ""
    language: str = ""


class Beside(Protocol):
    """What a call may do besides, while it is made in this process."""

    async def ask(self, model: Model, request: ModelRequest, /) -> ModelReply:
        """One reply of a model. The gate decides, with the call's tool as what asks; it is billed to the run, of whose
        budgets it has what is left. Raises Denied, and ModelError."""
        ...

    def tell(self, done: float, total: float | None = None, text: str = "") -> None:
        """Says how far the call is, in words of the tool's, to whoever follows the run. Nothing of it is kept, and of
        what comes often or is long something is left out."""
        ...


class Issue(msgspec.Struct, frozen=True):
    """One thing wrong with one argument. `field` is a JSON pointer; `constraint` is one of the documented codes:

    missing_field, invalid_enum_value, invalid_format, invalid_pattern, invalid_range, invalid_length,
    invalid_field_type, unknown_field.
    """

    field: str
    constraint: str
    message: str
    allowed: tuple[str, ...] = ()


class InvalidArguments(Invalid):
    """The arguments of a call do not fit the tool's schema; `issues` says where and how."""

    code = "arguments_invalid"
    next_step = "Correct the named fields and call again."

    def __init__(self, issues: tuple[Issue, ...]) -> None:
        places = ", ".join(issue.field or "/" for issue in issues)
        super().__init__(f"{len(issues)} of the arguments do not fit the schema.", place=places)
        self.issues = issues


class NotDone(Exception):
    """Raised by a tool: the effect certainly did not happen. `code` is stable, `message` may be shown to the model.

    `issues` are what is wrong with the arguments, though they fit the schema; `recovery` is what a planner can do.
    `foreign_code` is what a stranger calls the failure: plans may be told it, and no record holds it in the clear.
    `pause_s` is the least that lies before a further attempt.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "not_done",
        retryable: bool = True,
        issues: Sequence[Issue] = (),
        recovery: Recovery = "",
        foreign_code: str = "",
        pause_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retryable = retryable
        self.issues = tuple(issues)[:ISSUES_MAX]
        self.recovery: Recovery = recovery
        self.foreign_code = foreign_code[:FOREIGN_CODE_CHARS_MAX]
        self.pause_s = min(max(pause_s, 0.0), PAUSE_S_MAX)
        self.failure: Failure | None = None  # in the words of the process in which it was raised


class NeedsAnswer(Exception):
    """Raised by a tool: somebody has to say something before it goes on. The run waits, for as long as that takes and
    over restarts; then the call is decided again and made again with `CallMeta.answer`.

    `schema`, JSON Schema of an object without references, is what an answer must fit. `state` is handed back with it.
    `asker` is the name of whoever asks where that is not us: the question is put as theirs. `goes_on`: what the call
    began goes on meanwhile, so that nobody knows what was done should it not be heard of again.
    """

    def __init__(
        self,
        question: str,
        schema: Mapping[str, Any],
        *,
        state: bytes = b"",
        asker: str = "",
        goes_on: bool = False,
        expires_s: float = 86_400.0,
    ) -> None:
        super().__init__(question)
        self.question = question[:QUESTION_CHARS_MAX]
        self.schema = schema
        self.state = state
        self.asker = asker
        self.goes_on = goes_on
        self.expires_s = expires_s


class Artifact(msgspec.Struct, frozen=True):
    """One thing that a call gave beside its result. `kind` is one that its tool declares, `data` is JSON."""

    kind: str
    audience: Audience
    data: Any


class Produced(msgspec.Struct, frozen=True):
    """A result as JSON, with what people are shown beside it and no model reads: JSON of `Artifact`s.

    `label` is that of words in it which were read before, beside what its tool's `origin` says.
    """

    result: bytes
    artifacts: bytes = b""
    label: Label = EMPTY


def produced(said: bytes | Produced) -> Produced:
    """What a tool gave, with or without artifacts."""
    return said if isinstance(said, Produced) else Produced(said)


class Happened(msgspec.Struct, frozen=True, tag=True):
    """A probe found the effect; `result` is the call's result as JSON."""

    result: bytes


class DidNotHappen(msgspec.Struct, frozen=True, tag=True):
    """A probe is sure that the effect neither happened nor still can."""


class CannotTell(msgspec.Struct, frozen=True, tag=True):
    """A probe does not know; `failure` says what went wrong in it, if anything did."""

    failure: Failure | None = None


Probe = Happened | DidNotHappen | CannotTell


class Arguments:
    """The arguments of one call: canonical JSON in `data`, and what a tool made of it when it decoded it.

    Whoever is given that value may change it, so it is handed out once; `is_shared` says that it cannot be changed.
    """

    __slots__ = ("_fields", "_value", "data", "is_shared")

    def __init__(
        self, data: bytes, value: Any = None, *, fields: Mapping[str, Any] | None = None, is_shared: bool = False
    ) -> None:
        self.data = data
        self.is_shared = is_shared
        self._fields = fields
        self._value = value

    @property
    def fields(self) -> Mapping[str, Any]:
        """The arguments by name, as JSON has them."""
        if self._fields is None:
            self._fields = msgspec.json.decode(self.data, type=dict[str, Any])
        return self._fields

    def take(self) -> Any:
        """The decoded value, None where it was handed out, or never made: `data` has to be decoded again then."""
        value = self._value
        if not self.is_shared:
            self._value = None
        return value


class Resources:
    """What a runtime gives to its tools: one of each kind, found by its type."""

    def __init__(self, *given: object) -> None:
        self._given: dict[type, object] = {type(each): each for each in given}

    def get(self, kind: type[T]) -> T:
        """The resource of this type. Raises NotFound (`resource_unknown`) where the runtime has none."""
        found = self._given.get(kind)
        if not isinstance(found, kind):
            raise NotFound(f"This runtime gives tools no {kind.__name__}.", code="resource_unknown")
        return found

    def made(self, kind: type[T]) -> T:
        """The resource of this type, made without arguments where there is none yet: one for all who ask.

        Raises NotFound (`resource_unknown`) for a type that cannot be made so.
        """
        if kind not in self._given:
            try:
                self._given[kind] = kind()
            except TypeError as error:
                message = f"A {kind.__name__} cannot be made without arguments: {error}."
                step = f"Give its toolset an instance: Toolset.of({kind.__name__}(...))."
                raise NotFound(message, code="resource_unknown", next_step=step) from error
        return self.get(kind)


@runtime_checkable
class GoesOn(Protocol):
    """A tool whose calls may go on while somebody is asked (`NeedsAnswer.goes_on`)."""

    def give_up(self, meta: CallMeta) -> None:
        """Lets go of what goes on for a call that nobody is asked about any more; nothing where there is none."""
        ...


class Tool(Protocol):
    """What the engine executes. Facts and results cross as JSON bytes of the declared schemas."""

    @property
    def spec(self) -> ToolSpec:
        """The contract."""
        ...

    def bound(self, resources: Resources) -> Tool:
        """The tool as it works in a runtime: itself, or a copy with what it needs of it."""
        ...

    def decode(self, args: bytes) -> Arguments:
        """Canonical arguments with defaults filled in, and their value. Raises InvalidArguments."""
        ...

    async def facts(self, args: Arguments, meta: CallMeta) -> bytes:
        """The facts policy decides on: a JSON object, `{}` for a tool without a resolver. Reads only."""
        ...

    async def execute(self, args: Arguments, meta: CallMeta) -> bytes | Produced:
        """The result, alone or with artifacts.

        Raises NotDone if nothing happened; any other exception leaves a `once` call in doubt.
        """
        ...

    async def probe(self, args: Arguments, meta: CallMeta) -> Probe:
        """Whether the call with this idempotency key happened. CannotTell for a tool without a probe."""
        ...
