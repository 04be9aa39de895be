"""Golden cards: what each kind of channel makes of nine. `python -m tests.channels.cards.shown` writes them anew.

A kind's own rendering is compared once there is a folder `golden/KIND`: `mkdir` it, write, read what was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from lichen.channels.cards.capabilities import capabilities_of, kinds
from lichen.channels.cards.planning import plan
from lichen.channels.cards.showing import shown
from lichen.channels.kinds import CHANNELS
from lichen.channels.port import ChannelMaker, ChannelPort, Setup
from lichen.channels.tokens import Tokens
from lichen.channels.webchat import WebChatChannel
from lichen.core.speech.saying import Saying
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound

HERE: Final = Path(__file__).parent
SCOPE: Final = Scope("acme", "dev")
CARDS: Final = tuple(sorted(path.stem for path in (HERE / "fixtures").glob("*.json")))
PLANS: Final = "plans"
RENDERED: Final = tuple(sorted(path.name for path in (HERE / "golden").iterdir() if path.name != PLANS))
ADDRESSES: Final[dict[str, bytes]] = {
    "email": b'{"to":"ann@customer.example","thread":"aaaaaaaaaaaaaaaaaaaaaaaa","subject":"Order 17"}',
    "whatsapp": b'{"to":"16505551234","at":1749416383}',
    "telegram": b'{"chat":7}',
}
"""Where a kind's messages go, for kinds whose rendering says it."""
SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "email": {"address": "support@shop.example", "smtp_host": "smtp.shop.example"},
    "whatsapp": {"phone_number_id": "106540352242922"},
    "teams": {"app_id": "2f7ad3ee-1c5b-4c0b-9a67-0e5b8a7f5d21"},
    "mattermost": {"api_base_url": "https://chat.example", "username": "helper", "webhook_url": "https://e.com/hook"},
}
"""What a kind's table has to say."""


def saying(name: str) -> Saying:
    """One of the nine, with words for channels that show no cards."""
    return Saying(f"The card {name}.", msgspec.json.decode((HERE / "fixtures" / f"{name}.json").read_bytes()))


def planned(name: str) -> dict[str, Any]:
    """What each kind shows of a card."""
    return {kind: _planned(saying(name), kind) for kind in kinds()}


def _planned(said: Saying, kind: str) -> dict[str, Any]:
    capabilities = capabilities_of(kind)
    found, rest = plan(said, capabilities), shown(said, capabilities)
    head = {"tier": found.tier, "warnings": found.warnings, "summary": found.summary}
    if found.tier != "D":
        return head
    return {
        **head,
        "text": rest.pieces(capabilities),
        "buttons": [(each.title, each.data) for each in rest.choices],
        "links": [(each.title, each.url) for each in rest.links],
        "pictures": [each.url for each in rest.pictures],
    }


def rendered(kind: str, name: str) -> dict[str, Any]:
    """What a kind's channel renders of a card."""
    address = ADDRESSES.get(kind, b"")
    message = Outbound(MessageId("o1"), SessionId("ses-1"), "say", saying(name), 1_760_000_000_000_000, address)
    return _channel(kind).render(message)


def _channel(kind: str) -> ChannelPort:
    if kind == "webchat":
        return WebChatChannel(Tokens(b"k" * 32, SCOPE), "Acme")
    found = CHANNELS.make(kind, lambda maker: _made(kind, maker))
    assert found is not None, f"there is no channel of the kind {kind}"
    return found


def _made(kind: str, maker: ChannelMaker) -> ChannelPort:
    return maker(Setup(SCOPE, msgspec.convert(SETTINGS.get(kind, {}), maker.settings), name=kind))


def written(value: Any) -> str:
    """A golden file."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def goldens() -> Iterator[tuple[Path, str]]:
    """Every golden file, and what is to stand in it."""
    for name in CARDS:
        yield HERE / "golden" / PLANS / f"{name}.json", written(planned(name))
        for kind in RENDERED:
            yield HERE / "golden" / kind / f"{name}.json", written(rendered(kind, name))


if __name__ == "__main__":
    for path, text in goldens():
        path.write_text(text)
