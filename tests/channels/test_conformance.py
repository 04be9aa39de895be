"""Our own channel does what every channel must."""

from __future__ import annotations

from typing import Any

import msgspec

from lichen.channels.port import Arrival
from lichen.channels.tokens import Tokens, Visitor
from lichen.channels.webchat import WebChatChannel
from lichen.core.words.scope import Scope
from lichen.testing.doors.channel_conformance import ChannelConformance

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
