"""The channels without a platform do what every channel must."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from lichen.channels.dummy.channel import DummyChannel, DummySettings
from lichen.channels.platform.signing import hmac_hex
from lichen.channels.port import Arrival, Setup, Unhosted
from lichen.channels.tokens import Tokens, Visitor
from lichen.channels.webchat import WebChatChannel
from lichen.core.words.scope import Scope
from lichen.testing.doors.channel_conformance import ChannelConformance, Received

NOW_S = 1_760_000_000


class TestWebChat(ChannelConformance):
    proofs = ("authorization",)
    good_for_s = 60
    signs_body = False  # the token says who, and for which conversation; TLS keeps the rest

    def channel(self) -> WebChatChannel:
        return WebChatChannel(Tokens(b"k" * 32, Scope("acme", "dev")), "Acme")

    def body(self, text: str, id: str, conversation: str) -> bytes:
        kept = {"clientActivityID": "c1", "metadata": {"page": "/cart"}}
        return msgspec.json.encode({"type": "message", "text": text, "id": id, "locale": "de", "channelData": kept})

    def arrival(self, body: bytes) -> Arrival:
        visitor = Visitor("ann", "chat-1", "shop.echo")
        token = self.channel().tokens.mint(visitor, now_s=NOW_S, lifetime_s=60, age_max_s=60)
        return Arrival("POST", "/", {}, {"authorization": f"Bearer {token}"}, body, NOW_S * 1_000_000)

    def words(self, rendered: dict[str, Any]) -> str:
        assert rendered["textFormat"] == "plain"
        return rendered["text"]


class TestDummy(ChannelConformance):
    proofs = ("dummy-time", "dummy-signature")

    def channel(self) -> DummyChannel:
        host = Unhosted({"secret:dummy-secret": "between us"})
        return DummyChannel(Setup(Scope("acme", "dev"), DummySettings(), host=host))

    def body(self, text: str, id: str, conversation: str) -> bytes:
        said = {"id": id, "sender": "ann", "conversation": conversation, "text": text, "value": {"size": "L"}}
        return msgspec.json.encode(said)

    def arrival(self, body: bytes) -> Arrival:
        sent = str(NOW_S)
        headers = {"dummy-time": sent, "dummy-signature": hmac_hex("between us", sent.encode(), b".", body)}
        return Arrival("POST", "/", {}, headers, body, NOW_S * 1_000_000)

    def words(self, rendered: dict[str, Any]) -> str:
        return rendered["text"]

    @contextmanager
    def platform(self, channel: DummyChannel) -> Generator[Sequence[Received]]:
        received: list[Received] = []
        channel.sent = Told(received)
        yield received


class Told(deque[dict[str, Any]]):
    """What a dummy is sent, told to a list."""

    def __init__(self, received: list[Received]) -> None:
        super().__init__()
        self._received = received

    def append(self, shown: dict[str, Any], /) -> None:
        self._received.append(Received(shown["id"], shown["text"], shown["to"].encode()))
