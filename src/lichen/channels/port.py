"""What a channel is: it proves where a request comes from, reads messages in it, and words those that leave.

`verify`, `parse` and `render` are pure, so they are tested without a network; `send` alone touches the platform. The
gateway in `serve/` mounts the first three, the engine's outbox calls `send`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from lichen.core.words.scope import Actor, Scope
from lichen.engine.ports import Delivery, Outbound

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
