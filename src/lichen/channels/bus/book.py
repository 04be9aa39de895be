"""What is known of each delivery, in a bucket of the bus: an attempt is begun there before it is made, and taken back
there by a runner that wants to know that it never will be.

An entry is only ever written over the one that was read, so that of two who decide at once one has to read again.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Literal, NamedTuple

import msgspec

from lichen.channels.bus.connection import BUCKET, Bus
from lichen.core.words.scope import Scope
from lichen.engine.ports import Delivery, Outbound


class Entry(msgspec.Struct, frozen=True):
    """How far an attempt came: `withdrawn`, it will not be made; `begun`; or `ended`, with what became of it. All
    attempts before it are settled."""

    attempt: int
    state: Literal["withdrawn", "begun", "ended"]
    delivery: Delivery | None = None

    @property
    def outcome(self) -> str:
        """What became of it; empty where nothing did yet."""
        return "" if self.delivery is None else self.delivery.outcome


class Found(NamedTuple):
    """The newest entry of a delivery, and its revision; 0 where there is none."""

    entry: Entry | None
    revision: int


def key_of(scope: Scope, channel: str, message: Outbound) -> str:
    """What a delivery is called: nothing that anybody wrote, and its tenant and environment in front."""
    named = "\0".join((channel, message.session, message.id)).encode()
    return f"{scope.env}.{scope.tenant}.{sha256(named).hexdigest()}"


class Book:
    """The entries of all deliveries."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def get(self, key: str) -> Found:
        """The entry of a delivery. Raises Unavailable (`bus_away`)."""

        async def read(streams: Any) -> Found:
            errors = _errors()
            try:
                found = await (await streams.key_value(BUCKET)).get(key)
            except errors.KeyNotFoundError:
                return Found(None, 0)
            return Found(msgspec.json.decode(found.value, type=Entry), found.revision)

        return await self._bus.ask(read)

    async def put(self, key: str, entry: Entry, over: int) -> bool:
        """Writes an entry over the revision that was read; says whether it still was the newest.

        Raises Unavailable (`bus_away`): then it may be written.
        """

        async def write(streams: Any) -> bool:
            errors = _errors()
            try:
                await (await streams.key_value(BUCKET)).update(key, msgspec.json.encode(entry), last=over)
            except errors.KeyWrongLastSequenceError:
                return False
            return True

        return await self._bus.ask(write)


def _errors() -> Any:
    from nats.js import errors  # the extra `nats`

    return errors
