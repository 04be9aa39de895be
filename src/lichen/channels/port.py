"""What a channel is: it proves where a request comes from, reads messages in it, and words those that leave.

`parse` and `render` are pure, so they are tested without a network; `verify` reads no more than the channel's secrets;
`send` alone touches the platform. The gateway in `serve/hooks/` mounts the first two, the engine's outbox calls `send`.
What every channel must do is in `lichen.testing.doors.channel_conformance`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from lichen.core.deciders.events import Doubt
from lichen.core.words.errors import Unavailable
from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound, Traits
from lichen.tools.egress.reach import Reach

CHANNEL_DATA_BYTES_MAX = 8 * 1024


class Arrival(msgspec.Struct, frozen=True):
    """A request as it came in: header names in lower case, the body unread by anybody else."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    now_us: int


class FileRef(msgspec.Struct, frozen=True):
    """A file at the platform: `ref` is how the channel gets it there, and is nobody else's to read."""

    ref: str
    name: str = ""
    media_type: str = "application/octet-stream"
    size_bytes: int = 0  # as the platform says; 0 where it does not


class Fetched(msgspec.Struct, frozen=True):
    """A file with the name and the media type that its platform gives it only there; empty where it gives none, so that
    those of the FileRef hold."""

    data: bytes
    name: str = ""
    media_type: str = ""


class Inbound(msgspec.Struct, frozen=True):
    """One message of a customer. `id` is the platform's, the same when it sends the message again.

    `conversation` is the platform's too: the key of the session. `data` is JSON that the platform wants back with this
    message, at most CHANNEL_DATA_BYTES_MAX; nothing else reads it. `envelope` is what a planner may read beside the
    words: `metadata`, `attachments`, the fields of a form. `locale` is the language it is said to be in. `address` is
    where the platform wants replies pushed from now on, in its own form; empty where they are fetched. `files` lie at
    the platform: the gateway lets the channel `fetch` them, and puts them among the attachments. `path` is what stood
    behind the tenant in the address, for routes that go by it. `pressed` names a choice of a message that was sent
    before, as `cards.pressed_as` writes it, where the platform's button holds no more: the gateway finds its words and
    data.
    """

    conversation: str
    sender: Actor
    text: str
    id: str | None = None
    data: bytes = b""
    envelope: Mapping[str, Any] | None = None
    locale: str | None = None
    address: bytes = b""
    files: tuple[FileRef, ...] = ()
    path: str = ""
    pressed: str = ""


class ChannelPort(Protocol):
    """One platform, configured for one tenant."""

    @property
    def name(self) -> str:
        """As routes and records name it: `webchat`."""
        ...

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Who sent this, proven; None where it is proven to be the platform's, whose messages name their senders.

        Raises Denied with a code of its own, Unavailable while a secret cannot be read; compares in constant time.
        """
        ...

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """The messages in a verified request; none for one that only reports. Raises Invalid with a JSON pointer."""
        ...

    def render(self, message: Outbound) -> dict[str, Any]:
        """The message as the platform's JSON."""
        ...

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Hands one message over, under its own id. For a platform that fetches its messages nothing is left to do.

        A LichenError that it raises counts as `retry`, since nothing left; anything else as `unknown`.
        """
        ...


# -- what else a channel may do ----------------------------------------------------------------------------------


class Reply(msgspec.Struct, frozen=True):
    """What a platform is answered once everything it brought is durable."""

    body: bytes = b"{}"
    media_type: str = "application/json"
    status: int = 200


@runtime_checkable
class Replying(Protocol):
    """A channel whose platform wants an answer of its own: a challenge repeated, an empty body."""

    def reply(self, scope: Scope, arrival: Arrival) -> Reply:
        """What a verified request is answered with. Pure, as `parse`."""
        ...


@runtime_checkable
class Trusted(Protocol):
    """A channel that says what may be relied on at its platform. Without it that is `Traits()`."""

    @property
    def traits(self) -> Traits:
        """What may be relied on."""
        ...


@runtime_checkable
class Asking(Protocol):
    """A channel whose platform can be asked whether it has a message."""

    async def has(self, scope: Scope, message: Outbound) -> bool | None:
        """Whether it has; None where it does not say now."""
        ...


@runtime_checkable
class Fetching(Protocol):
    """A channel whose customers send files that lie at the platform."""

    async def fetch(self, scope: Scope, file: FileRef) -> bytes | Fetched:
        """The file, with its name and media type where the message did not say them.

        Raises NotFound (`file_gone`), Invalid (`file_too_large`), Unavailable.
        """
        ...


class Wanted(msgspec.Struct, frozen=True):
    """Somebody to begin a conversation with. `customer` is who they are at the platform: a customer's id, without the
    channel's name in front. `last` is the address of their newest conversation, empty where there was none. `subject`
    is what it is about, in a line. `token` is the same when the same is asked for again."""

    customer: str
    last: bytes = b""
    subject: str = ""
    token: str = ""


class Reached(msgspec.Struct, frozen=True):
    """Where somebody is: the key of the conversation that their answer comes in, and the address of messages to it."""

    conversation: str
    address: bytes


@runtime_checkable
class Reaching(Protocol):
    """A channel that can begin a conversation. Of one that cannot, people write first."""

    async def address_of(self, scope: Scope, wanted: Wanted) -> Reached:
        """Where they are, the same for the same person. Asks the platform where nothing else says it.

        Raises Invalid (`customer_invalid`), NotFound (`customer_unreachable`) where the platform lets nobody write to
        them, Conflict (`window_closed`), Denied, Unavailable.
        """
        ...


@runtime_checkable
class Limiting(Protocol):
    """A channel whose platform does not take everything that nobody asked for."""

    def check_address(self, scope: Scope, address: bytes) -> None:
        """Raises Conflict (`window_closed`) while nothing may be written there."""
        ...


class Report(msgspec.Struct, frozen=True):
    """What a platform says later of a message that it took: it is there, or could not be delivered after all."""

    session: str
    message: str
    outcome: Literal["delivered", "failed"]
    code: str = ""


@runtime_checkable
class Reporting(Protocol):
    """A channel whose platform reports what became of messages, under the ids that we gave them."""

    def reports(self, scope: Scope, arrival: Arrival) -> tuple[Report, ...]:
        """The reports in a verified request. Pure, as `parse`."""
        ...


@runtime_checkable
class Firing(Protocol):
    """A channel whose messages may be no part of a conversation: each begins a schedule once, as an event."""

    @property
    def fires(self) -> str:
        """The schedule's name; empty where messages are said in conversations."""
        ...


@runtime_checkable
class Following(Protocol):
    """A channel that does something at its platform once everything of a request is durable: it opens a form, takes the
    clock off a button. Nothing depends on it, and it has seconds."""

    async def follow(self, scope: Scope, arrival: Arrival) -> None:
        """Whatever this raises is written to the process's log."""
        ...


@runtime_checkable
class Typing(Protocol):
    """A channel that can show that an answer is being written."""

    async def typing(self, scope: Scope, address: bytes) -> None:
        """Shows it for some seconds. Whatever this raises is ignored."""
        ...


class Gateway(Protocol):
    """Where a channel hands in what its platform does not bring as a request."""

    async def take(self, message: Inbound) -> None:
        """Returns once the message is durable; the same one may be handed in again.

        What cannot be taken for good is kept as a letter, and taken so. Raises TooMany, Unavailable: bring it again.
        """
        ...


@runtime_checkable
class Noting(Protocol):
    """A gateway that also takes what a platform says later of messages, as `Reporting` does of requests."""

    async def note(self, report: Report) -> None:
        """Returns once it is durable; what is no news is none. Raises Unavailable."""
        ...


@runtime_checkable
class Source(Protocol):
    """A channel that listens by itself: a queue, a poll, a socket of its own. Started, drained and stopped once."""

    async def start(self, gateway: Gateway) -> None:
        """Begins to hand messages in. Raises Unavailable when it cannot."""
        ...

    def drain(self) -> None:
        """Takes nothing new; what it has begun to hand in may end."""
        ...

    async def stop(self) -> None:
        """Returns once nothing is under way."""
        ...


# -- how one is made of a table in `lichen.toml` -----------------------------------------------------------------


class ChannelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what `[tenants.NAME.CHANNEL]` may say. `env`: the environment that its conversations belong to, `team`
    whose they are within the tenant. `kind`: what it is, where the table is called otherwise: so a tenant has several.
    `in_doubt`: what becomes of a delivery that was cut off, where the platform would show it twice."""

    env: str = "dev"
    kind: str = ""
    team: str = ""
    in_doubt: Doubt = "hold"


S = TypeVar("S", bound=ChannelSettings, covariant=True)


class Host(Protocol):
    """What a channel is given by the runtime that it is used in."""

    @property
    def reach(self) -> Reach:
        """How the platform is asked."""
        ...

    @property
    def is_development(self) -> bool:
        """Whether the environment is for development: then the platform may be an address of one's own."""
        ...

    @property
    def root(self) -> Path | None:
        """The project's folder."""
        ...

    async def secret(self, reference: str, host: str) -> str:
        """The value that a setting refers to, as it is now: `env:VARIABLE`, or `secret:NAME` of the channel's scope,
        whose use for `host` policy is asked about and the log tells of.

        Raises Unavailable (`channel_secret_missing`, `secret_store_unavailable`), Denied (`secret_refused`).
        """
        ...

    def now_us(self) -> int:
        """The time."""
        ...


class Unhosted:
    """Where there is no runtime: for tests, with the secrets and the time that they give."""

    def __init__(
        self,
        secrets: Mapping[str, str] | None = None,
        *,
        is_development: bool = True,
        clock: Callable[[], int] = lambda: 0,
        root: Path | None = None,
    ) -> None:
        self.reach = Reach()
        self.now_us = clock
        self.root = root
        self.is_development = is_development
        self._secrets = dict(secrets or {})

    async def secret(self, reference: str, host: str) -> str:
        """What was given under this reference. Raises Unavailable (`channel_secret_missing`)."""
        if reference not in self._secrets:
            raise missing(reference)
        return self._secrets[reference]


def missing(reference: str) -> Unavailable:
    """That a setting refers to what is not there."""
    kind, _, name = reference.partition(":")
    step = f"Keep it: `lichen secrets set {name}`." if kind == "secret" else f"Set the variable {name}."
    return Unavailable("A secret of this channel is not there.", code="channel_secret_missing", next_step=step)


def mend_of(reference: str, scope: Scope, *, channel: str, code: str = "") -> str:
    """What mends that a channel of a scope cannot be handed what its settings refer to; `code` says why it cannot."""
    kind, _, name = reference.partition(":")
    if code == "secret_refused":
        return f"permit secret.use of {name} for channel:{channel} in a policy"
    if kind == "secret":
        return f"lichen secrets set {name} --tenant {scope.tenant} --env {scope.env}"
    return f"export {name}=…"


class Setup(msgspec.Struct, Generic[S], frozen=True):
    """What a channel is made with: whose it is, what its table says, what it is called, and what it is given."""

    scope: Scope
    settings: S
    name: str = ""
    host: Host = msgspec.field(default_factory=Unhosted)


# -- how one is set up by a person -------------------------------------------------------------------------------


class Question(msgspec.Struct, frozen=True):
    """One thing that has to be known of a platform: the setting `key`, what is asked for, and where it is found there.

    A `secret` is kept as one, and the setting refers to it. `pattern` is a regular expression that an answer fits.
    """

    key: str
    label: str
    help: str = ""
    required: bool = True
    secret: bool = False
    default: str = ""
    pattern: str = ""


class Guide(msgspec.Struct, frozen=True):
    """How a channel of a kind is set up: what is asked, then what is clicked on the platform's side, in order; a step
    may say `{webhook}` for our address and `{name}` for the channel's."""

    title: str
    questions: tuple[Question, ...] = ()
    steps: tuple[str, ...] = ()


@runtime_checkable
class Registering(Protocol):
    """A channel that can tell its platform where we are."""

    async def register(self, webhook: str) -> str:
        """Has the platform send to this https address; says what was done. Raises Unavailable, Denied."""
        ...

    async def unregister(self) -> str:
        """Has it send nowhere any more. Raises the same."""
        ...


@runtime_checkable
class Checking(Protocol):
    """A channel that can look whether its settings are right."""

    async def check(self) -> str:
        """Asks the platform who we are there, and says it. Raises Unavailable, Denied, with what to do."""
        ...


class Pointed(msgspec.Struct, frozen=True):
    """What a platform knows of us: the addresses it sends to, and what it says is wrong with that, in its own words."""

    urls: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()


@runtime_checkable
class Pointing(Protocol):
    """A channel that can ask its platform where that sends."""

    async def pointed(self) -> Pointed:
        """Where it sends to for this channel. Raises Unavailable, Denied, with what to do."""
        ...


class ChannelMaker(Protocol):
    """What an entry point of `lichen.channels` refers to: a class, or a function with `settings` beside it; `guide`, a
    Guide, where people can set one up with `lichen channel add`."""

    @property
    def settings(self) -> type[ChannelSettings]:
        """The struct that says what the table may hold; what it does not hold is refused with its line."""
        ...

    def __call__(self, setup: Setup[Any], /) -> ChannelPort:
        """The channel of one tenant. Opens nothing yet."""
        ...
