"""Webex: webhooks as Cisco documents them, and its REST API on loopback."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from lichen.channels.platform.signing import hmac_hex
from lichen.channels.port import Arrival, Fetched, FileRef, Pointed, Setup, Unhosted
from lichen.channels.webex.channel import WebexChannel, WebexSettings
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied, Invalid, NotFound, Unavailable
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from lichen.testing.doors.channel_conformance import ChannelConformance, Received
from tests.channels.webex.server import PICTURE, SECRET, TOKEN, Refusal, Webex

SCOPE = Scope("acme", "dev")
# https://developer.webex.com/docs/api/guides/webhooks
BOT = "Y2lzY29zcGFyazovL3VzL1BFT1BMRS8xZjdkZTVjYS04NTYxLTQ2NzEtYmMwMy1iYzk3NDMxNDQ0MmQ"
ANN = "Y2lzY29zcGFyazovL3VzL1BFT1BMRS9mNWIzNjE4Ny1jOGRkLTQ3MjctOGIyZi1mOWM0NDdmMjkwNDY"
ROOM = "Y2lzY29zcGFyazovL3VzL1JPT00vYmJjZWIxYWQtNDNmMS0zYjU4LTkxNDctZjE0YmIwYzRkMTU0"
ASKED = "Y2lzY29zcGFyazovL3VzL01FU1NBR0UvOTJkYjNiZTAtNDNiZC0xMWU2LThhZTktZGQ1YjNkZmM1NjVk"


@pytest.fixture(name="webex")
def _webex() -> Generator[Webex]:
    with Webex() as webex:
        yield webex


def channel(webex: Webex, token: str = TOKEN) -> WebexChannel:
    host = Unhosted({"secret:webex-token": token, "secret:webex-webhook-secret": SECRET})
    return WebexChannel(Setup(SCOPE, WebexSettings(api_base_url=webex.url), host=host))


def notice(id: str = ASKED, resource: str = "messages", event: str = "created", **data: Any) -> bytes:
    said = {
        "id": "Y2lzY29zcGFyazovL3VzL1dFQkhPT0svZjRlNjA1NjAtNjYwMi00ZmIwLWEyNWEtOTQ5ODgxNjA5NDk3",
        "name": "lichen webex",
        "targetUrl": "https://example.com/mywebhook",
        "resource": resource,
        "event": event,
        "orgId": "OTZhYmMyYWEtM2RjYy0xMWU1LWExNTItZmUzNDgxOWNkYzlh",
        "createdBy": BOT,
        "appId": "Y2lzY29zcGFyazovL3VzL0FQUExJQ0FUSU9OLzQyMTQ5",
        "ownedBy": "creator",
        "status": "active",
        "actorId": ANN,
        "data": {"id": id, "roomId": ROOM, "personId": ANN, "personEmail": "ann@example.com", **data},
    }
    return msgspec.json.encode(said)


def arrival(body: bytes) -> Arrival:
    return Arrival("POST", "/", {}, {"x-spark-signature": hmac_hex(SECRET, body, digest="sha1")}, body, 0)


def message(**changes: Any) -> dict[str, Any]:
    """https://developer.webex.com/docs/api/v1/messages/get-message-details"""
    said = {"id": ASKED, "roomId": ROOM, "roomType": "direct", "text": "Hello?", "personId": ANN, "created": "2026"}
    return {**said, **changes}


async def parsed(webex: Webex, body: bytes) -> Any:
    made = channel(webex)
    await made.verify(SCOPE, arrival(body))
    return made.parse(SCOPE, arrival(body), None)


class TestWebex(ChannelConformance):
    proofs = ("x-spark-signature",)
    good_for_s = None

    @pytest.fixture(autouse=True)
    def _spoken_with(self, webex: Webex) -> None:
        self.webex, self.first, self.sent = webex, channel(webex), 0

    def channel(self) -> WebexChannel:
        made = channel(self.webex)
        made.__dict__["_found"] = self.first.__dict__["_found"]  # each message is asked for once
        return made

    def body(self, text: str, id: str, conversation: str) -> bytes:
        self.webex.said[f"messages/{id}"] = message(id=id, text=text, roomId=conversation)
        self.sent += 1
        return notice(id, created=f"2026-11-28T01:00:00.{self.sent:03}Z")

    def arrival(self, body: bytes) -> Arrival:
        return arrival(body)

    def words(self, rendered: dict[str, Any]) -> str:
        return "".join(each["text"] for each in rendered["messages"])

    @contextmanager
    def platform(self, channel: WebexChannel) -> Generator[Sequence[Received]]:
        yield _Got(self.webex)


class _Got(Sequence[Received]):
    def __init__(self, webex: Webex) -> None:
        self._posted = webex.posted

    def __len__(self) -> int:
        return len(self._posted)

    def __getitem__(self, i: Any) -> Any:
        found: list[Any] = [
            Received("", each["text"], msgspec.json.encode({"room": each["roomId"]})) for each in self._posted
        ]
        return found[i]


# -- in ----------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-62.40")
async def test_the_newer_signature_proves_a_request_and_where_it_is_wrong_the_older_does_not_help(webex: Webex) -> None:
    webex.said[f"messages/{ASKED}"] = message()
    body = notice()
    proof, older = hmac_hex(SECRET, body), hmac_hex(SECRET, body, digest="sha1")
    for newer in (proof, f"sha256={proof}"):
        await channel(webex).verify(SCOPE, Arrival("POST", "/", {}, {"x-webex-signature": newer}, body, 0))
    wrong = {"x-webex-signature": "sha256=" + "0" * 64, "x-spark-signature": older}
    with pytest.raises(Denied):
        await channel(webex).verify(SCOPE, Arrival("POST", "/", {}, wrong, body, 0))


@pytest.mark.req("GRE-62.40")
async def test_nothing_is_asked_for_a_request_that_is_not_proven(webex: Webex) -> None:
    forged = msgspec.structs.replace(arrival(notice()), headers={"x-spark-signature": "0" * 40})
    with pytest.raises(Denied):
        await channel(webex).verify(SCOPE, forged)
    assert webex.asked == []


@pytest.mark.req("GRE-62.41")
async def test_a_message_is_asked_for_by_its_id_once(webex: Webex) -> None:
    webex.said[f"messages/{ASKED}"] = message(files=[f"{webex.url}/v1/contents/f1"])
    made = channel(webex)
    for _ in range(2):
        await made.verify(SCOPE, arrival(notice()))
    (found,) = made.parse(SCOPE, arrival(notice()), None)
    assert (found.text, found.id, found.sender.id) == ("Hello?", ASKED, f"webex:{ANN}")
    assert found.conversation == f"direct:{ANN}"
    assert msgspec.json.decode(found.address) == {"room": ROOM}
    assert found.files == (FileRef(f"{webex.url}/v1/contents/f1", "file"),)
    assert webex.asked == [f"messages/{ASKED}"]


@pytest.mark.req("GRE-62.41")
async def test_in_a_group_everybody_has_a_conversation_in_each_thread_without_the_bots_name(webex: Webex) -> None:
    html = f'<p><spark-mention data-object-type="person" data-object-id="{BOT}">Acme</spark-mention> hello</p>'
    webex.said[f"messages/{ASKED}"] = message(roomType="group", text="Acme hello", html=html)
    (first,) = await parsed(webex, notice())
    assert first.text == "hello"
    assert msgspec.json.decode(first.address) == {"room": ROOM, "thread": ASKED}
    webex.said["messages/next"] = message(id="next", roomType="group", text="and", parentId=ASKED)
    (second,) = await parsed(webex, notice("next"))
    assert (second.conversation, second.address) == (first.conversation, first.address)
    webex.said["messages/bob"] = message(id="bob", roomType="group", parentId=ASKED, personId="bob")
    (other,) = await parsed(webex, notice("bob"))
    assert other.conversation != first.conversation


@pytest.mark.req("GRE-62.41")
async def test_what_the_bot_says_itself_and_what_only_reports_is_not_asked_for(webex: Webex) -> None:
    for body in (notice(personId=BOT), notice(event="deleted"), notice(resource="memberships")):
        assert await parsed(webex, body) == ()
    assert webex.asked == []


@pytest.mark.req("GRE-62.41")
async def test_a_message_that_is_gone_is_refused_and_one_that_cannot_be_had_comes_again(webex: Webex) -> None:
    with pytest.raises(Invalid) as refused:
        await parsed(webex, notice())
    assert (refused.value.code, refused.value.place) == ("message_gone", "$.data.id")
    with pytest.raises(Unavailable):
        await channel(webex, token="old").verify(SCOPE, arrival(notice()))


CARD: dict[str, Any] = {
    "type": "AdaptiveCard",
    "version": "1.5",
    "body": [{"type": "TextBlock", "text": "Your order"}, {"type": "Input.Text", "id": "note"}],
    "actions": [
        {"type": "Action.Submit", "title": "Send it", "data": {"way": "post"}},
        {"type": "Action.Execute", "title": "Fetch it", "verb": "fetch", "data": {"way": "shop"}},
    ],
}


@pytest.mark.req("GRE-62.42")
async def test_a_cards_button_comes_back_with_its_words_and_data_into_its_thread(webex: Webex) -> None:
    """https://developer.webex.com/docs/api/v1/attachment-actions"""
    (posted,) = channel(webex).render(outbound(Saying("Your order.", CARD)))["messages"]
    card = posted["attachments"][0]["content"]
    assert (card["version"], posted["text"]) == ("1.3", "Your order.")
    assert [each["type"] for each in card["actions"]] == ["Action.Submit", "Action.Submit"]
    inputs = {**card["actions"][1]["data"], "note": "please"}
    action = {"id": "a1", "type": "submit", "messageId": "shown", "inputs": inputs, "personId": ANN, "roomId": ROOM}
    webex.said |= {"attachment/actions/a1": action, "messages/shown": message(roomType="group", parentId="root")}
    (found,) = await parsed(webex, notice("a1", "attachmentActions"))
    assert (found.text, found.id) == ("Fetch it", "a1")
    assert found.envelope["value"] == {"way": "shop", "note": "please"}
    assert msgspec.json.decode(found.address) == {"room": ROOM, "thread": "root"}


@pytest.mark.req("GRE-62.42")
def test_choices_are_a_card_of_buttons_and_a_question_with_fields_a_form(webex: Webex) -> None:
    (shown,) = channel(webex).render(outbound("Which?", suggestions=("tea", "juice")))["messages"]
    assert shown["text"] == "Which?"
    assert [each["title"] for each in shown["attachments"][0]["content"]["actions"]] == ["tea", "juice"]
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "integer"}}}
    (form,) = channel(webex).render(outbound("Who?", schema=schema))["messages"]
    assert [each["type"] for each in form["attachments"][0]["content"]["body"]] == ["Input.Text", "Input.Number"]


@pytest.mark.req("GRE-62.42")
def test_texts_stay_within_what_webex_takes(webex: Webex) -> None:
    messages = channel(webex).render(outbound("grüße " * 4_000))["messages"]
    assert len(messages) > 3
    assert all(len(each["text"].encode()) <= 7_439 for each in messages)


# -- files -------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-62.43")
async def test_a_file_is_fetched_from_webex_alone_and_once_it_was_checked(webex: Webex) -> None:
    made = channel(webex)
    assert await made.fetch(SCOPE, FileRef(f"{webex.url}/v1/contents/f1")) == Fetched(
        PICTURE, "invoice.png", "image/png"
    )
    with pytest.raises(Unavailable):
        await made.fetch(SCOPE, FileRef(f"{webex.url}/v1/contents/checked"))
    with pytest.raises(NotFound):
        await made.fetch(SCOPE, FileRef(f"{webex.url}/v1/contents/gone"))
    with pytest.raises(Denied) as refused:
        await made.fetch(SCOPE, FileRef("https://evil.example/v1/contents/f1"))
    assert refused.value.code == "address_denied"


# -- out ---------------------------------------------------------------------------------------------------------


def outbound(said: Saying | str, thread: str = "", **more: Any) -> Outbound:
    address = msgspec.json.encode({"room": ROOM, "thread": thread})
    return Outbound(MessageId("o1"), SessionId("ses-1"), "answer", Saying.of(said), 0, address, **more)


@pytest.mark.req("GRE-62.44")
async def test_a_reply_goes_to_its_thread_and_each_file_by_itself(webex: Webex) -> None:
    files = (Attachment("image/png", "https://e.com/a.png"), Attachment("application/pdf", "https://e.com/b.pdf"))
    assert (await channel(webex).send(SCOPE, outbound(Saying("See.", None, files), ASKED))).outcome == "delivered"
    to = {"roomId": ROOM, "parentId": ASKED}
    assert webex.posted == [
        {**to, "text": "See."},
        {**to, "files": ["https://e.com/a.png"]},
        {**to, "files": ["https://e.com/b.pdf"]},
    ]


@pytest.mark.req("GRE-62.44")
@pytest.mark.parametrize(
    ("refusal", "outcome", "code", "pause_s"),
    [
        (Refusal(429, "3"), "retry", "platform_busy", 3.0),
        (Refusal(401), "retry", "credentials_refused", 60.0),
        (Refusal(404), "failed", "status_404", None),
        (Refusal(502), "unknown", "status_502", None),
        (Refusal(0), "unknown", "cut_off", None),
    ],
)
async def test_what_became_of_a_message_is_known_by_the_answer(
    webex: Webex, refusal: Refusal, outcome: str, code: str, pause_s: float | None
) -> None:
    webex.refusals.append(refusal)
    found = await channel(webex).send(SCOPE, outbound("Hello."))
    assert (found.outcome, found.code, found.retry_after_s) == (outcome, code, pause_s)


# -- set up ------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-62.45")
async def test_webex_is_told_where_to_send_and_no_longer(webex: Webex) -> None:
    made = channel(webex)
    webex.webhooks["other"] = {"name": "of others"}
    for _ in range(2):
        await made.register("https://shop.example/hook")
    ours = [each for each in webex.webhooks.values() if each["name"] == "lichen webex"]
    assert [(each["resource"], each["event"], each["secret"]) for each in ours] == [
        ("messages", "created", SECRET),
        ("attachmentActions", "created", SECRET),
    ]
    assert await made.pointed() == Pointed(("https://shop.example/hook",))
    ours[0]["status"] = "inactive"  # https://developer.webex.com/docs/api/guides/webhooks#webhook-status
    assert (await made.pointed()).trouble == ("its webhook for messages is switched off",)
    ours[1]["name"] = "of somebody else"
    assert "it has no webhook for attachmentActions" in (await made.pointed()).trouble
    ours[1]["name"] = "lichen webex"
    await made.unregister()
    assert await made.pointed() == Pointed()
    assert list(webex.webhooks) == ["other"]


@pytest.mark.req("GRE-62.45")
async def test_a_check_says_which_bot_it_is_or_that_the_token_is_wrong(webex: Webex) -> None:
    assert await channel(webex).check() == "Acme (acme@webex.bot)"
    with pytest.raises(Denied) as refused:
        await channel(webex, token="old").check()
    assert refused.value.code == "credentials_refused"
