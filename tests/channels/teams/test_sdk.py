"""Microsoft's own Teams SDK beside ours: it judges the same tokens, reads what we post, and posts as we do."""

from __future__ import annotations

import time
import warnings
from collections.abc import Generator
from typing import Any

import jwt
import pytest

from lichen.core.words.errors import Denied
from tests.channels.cards.shown import CARDS, saying
from tests.channels.teams.server import APP, ISSUER, Microsoft
from tests.channels.teams.speaking import (
    PERSONAL,
    SCOPE,
    activity,
    arrival,
    channel,
    claims,
    in_channel,
    outbound,
    token,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what is in preview there
    from microsoft_teams.api import ActivityTypeAdapter, MessageActivityInput
    from microsoft_teams.api.clients.conversation import ConversationActivityClient
    from microsoft_teams.apps.auth.token_validator import JwtValidationOptions, TokenValidator
    from microsoft_teams.cards.core import AdaptiveCard
    from microsoft_teams.common.http import Client, ClientOptions

pytestmark = pytest.mark.filterwarnings("ignore")  # of the SDK's own


@pytest.fixture(name="microsoft", scope="module")
def _microsoft() -> Generator[Microsoft]:
    with Microsoft() as microsoft:
        yield microsoft


@pytest.mark.req("GRE-58.10")
@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({}, {}), ({}, {"signer": "k-forged"}), ({}, {"kid": "k-other"}), ({"aud": "other"}, {}), ({"aud": None}, {}),
        ({"iss": "https://evil.example"}, {}), ({"iss": None}, {}), ({"exp": -301}, {}), ({"exp": -290}, {}),
        ({"nbf": 310}, {}), ({"nbf": 290}, {}), ({"serviceurl": "https://evil.example"}, {}),
        ({"serviceurl": None}, {}),
    ],
)  # fmt: skip
async def test_microsofts_sdk_takes_and_refuses_the_same_tokens(
    microsoft: Microsoft, changes: dict[str, Any], more: dict[str, str]
) -> None:
    now_s = int(time.time())
    timed = {name: now_s + value if name in ("exp", "nbf") else value for name, value in changes.items()}
    said = token(claims(microsoft, **{"exp": now_s + 3_600, "nbf": now_s, **timed}), **more)
    assert await _takes(microsoft, said, now_s) == await _sdk_takes(microsoft, said)


async def _takes(microsoft: Microsoft, said: str, now_s: int) -> bool:
    try:
        await channel(microsoft, now_s=now_s).verify(SCOPE, arrival(microsoft, activity(microsoft), said, now_s))
    except Denied:
        return False
    return True


async def _sdk_takes(microsoft: Microsoft, said: str) -> bool:
    options = JwtValidationOptions([ISSUER], [APP], f"{microsoft.url}/v1/.well-known/keys")
    try:
        await TokenValidator(options).validate_token(said, microsoft.service)
    except jwt.PyJWTError:
        return False
    return True


@pytest.mark.req("GRE-58.10")
@pytest.mark.parametrize("name", CARDS)
def test_microsofts_sdk_reads_every_card_that_we_post(microsoft: Microsoft, name: str) -> None:
    for posted in channel(microsoft).render(outbound(microsoft, saying(name)))["activities"]:
        read = MessageActivityInput.model_validate(posted)
        assert [each.content_type for each in read.attachments or []] == ["application/vnd.microsoft.card.adaptive"]
        card = AdaptiveCard.model_validate(posted["attachments"][0]["content"])
        assert len(card.actions or []) == len(posted["attachments"][0]["content"].get("actions", []))


@pytest.mark.req("GRE-58.10")
def test_microsofts_sdk_reads_the_activities_that_our_tests_speak_with(microsoft: Microsoft) -> None:
    for said in (activity(microsoft), in_channel(microsoft)):
        read = ActivityTypeAdapter.validate_python(said)
        (message,) = channel(microsoft).parse(SCOPE, arrival(microsoft, said), None)
        assert message.id == read.id
        assert message.sender.id == f"teams:{read.from_.id}"


@pytest.mark.req("GRE-58.10")
async def test_microsofts_client_posts_where_we_post(microsoft: Microsoft) -> None:
    made, message = channel(microsoft), outbound(microsoft, "Hello.")
    assert (await made.send(SCOPE, message)).outcome == "delivered"
    headers = {"Authorization": f"Bearer token-{len(microsoft.signed_in)}"}
    client = ConversationActivityClient(microsoft.service, Client(ClientOptions(headers=headers)))
    (posted,) = made.render(message)["activities"]
    await client.create(PERSONAL, MessageActivityInput.model_validate(posted))
    ours, theirs = microsoft.posted[-2:]
    assert ours.to == theirs.to
    assert {name: ours.activity[name] for name in ("type", "text", "textFormat")} == {
        name: theirs.activity[name] for name in ("type", "text", "textFormat")
    }
