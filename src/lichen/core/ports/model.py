"""What a language model is asked and what it answers, in no provider's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from lichen.core.ports.call import ToolSpec
from lichen.core.words.ids import ToolName
from lichen.core.words.limits import Usage
from lichen.core.words.scope import Scope

Effort = Literal["low", "medium", "high"]
ToolChoice = Literal["auto", "required", "none"]
Finish = Literal["end", "length", "calls", "refused"]
DeltaKind = Literal["text", "thinking", "args", "again"]
MediaKind = Literal["image", "document", "audio"]

HELD: Final = "model_held"  # the code of a request that a person has to agree to first: its run waits, and fails not
MODEL: Final = "model.invoke"  # the field of a wait's operator facts that names a model which may not be asked yet
MEDIA_BYTES_MAX: Final = 8 * 1024 * 1024  # of one attachment


class Media(msgspec.Struct, frozen=True, gc=False):
    """A picture, a document or a sound in a message: its bytes, and what they are (`image/png`).

    One that lies in the log has `data` of its own only in a request that is sent: until then `reference` stands for it,
    and `stated_bytes` says how much it is.
    """

    kind: MediaKind
    media_type: str
    data: bytes
    name: str = ""
    reference: str = ""
    stated_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """How many bytes it has, read or not."""
        return len(self.data) or self.stated_bytes


class ModelCall(msgspec.Struct, frozen=True):
    """A tool call in a model's words: `id` is the model's own, used to match results in the transcript."""

    id: str
    tool: ToolName
    args: bytes


class ModelMessage(msgspec.Struct, frozen=True):
    """One message of a transcript. `calls` and `blocks` belong to `assistant`, `result_of` to `tool`.

    `blocks` is what the reply that this message was made of brought in `ModelReply.blocks`. `is_kept` marks the end of
    what the next request will begin with as well, so that a provider may keep it.
    """

    role: Literal["user", "assistant", "tool", "system"]
    text: str = ""
    calls: tuple[ModelCall, ...] = ()
    result_of: str | None = None
    media: tuple[Media, ...] = ()
    blocks: bytes = b""
    is_kept: bool = False


class ModelRequest(msgspec.Struct, frozen=True):
    """What a model is asked: provider-neutral messages, and the tools it may call.

    `output_schema` is JSON Schema that the whole reply must fit, as JSON; `output_name` names it to the model.
    `keep` lets a provider keep `system`, the tools and everything up to messages that say `is_kept`. `time_s` is how
    long all tries together may take. `parallel` lets one reply make several calls. None leaves a setting to the model.
    Where `is_patient` is False another model may answer instead, so that nothing is waited for long. One that thinks
    gets `thinking_tokens` more than `max_tokens`, since its provider counts what it thinks in its reply. With
    `patience_s` a person waits: no further try begins later, and a model that is left alone is not waited for.
    """

    system: str
    messages: tuple[ModelMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    output_schema: Mapping[str, Any] | None = None
    max_tokens: int = 1024
    output_name: str = "answer"
    tool_choice: ToolChoice | ToolName = "auto"
    temperature: float | None = None
    thinking: Effort | None = None
    keep: bool = False
    time_s: float = 300.0
    is_patient: bool = True
    parallel: bool = True
    thinking_tokens: int = 0
    patience_s: float | None = None


class ModelReply(msgspec.Struct, frozen=True):
    """What a model said and what it cost.

    `blocks` is opaque: what the same provider wants back with the next request, such as its signed thinking. `tries`
    counts the requests that it took, the last one included; `usage` is that of all of them. `is_estimate` says that
    the provider did not tell what it cost. `first_us` is how long the first piece took, 0 where nothing streamed.
    `lost` of the tries may have been billed, and `usage` has nothing of them.
    """

    text: str
    calls: tuple[ModelCall, ...] = ()
    usage: Usage = Usage()
    model: str = ""
    thinking: str = ""
    blocks: bytes = b""
    finish: Finish = "end"
    tries: int = 1
    first_us: int = 0
    is_estimate: bool = False
    lost: int = 0


class Delta(NamedTuple):
    """A piece of a reply as it comes. `call` is the number of the call in the reply that a piece of `args` belongs to,
    and `tool` what it calls; a customer is shown pieces of `text` only. `again` says that all pieces so far came to
    nothing, since the request is tried again.
    """

    text: str
    kind: DeltaKind = "text"
    call: int = 0
    tool: str = ""


Deltas = Callable[[Delta], None]
"""Takes the pieces of a reply, in order."""


class Model(Protocol):
    """A language model. One instance serves many runs at once."""

    @property
    def name(self) -> str:
        """`provider:model`, the resource of the action `model.invoke`."""
        ...

    async def generate(self, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """One reply; its pieces go to `deltas` as they come. Raises ModelError."""
        ...


@runtime_checkable
class Choosy(Protocol):
    """A model that does not take every kind of file; one that says nothing takes them all."""

    def takes(self, media: Media, /) -> bool:
        """Whether a request may have this in it. What may not is told in words."""
        ...


@runtime_checkable
class Thinker(Protocol):
    """A model that knows whether it thinks before it answers; one that says nothing does where it is asked to."""

    @property
    def thinks(self) -> bool:
        """Whether it thinks though nobody asks it to."""
        ...


class HeldKey(msgspec.Struct, frozen=True):
    """Which of a scope's secrets a key is: its name, the version that its store counts, and the host it is sent to,
    with a port that is not the usual one; empty where the provider's library alone knows that."""

    name: str
    version: str = ""
    host: str = ""


class Connection(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """How a provider is reached on behalf of a scope. `key` is a secret: no message, log or trace may hold it, and
    `identity` stands for it wherever something is counted by key. `held` says which of the scope's secrets it is, None
    where it is none of them. Empty strings leave a setting to the provider's own environment variables, as its client
    library reads them.
    """

    key: str = ""
    base_url: str = ""
    identity: str = ""
    options: Mapping[str, str] = {}  # what one provider needs beside it: region, project, api_version, …
    tries: int = 4
    timeout_s: float = 120.0  # of one try
    is_keyless: bool = False  # the server wants no key, so none of the environment is sent there either
    held: HeldKey | None = None

    def __repr__(self) -> str:
        return f"Connection(base_url={self.base_url!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("base_url", self.base_url)]


class Connections(Protocol):
    """Which connection a scope has to a provider: what its tenant's settings say, with keys from their secrets."""

    async def of(self, provider: str, scope: Scope) -> Connection:
        """The connection, read anew for each request. Raises ModelError (`model_key_missing`, `model_key_elsewhere`,
        `model_unavailable`)."""
        ...

    def secret(self, provider: str, scope: Scope) -> str:
        """The name of the scope's secret that its key will be; empty where it is none of them. Nothing is read."""
        ...


@runtime_checkable
class Connectable(Protocol):
    """A model that is reached over a network, and so on somebody's behalf."""

    def over(self, connections: Connections, scope: Scope) -> Model:
        """The same model, reached as this scope reaches it."""
        ...


class Reach(Protocol):
    """How a model is reached in this process."""

    def __call__(self, model: Model, connections: Connections, scope: Scope, again: Again | None = None, /) -> Model:
        """The model as this scope reaches it; itself where nothing lies between. `again` is told of further tries."""
        ...


# -- how it fails ------------------------------------------------------------------------------------------------


class Kind(NamedTuple):
    """What follows from a kind of failure. `again`: the same request may succeed later. `elsewhere`: another model may
    answer it now. `public` is what a customer may be told.
    """

    again: bool
    elsewhere: bool
    public: str


_BUSY = "I cannot answer just now. Please try again in a moment."
_TOO_LONG = "This conversation has become too long for me. Please start a new one."
_BROKEN = "I cannot answer at the moment. Somebody has to look at this."
KINDS: Final[Mapping[str, Kind]] = {
    "model_auth": Kind(False, True, _BROKEN),
    "model_key_missing": Kind(False, True, _BROKEN),
    "model_key_elsewhere": Kind(False, True, _BROKEN),
    "model_rate_limited": Kind(True, True, _BUSY),
    "model_overloaded": Kind(True, True, _BUSY),
    "model_unavailable": Kind(True, True, _BUSY),
    "model_timed_out": Kind(True, True, _BUSY),
    "model_malformed": Kind(True, True, _BUSY),
    "model_context_too_long": Kind(False, False, _TOO_LONG),
    "model_refused": Kind(False, False, "I cannot help with that."),
    "model_request_invalid": Kind(False, True, _BROKEN),
    "model_unasked": Kind(False, False, _BROKEN),
    "model_unpriced": Kind(False, True, _BROKEN),
    "model_budget_busy": Kind(True, False, _BUSY),
    "model_budget_exceeded": Kind(False, False, "I cannot answer any more for now: a budget is used up."),
}
"""Every way a provider fails us, by code."""


MAY_BE_BILLED: Final = ("model_timed_out", "model_malformed")
"""Failures after which a provider may bill what it does not tell."""


class ModelError(Exception):
    """A model call that gave no reply. `usage` is what it cost all the same, `tries` how many requests it took.

    `code` is one of `KINDS`, or one of the model's own. `retry_after_s` is when the provider asks to be asked again.
    `lost` of the tries may have been billed, and `usage` has nothing of them. `is_refused`: nobody listens at its
    address, which is tried again only a few times. `is_left_alone`: it failed so often that nobody asks it for a while.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        retryable: bool | None = None,
        usage: Usage = Usage(),
        tries: int = 1,
        retry_after_s: float | None = None,
        lost: int = 0,
        is_refused: bool = False,
        is_left_alone: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable if retryable is not None else code in KINDS and KINDS[code].again
        self.usage = usage
        self.tries = tries
        self.retry_after_s = retry_after_s
        self.lost = lost
        self.is_refused = is_refused
        self.is_left_alone = is_left_alone


def lost_tries(error: ModelError, *, was_shown: bool) -> int:
    """How many tries of a failed request may have been billed without a word of what they cost. A reply that broke off
    after pieces of it `was_shown` is one."""
    if error.lost or error.usage != Usage() or not error.tries:
        return error.lost
    return int(was_shown or error.code in MAY_BE_BILLED)


Again = Callable[[ModelError, bool], None]
"""`again(error, was_shown)` is told of a try that failed before the request is tried again. Raises ModelError where it
may not be."""


class ModelHandle(Protocol):
    """Asks a model through the gate: `model.invoke` is decided, usage is metered and billed to the run."""

    def __call__(self, model: Model, request: ModelRequest, deltas: Deltas | None = None, /) -> Awaitable[ModelReply]:
        """One reply. Raises Denied when policy forbids the model, and ModelError."""
        ...


@runtime_checkable
class Choice(Protocol):
    """A model that is several. A handle does not ask it, but lets it ask each of them through the gate."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all of them, the first choice first."""
        ...

    async def ask(self, handle: ModelHandle, request: ModelRequest, deltas: Deltas | None = None) -> ModelReply:
        """One reply, of one of them. Raises Denied, and ModelError."""
        ...


def unasked(name: str) -> ModelError:
    """What a model that is several raises when it is asked itself: policy knows each of them, and not all together."""
    message = f"{name} is several models. Ask it through the handle of a plan, `input.model`."
    return ModelError(message, code="model_unasked", retryable=False)
