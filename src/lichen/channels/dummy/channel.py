"""The dummy: signed JSON comes in, replies are kept. For trying a project out, and the pattern for other channels."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any, Final

import msgspec

from lichen.channels.activities import decode
from lichen.channels.cards import capabilities_of, shown
from lichen.channels.platform.signing import check_recent, check_same, hmac_hex
from lichen.channels.port import Arrival, ChannelSettings, Guide, Inbound, Question, Reached, Setup, Wanted
from lichen.core.words.scope import Actor, Customer, Scope
from lichen.engine.ports import Delivery, Outbound, Traits

KEPT: Final = 1_000
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[ -~]*\Z")]


class DummySettings(ChannelSettings, frozen=True, forbid_unknown_fields=True):
    """What `[tenants.NAME.dummy]` may say. `secret` refers to what requests are signed with."""

    secret: str = "secret:dummy-secret"


class Body(msgspec.Struct, frozen=True):
    """What is posted."""

    id: Id
    sender: Id
    text: str
    conversation: Id
    value: dict[str, Any] | None = None


class DummyChannel:
    """The dummy of one tenant. `sent` is what it was sent, the newest last."""

    settings = DummySettings
    guide = Guide(
        "Dummy",
        (Question("secret", "Signing secret", "Any words; requests are signed with it.", secret=True),),
        ("Post signed JSON to {webhook}.",),
    )

    def __init__(self, setup: Setup[DummySettings]) -> None:
        self.name = setup.name or "dummy"
        self._setup = setup
        self.sent: deque[dict[str, Any]] = deque(maxlen=KEPT)

    @property
    def traits(self) -> Traits:
        """A message under an id that is there is the same; there are neither buttons nor forms."""
        return Traits("same", self._setup.settings.in_doubt, "steps")

    async def verify(self, scope: Scope, arrival: Arrival) -> Actor | None:
        """Nobody in particular, once the signature over time and body is right. Raises Denied."""
        sent, given = arrival.headers.get("dummy-time", ""), arrival.headers.get("dummy-signature", "")
        secret = await self._setup.host.secret(self._setup.settings.secret, "dummy")
        check_same(given, hmac_hex(secret, sent.encode("utf-8", "surrogateescape"), b".", arrival.body))
        check_recent(sent, arrival.now_us)
        return None

    def parse(self, scope: Scope, arrival: Arrival, sender: Actor | None) -> tuple[Inbound, ...]:
        """The one message. Raises Invalid (`body_invalid`)."""
        body = decode(arrival.body, Body)
        envelope = None if body.value is None else {**body.value, "value": body.value, "metadata": body.value}
        who = Customer(f"{self.name}:{body.sender}")
        address = body.conversation.encode()
        return (Inbound(body.conversation, who, body.text, body.id, envelope=envelope, address=address),)

    def render(self, message: Outbound) -> dict[str, Any]:
        """The message as it is kept."""
        found = shown(message.saying, capabilities_of("dummy"), suggestions=message.suggestions, schema=message.schema)
        text = "".join(found.pieces(capabilities_of("dummy")))
        said = {"id": f"{message.session}/{message.id}", "kind": message.kind, "text": text}
        return {**said, "to": message.address.decode(), "suggestions": list(message.suggestions)}

    async def address_of(self, scope: Scope, wanted: Wanted) -> Reached:
        """A conversation that is called as they are."""
        return Reached(wanted.customer, wanted.customer.encode())

    async def send(self, scope: Scope, message: Outbound) -> Delivery:
        """Keeps it."""
        self.sent.append(self.render(message))
        return Delivery("delivered")
