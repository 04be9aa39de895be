"""Teams as it speaks to a bot: activities, and the tokens that prove them."""

from __future__ import annotations

from functools import cache
from typing import Any

import jwt
import msgspec

from lichen.channels.port import Arrival, Setup, Unhosted
from lichen.channels.teams.channel import TeamsChannel, TeamsSettings
from lichen.core.speech.saying import Saying
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from tests.channels.teams.server import APP, ISSUER, PASSWORD, TENANT, Microsoft, key

SCOPE = Scope("acme", "dev")
NOW_S = 1_785_000_000
BOT = "28:c9e8c047-2a34-40a1-b28a-b162d5f5327c"
ANN = "29:1XJKJMvc5GBtc2JwZq0oj8tHZmzrQgFmB25ATiQWA85gQtHieVkKilBZ9XHoq9j7Zaqt7CZ-NJWi7me2kHTL3Bw"
PERSONAL = "a:17I0kl8EkpE1O9PH5TWrzrLNwnWWcfrU7QZjKR0WSfOpzbfcAg2IaydGElSo10tVr4C7Fc6GtieTJX663WuJCc1uA83n4"
THREAD = "19:253b1f341670408fb6fe51050b6e5ceb@thread.skype;messageid=1485983194839"


def channel(microsoft: Microsoft, now_s: int = NOW_S, password: str = PASSWORD, **settings: Any) -> TeamsChannel:
    """A channel of this Microsoft."""
    clock = [now_s]
    host = Unhosted({"secret:teams-app-password": password}, clock=lambda: clock[0] * 1_000_000)
    addresses = {"login_base_url": microsoft.url, "openid_metadata_url": microsoft.metadata}
    said = {"app_id": APP, **addresses, **settings}
    made = TeamsChannel(Setup(SCOPE, msgspec.convert(said, TeamsSettings), host=host))
    made.__dict__["clock"] = clock
    return made


def claims(microsoft: Microsoft, **changes: Any) -> dict[str, Any]:
    """What the connector's token says. A change to None takes a claim away."""
    said = {"serviceurl": microsoft.service, "iss": ISSUER, "aud": APP, "nbf": NOW_S, "exp": NOW_S + 3_600, **changes}
    return {name: value for name, value in said.items() if value is not None}


def token(said: dict[str, Any], kid: str = "k1", signer: str = "") -> str:
    """A token with these claims that names a key, signed by it or by another."""
    return _signed(msgspec.json.encode(said), kid, signer or kid)


@cache
def _signed(said: bytes, kid: str, signer: str) -> str:
    return jwt.encode(msgspec.json.decode(said), key(signer), algorithm="RS256", headers={"kid": kid})


def arrival(microsoft: Microsoft, said: dict[str, Any] | bytes, bearer: str = "", now_s: int = NOW_S) -> Arrival:
    """A request with an activity, proven unless another token is given."""
    body = said if isinstance(said, bytes) else msgspec.json.encode(said)
    headers = {"authorization": f"Bearer {bearer or token(claims(microsoft))}", "content-type": "application/json"}
    return Arrival("POST", "/", {}, headers, body, now_s * 1_000_000)


def activity(microsoft: Microsoft, **changes: Any) -> dict[str, Any]:
    """A message in a personal chat, with the fields that Teams documents.

    Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/conversation-messages
    """
    said: dict[str, Any] = {
        "text": "Hello?",
        "textFormat": "plain",
        "type": "message",
        "timestamp": "2026-07-25T17:20:00.511Z",
        "localTimestamp": "2026-07-25T10:20:00.511-07:00",
        "id": "1485983408511",
        "channelId": "msteams",
        "serviceUrl": microsoft.service,
        "from": {"id": ANN, "name": "Megan Bowen", "aadObjectId": "7faf8bad-ef6c-4f9e-8b4f-2c9f7b1f5f2a"},
        "conversation": {"conversationType": "personal", "tenantId": TENANT, "id": PERSONAL},
        "recipient": {"id": BOT, "name": "SongsuggesterBot"},
        "entities": [{"locale": "en-US", "country": "US", "platform": "Windows", "type": "clientInfo"}],
        "channelData": {"tenant": {"id": TENANT}},
        "locale": "en-US",
    }
    return {**said, **changes}


def in_channel(microsoft: Microsoft, **changes: Any) -> dict[str, Any]:
    """A message that mentions the bot in a thread of a channel.

    Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/channel-and-group-conversations
    """
    name = "SongsuggesterBot"
    mention = {"mentioned": {"id": BOT, "name": name}, "text": f"<at>{name}</at>", "type": "mention"}
    said = {
        "text": "<at>SongsuggesterBot</at> \U0001f600 Hello?",
        "conversation": {"isGroup": True, "conversationType": "channel", "id": THREAD, "tenantId": TENANT},
        "entities": [mention],
        "channelData": {
            "teamsChannelId": "19:253b1f341670408fb6fe51050b6e5ceb@thread.skype",
            "teamsTeamId": "19:712c61d0ef384e5fa681ba90ca943398@thread.skype",
            "channel": {"id": "19:253b1f341670408fb6fe51050b6e5ceb@thread.skype"},
            "team": {"id": "19:712c61d0ef384e5fa681ba90ca943398@thread.skype"},
            "tenant": {"id": TENANT},
        },
    }
    return activity(microsoft, **{**said, **changes})


def outbound(microsoft: Microsoft, said: Saying | str, **more: Any) -> Outbound:
    """A message to Ann's personal chat."""
    address = msgspec.json.encode(
        {"url": microsoft.service, "bot": BOT, "user": ANN, "to": PERSONAL, "tenant": TENANT, **more.pop("address", {})}
    )
    return Outbound(MessageId("o1"), SessionId("ses-1"), "answer", Saying.of(said), 0, address, **more)
