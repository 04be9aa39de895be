"""What the engine is given: agents, a gate, channels, and the world's clock and chance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, runtime_checkable

import msgspec

from lichen.core.deciders.events import Doubt
from lichen.core.deciders.run import RunState
from lichen.core.ports.agent import AgentDef as AgentDef
from lichen.core.ports.model import Again, Connectable, Connection, Connections, Model, Reach
from lichen.core.ports.plan import PromptText, RunContext
from lichen.core.ports.policy import Gate
from lichen.core.ports.prices import Prices
from lichen.core.ports.secrets import Secret, Secrets
from lichen.core.speech.attached import FILES_BYTES_MAX
from lichen.core.speech.saying import Saying
from lichen.core.speech.wording import Wording
from lichen.core.words.errors import NotFound
from lichen.core.words.ids import AgentName, MessageId, SessionId
from lichen.core.words.limits import Usage
from lichen.core.words.quotas import Budgets
from lichen.core.words.scope import PRODUCTION, Actor, Environment, Scope
from lichen.engine.pace.deltas import Deltas
from lichen.engine.pace.fair import Turns
from lichen.engine.pace.held import HeldReplies
from lichen.engine.pace.pieces import Pieces
from lichen.tools.workers.placement import Workers


class Whose(NamedTuple):
    """For whom a version is chosen: a session, or a run without one, and when it began; None for now."""

    id: str = ""
    since_us: int | None = None


NOBODY: Final = Whose()


class Agents(Protocol):
    """The agents that a runtime hosts, each perhaps in several versions, with the tools that a scope has for them."""

    def get(self, name: AgentName, scope: Scope, whose: Whose = NOBODY, /) -> AgentDef | None:
        """The version that new runs and turns of these begin with there."""
        ...

    def pinned(self, name: AgentName, digest: str, scope: Scope, /) -> AgentDef | None:
        """The version that a run began with, None when it is gone. An empty digest stands for whatever is current."""
        ...


class Listed:
    """Agents of one version each, the same everywhere."""

    def __init__(self, agents: Mapping[AgentName, AgentDef]) -> None:
        self._agents = agents

    def get(self, name: AgentName, scope: Scope, whose: Whose = NOBODY, /) -> AgentDef | None:
        """The agent of this name."""
        return self._agents.get(name)

    def pinned(self, name: AgentName, digest: str, scope: Scope, /) -> AgentDef | None:
        """The agent of this name, if it still is that version."""
        agent = self._agents.get(name)
        return agent if agent is not None and digest in ("", agent.digest) else None


def agent_of(services: Services, scope: Scope, state: RunState) -> AgentDef | None:
    """The agent of a run, in the version that it began with."""
    return services.agents.pinned(state.agent, state.pins.agent, scope)


@runtime_checkable
class Briefing(Protocol):
    """An agent tool that words its child's first message itself."""

    def message(self, args: bytes, run: RunContext) -> str:
        """The message for these canonical arguments of a call in a run. Raises ValueError for what it will not word."""
        ...


class Delivery(msgspec.Struct, frozen=True):
    """What became of one attempt to send: `retry` after `retry_after_s`, or as the engine thinks fit; `unknown` where
    it was cut off when the platform may have had it. `warnings` are codes of what is shown there with less."""

    outcome: Literal["delivered", "retry", "failed", "unknown"]
    code: str = ""
    retry_after_s: float | None = None
    warnings: tuple[str, ...] = ()


class Outbound(msgspec.Struct, frozen=True):
    """One message to a customer: what is to be said, before a platform words it.

    `id` is the platform's idempotency key: a repeated one is the same message. `address` is where the channel said the
    conversation's messages go, in its own form; empty where messages are fetched. `reply_to` is the id of the message
    it answers, where the platform shows that, and `suggestions` are what the customer may answer by pressing a button.
    `schema` is the JSON Schema of what a question asks for, empty where words will do; `language` is the customer's.
    `metadata` says of the answer of a run that failed of which kind the failure is.
    """

    id: MessageId
    session: SessionId
    kind: str  # answer, say, question, notice
    saying: Saying
    queued_at_us: int
    address: bytes = b""
    reply_to: str | None = None
    suggestions: tuple[str, ...] = ()
    schema: Mapping[str, Any] = {}
    language: str = ""
    metadata: Mapping[str, str] = {}


class Traits(msgspec.Struct, frozen=True):
    """What may be relied on at a platform.

    `repeats` says what a message that is handed over twice is there: the `same`, since its id is an idempotency key;
    `asks`: the platform can be asked whether it has it; `doubles`: another one, so that a delivery which was cut off is
    in doubt, and `in_doubt` says what becomes of it. `forms` says how several fields are filled in: `whole` where the
    platform shows a form, else in `steps`, a question for each, or in `lines` of one message. Of choices it shows
    `choices_max` as buttons; more are a numbered list, and a number is understood.
    """

    repeats: Literal["same", "asks", "doubles"] = "same"
    in_doubt: Doubt = "hold"
    forms: Literal["whole", "steps", "lines"] = "lines"
    choices_max: int = 1_000


class Channel(Protocol):
    """A way out for messages."""

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Hands one message over. A LichenError counts as `retry`: nothing left; any other exception as `unknown`."""
        ...


@runtime_checkable
class Stated(Channel, Protocol):
    """A way out that says what may be relied on there. One that does not say has the traits of `Traits()`."""

    def traits(self, scope: Scope) -> Traits:
        """What may be relied on."""
        ...


@runtime_checkable
class Platform(Stated, Protocol):
    """A way out whose platform can be asked what it has."""

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        """Whether the platform has this message; None where it does not say now."""
        ...


def traits_of(channel: Channel | None, scope: Scope) -> Traits:
    """What may be relied on at a channel's platform."""
    return channel.traits(scope) if isinstance(channel, Stated) else Traits()


class Owning(Protocol):
    """Whether this process alone acts for its logs."""

    def is_ours(self) -> bool:
        """Whether no other process can be acting for them by now. Asked at the last moment before an effect."""
        ...

    def is_alone(self) -> bool:
        """Whether none of those that acted for them before can be doing anything still, so that what did not happen yet
        never will."""
        ...


class Alone:
    """Where no other process can be."""

    def is_ours(self) -> bool:
        """It is."""
        return True

    def is_alone(self) -> bool:
        """It is."""
        return True


class NoSecrets:
    """Where nobody keeps any."""

    async def get(self, scope: Scope, name: str) -> Secret:
        """Raises NotFound (`secret_unknown`)."""
        raise NotFound("This runtime keeps no secrets.", code="secret_unknown")


class Options(msgspec.Struct, frozen=True):
    """Bounds of the engine."""

    runs_max: int = 10_000  # streams driven at once; above it new work is refused
    sessions_resting_max: int = 2_000  # sessions kept in memory after their last turn
    plan_attempts_max: int = 3
    plan_backoff_s: float = 0.2
    settle_timeout_s: float = 10.0
    secret_timeout_s: float = 5.0  # how long a store of secrets may take
    closing_grace_s: float = 5.0  # how long a cancelled call may take to let go
    delivery_attempts_max: int = 8
    delivery_backoff_s: float = 1.0
    history_messages_max: int = 40


class FromEnvironment:
    """Every scope's connection is what the process's environment says to the provider's client library."""

    async def of(self, provider: str, scope: Scope) -> Connection:
        """A connection that leaves all of it to the environment."""
        return Connection(identity="environment")

    def secret(self, provider: str, scope: Scope) -> str:
        """Of no connection: the environment is nobody's secret."""
        return ""


def directly(model: Model, connections: Connections, scope: Scope, again: Again | None = None, /) -> Model:
    """The model over its connection, and no more: what fails is not tried again."""
    return model.over(connections, scope) if isinstance(model, Connectable) else model


class NoPrices:
    """Where no model has a price."""

    def cost(self, model: str, usage: Usage) -> int | None:
        """None."""
        return None


UNBOUNDED: Final = Budgets()
PATIENCE_S: Final = 15.0


class Services(msgspec.Struct, frozen=True):
    """Everything performing an obligation needs besides the log."""

    gate: Gate
    agents: Agents
    clock: Callable[[], int]  # microseconds since the epoch
    sleep: Callable[[float], Awaitable[None]]
    new_id: Callable[[str], str]  # new_id("run") -> "run-…"
    policy_digest: Callable[[Scope], str]
    channels: Mapping[str, Channel] = {}
    files: Callable[[Scope], str] | None = None  # the folder for the files of a scope's tools, their attribute `files`
    wording: Callable[[Scope], Wording] = lambda scope: Wording()  # what customers are told
    options: Options = Options()
    quota: Callable[[Scope, Actor], None] = lambda scope, actor: None  # raises when an actor may have no more written
    file_bytes: Callable[[Scope], int] = lambda scope: FILES_BYTES_MAX  # of one message
    files_quota: Callable[[Scope, Actor, int], None] = lambda scope, actor, size: None  # raises when they are too much
    deltas: Deltas = msgspec.field(default_factory=Deltas)
    pieces: Pieces = msgspec.field(default_factory=Pieces)
    places: Workers = msgspec.field(default_factory=Workers)
    turns: Turns = msgspec.field(default_factory=Turns)
    environment: Callable[[Scope], Environment] = lambda scope: PRODUCTION
    secrets: Secrets = msgspec.field(default_factory=NoSecrets)
    connections: Connections = FromEnvironment()
    prompts: Callable[[Scope, str], PromptText | None] = lambda scope, name: None
    stand_ins: Mapping[AgentName, Model] = {}  # of a test: what answers in the place of an agent's models
    reach: Reach = directly
    prices: Prices = NoPrices()
    budgets: Callable[[Scope], Budgets] = lambda scope: UNBOUNDED
    tags: Callable[[str], tuple[str, ...]] = lambda model: ()  # of a model, for policies
    patience_s: float = PATIENCE_S  # of a customer, with models that fail
    held: HeldReplies = msgspec.field(default_factory=HeldReplies)
    keeps_requests: bool = True  # what models were sent, sealed in the log
    owning: Owning = Alone()
