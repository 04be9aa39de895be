"""WebChat without a network: tokens, what an activity says, how a message is worded."""

from __future__ import annotations

import asyncio

import jwt
import msgspec
import pytest

from lichen.channels.port import Arrival, ChannelPort
from lichen.channels.tokens import SKEW_S, Tokens, Visitor
from lichen.channels.webchat import WebChatChannel, timestamp
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied, Invalid
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Customer, Scope
from lichen.engine.ports import Outbound

SCOPE = Scope("acme", "dev")
KEY = b"k" * 32
NOW_S = 1_760_000_000
ANN = Visitor("ann", "chat-1", "shop.echo")
TOKENS = Tokens(KEY, SCOPE)
CHANNEL = WebChatChannel(TOKENS, "Acme")


def arrival(body: object = None, *, token: str | None = None, now_s: float = NOW_S) -> Arrival:
    token = TOKENS.mint(ANN, now_s=NOW_S, lifetime_s=60, age_max_s=3_600) if token is None else token
    headers = {"authorization": f"Bearer {token}"}
    return Arrival("POST", "/", {}, headers, msgspec.json.encode(body), int(now_s * 1e6))


def test_the_web_chat_is_a_channel() -> None:
    port: ChannelPort = CHANNEL
    assert port.name == "webchat"
    assert asyncio.run(port.verify(SCOPE, arrival())) == Customer("webchat:ann")


@pytest.mark.req("GRE-61.4")
def test_a_claimed_user_is_never_the_one_that_was_vouched_for() -> None:
    vouched = msgspec.structs.replace(ANN, key="0a1b2c3d")
    assert vouched.actor == Customer("ann")
    assert ANN.actor == Customer("webchat:ann")
    token = TOKENS.mint(vouched, now_s=NOW_S, lifetime_s=60, age_max_s=3_600)
    assert asyncio.run(CHANNEL.verify(SCOPE, arrival(token=token))) == Customer("ann")


def test_a_token_has_the_claims_of_direct_line() -> None:
    claims = jwt.decode(
        TOKENS.mint(ANN, now_s=NOW_S, lifetime_s=60, age_max_s=3_600), options={"verify_signature": False}
    )
    assert claims["aud"] == "directline"
    assert claims["ctx"] == {"env": "dev", "tenant": "acme", "team": None}
    assert (claims["sub"], claims["user"], claims["conv"]) == ("ann", "ann", "chat-1")
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (NOW_S, NOW_S, NOW_S + 60)


@pytest.mark.req("GRE-61.2")
@pytest.mark.parametrize(
    "change",
    [
        {"exp": "never"}, {"exp": None}, {"aud": "other"}, {"aud": ["directline"]}, {"iss": "else"}, {"conv": 7},
        {"nbf": NOW_S + 3_600}, {"trusted": "yes"}, {"trusted": True}, {"kid": "0a1b2c3d"},
        {"ctx": {"env": "dev", "tenant": "globex", "team": None}},
        {"ctx": {"env": "prod", "tenant": "acme", "team": None}}, {"admin": True}, {"sub": None},
    ],
)  # fmt: skip
def test_a_rightly_signed_token_with_a_wrong_claim_is_refused(change: dict[str, object]) -> None:
    claims = jwt.decode(
        TOKENS.mint(ANN, now_s=NOW_S, lifetime_s=60, age_max_s=3_600), options={"verify_signature": False}
    )
    token = jwt.encode({k: v for k, v in {**claims, **change}.items() if v is not None}, KEY, algorithm="HS256")
    with pytest.raises(Denied) as refused:
        TOKENS.read(token, now_s=NOW_S)
    assert refused.value.code == "token_invalid"


def test_a_token_ends_to_the_second() -> None:
    token = TOKENS.mint(ANN, now_s=NOW_S, lifetime_s=60, age_max_s=3_600)
    assert TOKENS.read(token, now_s=NOW_S + 59).visitor == msgspec.structs.replace(ANN, since_s=NOW_S)
    with pytest.raises(Denied, match="past its time"):
        TOKENS.read(token, now_s=NOW_S + 60)


@pytest.mark.req("GRE-61.11")
def test_a_token_made_from_another_one_is_as_old_as_the_first() -> None:
    token, now_s = TOKENS.mint(ANN, now_s=NOW_S, lifetime_s=60, age_max_s=100), NOW_S + 50
    again = TOKENS.mint(TOKENS.read(token, now_s=now_s).visitor, now_s=now_s, lifetime_s=60, age_max_s=100)
    last = TOKENS.read(again, now_s=now_s)
    assert (last.visitor.since_s, last.expires_s) == (NOW_S, NOW_S + 100)
    with pytest.raises(Denied) as refused:
        TOKENS.mint(last.visitor, now_s=NOW_S + 100, lifetime_s=60, age_max_s=100)
    assert refused.value.code == "token_expired"


@pytest.mark.req("GRE-61.4")
def test_nobody_can_vouch_for_an_id_that_strangers_claim() -> None:
    with pytest.raises(Invalid) as refused:
        msgspec.structs.replace(ANN, user="webchat:ann", key="0a1b2c3d").check()
    assert refused.value.code == "user_reserved"
    ANN.check()


def test_a_token_of_a_clock_that_is_ahead_is_taken_to_the_second() -> None:
    ahead = TOKENS.mint(ANN, now_s=NOW_S + SKEW_S, lifetime_s=60, age_max_s=600)
    assert TOKENS.read(ahead, now_s=NOW_S).visitor.user == "ann"
    too_far = TOKENS.mint(ANN, now_s=NOW_S + SKEW_S + 1, lifetime_s=60, age_max_s=600)
    with pytest.raises(Denied) as refused:
        TOKENS.read(too_far, now_s=NOW_S)
    assert refused.value.code == "token_invalid"


def test_a_message_is_read_with_its_id_and_what_the_client_keeps_with_it() -> None:
    posted = {"type": "message", "text": "Hi", "channelData": {"clientActivityID": "c1", "x": [1]}, "locale": "de"}
    (message,) = CHANNEL.parse(SCOPE, arrival(posted), ANN.actor)
    assert (message.conversation, message.text, message.id) == ("chat-1", "Hi", "c1")
    assert msgspec.json.decode(message.data) == posted["channelData"]
    (named,) = CHANNEL.parse(SCOPE, arrival({**posted, "id": "a1"}), ANN.actor)
    assert named.id == "a1"


@pytest.mark.parametrize("kind", ["invoke", "handoff", "", "Message"])
def test_an_activity_that_cannot_be_served_is_refused_with_its_place(kind: str) -> None:
    with pytest.raises(Invalid) as refused:
        CHANNEL.parse(SCOPE, arrival({"type": kind}), ANN.actor)
    assert (refused.value.code, refused.value.place) == ("activity_unsupported", "$.type")


@pytest.mark.parametrize(("kind", "hint"), [("question", "expectingInput"), ("answer", "acceptingInput")])
def test_a_message_is_plain_text_whatever_it_says(kind: str, hint: str) -> None:
    text = "<img src=x onerror=alert(1)> [a](javascript:alert(1))"
    shown = CHANNEL.render(Outbound(MessageId("o1"), SessionId("ses-1"), kind, Saying(text), NOW_S * 1_000_000 + 1_999))
    assert shown == {
        "type": "message",
        "channelId": "webchat",
        "timestamp": "2025-10-09T08:53:20.001Z",
        "from": {"id": "Acme", "name": "Acme", "role": "bot"},
        "text": text,
        "textFormat": "plain",
        "inputHint": hint,
        "channelData": {"lichen": {"kind": kind}},
    }


@pytest.mark.req("LIC-16.14")
def test_a_card_and_files_are_attachments_of_the_activity() -> None:
    card: dict[str, object] = {"type": "AdaptiveCard", "version": "1.5", "body": []}
    files = (Attachment("application/pdf", "https://shop.example/bill.pdf", "bill.pdf"),)
    message = Outbound(MessageId("o1"), SessionId("s"), "answer", Saying("Your bill.", card, files), 0)
    shown = CHANNEL.render(message)
    assert shown["text"] == "Your bill."
    assert shown["attachments"] == [
        {"contentType": "application/vnd.microsoft.card.adaptive", "content": card},
        {"contentType": "application/pdf", "contentUrl": "https://shop.example/bill.pdf", "name": "bill.pdf"},
    ]


async def test_nothing_is_left_to_send_for_a_channel_that_is_read() -> None:
    message = Outbound(MessageId("o1"), SessionId("s"), "say", Saying("x"), 0)
    assert (await CHANNEL.send(SCOPE, message)).outcome == "delivered"


def test_a_timestamp_keeps_its_milliseconds() -> None:
    assert timestamp(999) == "1970-01-01T00:00:00.000Z"
    assert timestamp(61_007_000) == "1970-01-01T00:01:01.007Z"


@pytest.mark.req("GRE-63.14")
def test_a_question_with_fields_is_shown_as_a_form() -> None:
    schema = {
        "type": "object",
        "required": ["size"],
        "properties": {"size": {"enum": ["S", 7]}, "gift": {"type": "boolean"}},
    }
    asked = Outbound(MessageId("o1"), SessionId("s"), "question", Saying("Which?"), 0, schema=schema, language="de")
    shown = CHANNEL.render(asked)
    (card,) = shown["attachments"]
    size, gift = card["content"]["body"]
    assert [each["value"] for each in size["choices"]] == ["S", "7"]
    assert (size["isRequired"], gift["type"]) == (True, "Input.Toggle")
    assert card["content"]["actions"] == [{"type": "Action.Submit", "title": "Absenden"}]
    assert [each["type"] for each in shown["channelData"]["lichen"]["blocks"]] == ["input", "input", "buttons"]
    own = msgspec.structs.replace(asked, saying=Saying("Which?", {"type": "AdaptiveCard", "body": []}))
    assert CHANNEL.render(own)["attachments"][0]["content"] == {"type": "AdaptiveCard", "body": []}


@pytest.mark.req("GRE-63.4")
def test_markdown_is_shown_as_markdown_and_plain_text_as_plain() -> None:
    said = Outbound(MessageId("o1"), SessionId("s"), "say", Saying("*so* <b>", format="markdown"), 0)
    shown = CHANNEL.render(said)
    assert (shown["text"], shown["textFormat"]) == ("_so_ \\<b\\>", "markdown")
    assert shown["channelData"]["lichen"]["paras"][0]["spans"] == [{"text": "so", "italic": True}, {"text": " <b>"}]
    plain = CHANNEL.render(msgspec.structs.replace(said, saying=Saying("*so* <b>")))
    assert (plain["text"], plain["textFormat"]) == ("*so* <b>", "plain")
    assert "paras" not in plain["channelData"]["lichen"]
