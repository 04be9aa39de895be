"""What a channel is: it proves where a request comes from, reads messages in it, and words those that leave.

`verify`, `parse` and `render` are pure, so they are tested without a network; `send` alone touches the platform. The
gateway in `serve/hooks/` mounts the first two, the engine's outbox calls `send`. What every channel must do is in
`lichen.testing.doors.channel_conformance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeGuard, TypeVar, runtime_checkable

import msgspec

from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound
from lichen.plugins.registry import Registry

CHANNEL_DATA_BYTES_MAX = 8 * 1024


class Arrival(msgspec.Struct, frozen=True):
    """A request as it came in: header names in lower case, the body unread by anybody else."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    now_us: int


class Inbound(msgspec.Struct, frozen=True):
    """One message of a customer. `id` is the platform's, the same when it sends the message again.

    `conversation` is the platform's too: the key of the session. `data` is JSON that the platform wants back with this
    message, at most CHANNEL_DATA_BYTES_MAX; nothing else reads it. `envelope` is what a planner may read beside the
    words: `metadata`, `attachments`, the fields of a form. `locale` is the language it is said to be in. `address` is
    where the platform wants replies pushed from now on, in its own form; empty where they are fetched.
    """

    conversation: str
    sender: Actor
    text: str
    id: str | None = None
    data: bytes = b""
    envelope: Mapping[str, Any] | None = None
    locale: str | None = None
    address: bytes = b""


class ChannelPort(Protocol):
    """One platform, configured for one tenant."""

    @property
    def name(self) -> str:
        """As routes and records name it: `webchat`."""
        ...

    def verify(self, scope: Scope, arrival: Arrival) -> Actor:
        """Who sent this, proven. Raises Unauthenticated-like Denied with a stable code; compares in constant time."""
        ...

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor) -> tuple[Inbound, ...]:
        """The messages in a verified request; none for one that only reports. Raises Invalid with a JSON pointer."""
        ...

    def render(self, message: Outbound) -> dict[str, Any]:
        """The message as the platform's JSON."""
        ...

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Hands one message over, under its own id. For a platform that fetches its messages nothing is left to do."""
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


class Gateway(Protocol):
    """Where a channel hands in what its platform does not bring as a request."""

    async def take(self, message: Inbound) -> None:
        """Returns once the message is durable; the same one may be handed in again.

        Raises what a request with it would be refused with: Invalid, Denied, Conflict, TooMany, Unavailable.
        """
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


class ChannelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what `[tenants.NAME.CHANNEL]` may say. `env`: the environment that its conversations belong to."""

    env: str = "dev"


S = TypeVar("S", bound=ChannelSettings, covariant=True)


class Setup(msgspec.Struct, Generic[S], frozen=True):
    """What a channel is made with: whose it is, and what its table says."""

    scope: Scope
    settings: S


class ChannelMaker(Protocol):
    """What an entry point of `lichen.channels` refers to: a class, or a function with `settings` beside it."""

    @property
    def settings(self) -> type[ChannelSettings]:
        """The struct that says what the table may hold; what it does not hold is refused with its line."""
        ...

    def __call__(self, setup: Setup[Any], /) -> ChannelPort:
        """The channel of one tenant. Opens nothing yet."""
        ...


def _is_maker(value: object) -> TypeGuard[ChannelMaker]:
    settings: object = getattr(value, "settings", None)
    return callable(value) and isinstance(settings, type) and issubclass(settings, ChannelSettings)


CHANNELS: Registry[ChannelMaker] = Registry(
    "lichen.channels",
    {},
    taken=("webchat",),
    fits=_is_maker,
    shape="class that makes a channel, with `settings`, a ChannelSettings",
)
"""The channels that packages bring. The web chat is ours, and has doors of its own."""
