"""Mattermost: requests as it documents them, and its REST API on loopback."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from lichen.channels.mattermost.channel import MattermostChannel, MattermostSettings
from lichen.channels.port import Arrival, Fetched, FileRef, Setup, Unhosted
from lichen.core.speech.saying import Attachment, Saying
from lichen.core.words.errors import Denied, Invalid, NotFound
from lichen.core.words.ids import MessageId, SessionId
from lichen.core.words.scope import Scope
from lichen.engine.ports import Outbound
from lichen.testing.doors.channel_conformance import ChannelConformance, Received
from tests.channels.mattermost.server import BOT, FILE, FINE, PICTURE, REPLY, ROOT, TOKEN, Mattermost, Refusal

SCOPE = Scope("acme", "dev")
HOOK, COMMAND = "zmigewsanbbsdf59xnmduzypjc", "xr3j5x3p4pfk7kk6ck7b4e6ghh"
NOW_S = 1_445_532_266
FORM = "application/x-www-form-urlencoded"
OURS = "https://agents.example/v1/messaging/ingress/mattermost/acme"


def channel(url: str = "http://127.0.0.1:1", **settings: Any) -> MattermostChannel:
    secrets = {"secret:mattermost-bot-token": TOKEN, "secret:hook": HOOK, "secret:command": COMMAND}
    host = Unhosted(secrets, clock=lambda: NOW_S * 1_000_000)
    said = {"api_base_url": url, "username": BOT, "tokens": ["secret:hook", "secret:command"], **settings}
    return MattermostChannel(Setup(SCOPE, msgspec.convert(said, MattermostSettings), host=host))


def at(server: Mattermost, **settings: Any) -> MattermostChannel:
    return channel(server.url, **settings)


def arrival(body: bytes, media_type: str = "application/json", **headers: str) -> Arrival:
    return Arrival("POST", "/", {}, {"content-type": media_type, **headers}, body, NOW_S * 1_000_000)


# https://developers.mattermost.com/integrate/webhooks/outgoing
POST: dict[str, str] = {
    "channel_id": "hawos4dqtby53pd64o4a4cmeoo", "channel_name": "town-square", "team_domain": "someteam",
    "team_id": "kwoknj9nwpypzgzy78wkw516qe", "post_id": ROOT, "text": "some text here",
    "timestamp": "1445532266", "token": HOOK, "trigger_word": "some", "user_id": "rnina9994bde8mua79zqcg5hmo",
    "user_name": "somename",
}  # fmt: skip
# https://developers.mattermost.com/integrate/slash-commands/custom
SLASH: dict[str, str] = {
    "channel_id": "fukn6djoa7fjmcdxsctn7xhcxo", "channel_name": "chan", "command": "/test", "text": "asd",
    "team_domain": "someteam", "team_id": "rdc9bgriktyx9p4kowh3dmgqyc", "token": COMMAND,
    "user_id": "c3a4cqe3dfy6dgopqt8ai3hydh", "user_name": "somename", "trigger_id": "a-trigger",
}  # fmt: skip


def posted(**more: Any) -> bytes:
    return msgspec.json.encode({**POST, "timestamp": 1_445_532_266, **more})


def parsed(body: bytes, media_type: str = "application/json", **settings: Any) -> Any:
    (message,) = channel(**settings).parse(SCOPE, arrival(body, media_type), None)
    return message


def outbound(said: Saying | str, address: dict[str, str] | None = None, **more: Any) -> Outbound:
    to = msgspec.json.encode(address or {"channel": POST["channel_id"]})
    return Outbound(MessageId("o1"), SessionId("ses-1"), "answer", Saying.of(said), NOW_S * 1_000_000, to, **more)


class TestMattermost(ChannelConformance):
    proofs = ("authorization",)
    good_for_s = None
    signs_body = False

    def channel(self) -> MattermostChannel:
        return channel()

    def body(self, text: str, id: str, conversation: str) -> bytes:
        post = hashlib.sha256(id.encode()).hexdigest()[:26]
        fields = {name: value for name, value in POST.items() if name not in ("token", "trigger_word", "timestamp")}
        return msgspec.json.encode({**fields, "text": text, "post_id": post, "channel_id": conversation})

    def arrival(self, body: bytes) -> Arrival:
        return arrival(body, authorization=f"Token {HOOK}")

    def words(self, rendered: dict[str, Any]) -> str:
        text = "".join(each["message"] for each in rendered["messages"]).replace("\u200b", "").replace("\u00a0", " ")
        return re.sub(r"\\([^a-z0-9\s])", r"\1", text.replace("  \n", "\n"))

    @contextmanager
    def platform(self, channel: MattermostChannel) -> Generator[Sequence[Received]]:
        with Mattermost() as server:
            channel.send = at(server).send  # pyright: ignore[reportAttributeAccessIssue]
            yield _Got(server, self._address())


class _Got(Sequence[Received]):
    def __init__(self, server: Mattermost, address: bytes) -> None:
        self._server, self._address = server, address

    def __len__(self) -> int:
        return 3  # the server knows the second of the same id

    def __getitem__(self, i: Any) -> Any:
        to = msgspec.json.decode(self._address)["channel"]
        assert [each["channel_id"] for each in self._server.posted] == [to, to]
        first, second = (
            Received(each["props"]["lichen"]["message"], each["message"], self._address) for each in self._server.posted
        )
        found: list[Any] = [first, first, second]
        return found[i]


# -- who ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-94.1")
@pytest.mark.parametrize(("fields", "token"), [(POST, HOOK), (SLASH, COMMAND)])
async def test_the_token_of_a_webhook_or_a_command_proves_it_and_another_does_not(
    fields: dict[str, str], token: str
) -> None:
    made = channel()
    for body, media_type in ((urlencode(fields).encode(), FORM), (msgspec.json.encode(fields), "application/json")):
        assert await made.verify(SCOPE, arrival(body, media_type)) is None
        for wrong in (b"x" * len(token), token.upper().encode(), token[:-1].encode() + b"A"):
            with pytest.raises(Denied) as refused:
                await made.verify(SCOPE, arrival(body.replace(token.encode(), wrong), media_type))
            assert refused.value.code == "signature_invalid"
    without = urlencode({name: value for name, value in fields.items() if name != "token"}).encode()
    with pytest.raises(Denied) as refused:
        await made.verify(SCOPE, arrival(without, FORM))
    assert refused.value.code == "signature_missing"


# -- what --------------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-94.2")
@pytest.mark.parametrize("media_type", ["application/json", FORM])
def test_a_post_is_one_persons_in_one_channel_and_is_answered_in_its_thread(media_type: str) -> None:
    body = urlencode(POST).encode() if media_type == FORM else posted()
    message = parsed(body, media_type)
    assert (message.text, message.id) == ("some text here", ROOT)
    assert message.sender.id == "mattermost:rnina9994bde8mua79zqcg5hmo"
    assert message.conversation == "hawos4dqtby53pd64o4a4cmeoo:rnina9994bde8mua79zqcg5hmo"
    assert msgspec.json.decode(message.address) == {"channel": POST["channel_id"], "about": ROOT}
    assert parsed(posted(user_id="other")).conversation != message.conversation


@pytest.mark.req("SYM-94.2")
def test_a_trigger_that_is_a_sign_is_no_part_of_the_words_and_the_bots_own_posts_are_nothing() -> None:
    assert parsed(posted(text="@helper: where is it?", trigger_word="@helper")).text == "where is it?"
    assert parsed(posted(text="some text here")).text == "some text here"
    assert channel().parse(SCOPE, arrival(posted(user_name=BOT)), None) == ()


@pytest.mark.req("SYM-94.2")
def test_a_command_says_its_text_or_itself() -> None:
    message = parsed(urlencode(SLASH).encode(), FORM)
    assert (message.text, message.envelope) == ("asd", {"metadata": {"mattermost.command": "/test"}})
    assert parsed(urlencode({**SLASH, "text": ""}).encode(), FORM).text == "/test"
    assert parsed(urlencode({**SLASH, "trigger_id": "b"}).encode(), FORM).id != message.id


@pytest.mark.req("SYM-94.4")
async def test_files_are_fetched_by_their_ids() -> None:
    assert parsed(posted(file_ids=f"{FILE},x1")).files == (FileRef(FILE), FileRef("x1"))
    with Mattermost() as server:
        assert await at(server).fetch(SCOPE, FileRef(FILE)) == Fetched(PICTURE, "Grüße \N{CAT}.png", "image/png")
        with pytest.raises(NotFound):
            await at(server).fetch(SCOPE, FileRef("x1"))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", posted(post_id="../x"), posted(channel_id=7), posted()[:-1]])
def test_what_is_no_request_of_mattermost_is_refused_with_its_place(body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        channel().parse(SCOPE, arrival(body), None)
    assert (refused.value.place or "").startswith("$")


# -- out ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-94.3")
@pytest.mark.parametrize(
    ("address", "root"), [({"about": ROOT}, ROOT), ({"about": REPLY}, ROOT), ({"thread": ROOT}, ROOT),
                          ({"about": "gone"}, ""), ({}, "")],
)  # fmt: skip
async def test_an_answer_goes_into_the_thread_of_what_it_answers(address: dict[str, str], root: str) -> None:
    with Mattermost() as server:
        to = {"channel": POST["channel_id"], **address}
        assert (await at(server).send(SCOPE, outbound("Yes.", to))).outcome == "delivered"
    (found,) = server.posted
    assert (found["root_id"], found["pending_post_id"], found["message"]) == (root, "ses-1/o1/0", "Yes.")


@pytest.mark.req("SYM-94.3")
@pytest.mark.parametrize(
    ("refusal", "outcome", "code", "pause_s"),
    [
        (Refusal(429, "7"), "retry", "platform_busy", 7.0),
        (Refusal(401), "retry", "credentials_refused", 60.0),
        (Refusal(403), "failed", "status_403", None),
        (Refusal(400), "failed", "status_400", None),
        (Refusal(500), "unknown", "status_500", None),
        (Refusal(0), "unknown", "cut_off", None),
    ],
)
async def test_what_became_of_a_post_is_known_by_the_servers_answer(
    refusal: Refusal, outcome: str, code: str, pause_s: float | None
) -> None:
    with Mattermost() as server:
        server.refusals.append(refusal)
        found = await at(server).send(SCOPE, outbound("Hello."))
    assert (found.outcome, found.code, found.retry_after_s) == (outcome, code, pause_s)


@pytest.mark.req("SYM-94.3")
async def test_mattermost_is_asked_whether_it_has_a_post_that_was_cut_off() -> None:
    with Mattermost() as server:
        made = at(server)
        server.refusals += [Refusal(0), Refusal(0, is_kept=True)]
        assert (await made.send(SCOPE, outbound("Hello."))).code == "cut_off"
        assert await made.has(SCOPE, outbound("Hello.")) is False
        assert (await made.send(SCOPE, outbound("Hello."))).code == "cut_off"
        assert await made.has(SCOPE, outbound("Hello.")) is True
        assert (await made.send(SCOPE, outbound("Hello."))).outcome == "delivered"
        assert len(server.posted) == 1  # the pending id is the same
        long = msgspec.structs.replace(outbound("words " * 4_000), id=MessageId("o2"))
        server.refusals += [FINE, Refusal(0)]
        assert (await made.send(SCOPE, long)).code == "cut_off"
        assert await made.has(SCOPE, long) is None  # half of it is there


CARD: dict[str, Any] = {
    "type": "AdaptiveCard",
    "body": [{"type": "TextBlock", "text": "Pay?"}, {"type": "Image", "url": "https://e.com/a.png", "altText": "A"}],
    "actions": [
        {"type": "Action.Submit", "title": "Pay", "data": {"step": "pay", "n": 7.5}},
        {"type": "Action.OpenUrl", "title": "Read", "url": "https://e.com/@ann"},
    ],
}


@pytest.mark.req("SYM-94.5")
async def test_a_button_comes_back_with_its_data_to_its_thread_and_only_with_our_mark() -> None:
    with Mattermost() as server:
        made = at(server, webhook_url=OURS)
        await made.send(SCOPE, outbound(Saying("Pay?", CARD), {"channel": POST["channel_id"], "about": REPLY}))
    picture, words = server.posted
    assert picture["message"] == "![A](<https://e.com/a.png>)"
    assert words["message"] == "Pay?  \n[Read](<https://e.com/@ann>)"
    (action,) = words["props"]["attachments"][0]["actions"]
    assert (action["name"], action["integration"]["url"]) == ("Pay", OURS)
    # https://developers.mattermost.com/integrate/plugins/interactive-messages
    pressed: dict[str, Any] = {
        "user_id": POST["user_id"], "user_name": "somename", "channel_id": POST["channel_id"],
        "team_id": POST["team_id"], "post_id": "post1", "trigger_id": "t1", "type": "", "data_source": "",
        "context": action["integration"]["context"],
    }  # fmt: skip
    body = msgspec.json.encode(pressed)
    assert await made.verify(SCOPE, arrival(body)) is None
    message = parsed(body)
    assert (message.text, message.envelope["value"]) == ("Pay", {"step": "pay", "n": 7.5})
    assert msgspec.json.decode(message.address) == {"channel": POST["channel_id"], "thread": ROOT}
    assert message.conversation == parsed(posted()).conversation
    assert message.id == parsed(body).id != parsed(msgspec.json.encode({**pressed, "trigger_id": "t2"})).id
    forged = (
        {"data": {"step": "pay", "n": 1}},
        {"text": "Refund"},
        {"thread": REPLY},
        {"mark": "0" * 64},
        {"mark": ""},
    )
    for each in forged:
        changed = {**pressed, "context": {**pressed["context"], **each}}
        with pytest.raises(Denied):
            await made.verify(SCOPE, arrival(msgspec.json.encode(changed)))
    elsewhere = {**pressed, "channel_id": "other"}
    with pytest.raises(Denied):
        await made.verify(SCOPE, arrival(msgspec.json.encode(elsewhere)))


@pytest.mark.req("SYM-94.5")
def test_without_our_own_address_choices_are_a_list() -> None:
    (post,) = channel().render(outbound("Which?", suggestions=("Yes", "No")))["messages"]
    assert post == {"message": "Which?\n\n1. Yes\n2. No"}
    (post,) = channel(webhook_url=OURS).render(outbound("Which?", suggestions=("Yes", "No")))["messages"]
    assert [each["name"] for each in post["props"]["attachments"][0]["actions"]] == ["Yes", "No"]


@pytest.mark.req("SYM-94.6")
def test_words_ping_nobody_and_files_are_links() -> None:
    (post,) = channel().render(outbound("@all @here, ask @ann or ann@e.com"))["messages"]
    assert re.findall(r"@(?=\w)", post["message"]) == []
    file = Attachment("application/pdf", "https://e.com/@x/b.pdf", "b.pdf")
    (post,) = channel().render(outbound(Saying("See.", None, (file,))))["messages"]
    assert post["message"].endswith("[b.pdf](<https://e.com/@x/b.pdf>)")
    posts = channel().render(outbound("@a " * 10_000))["messages"]
    assert all(len(each["message"]) <= 16_383 for each in posts)


async def test_typing_is_shown_in_the_thread() -> None:
    with Mattermost() as server:
        await at(server).typing(SCOPE, b'{"channel":"c1","thread":"r1"}')
    assert server.typed == [{"channel_id": "c1", "parent_id": "r1"}]


@pytest.mark.req("SYM-94.7")
async def test_a_check_says_who_the_bot_is_or_that_it_is_another() -> None:
    with Mattermost() as server:
        assert await at(server).check() == "helper on 127.0.0.1"
        with pytest.raises(Denied) as differs:
            await at(server, username="another").check()
        with pytest.raises(Denied) as refused:
            await at(server, bot_token="secret:hook").check()
    assert (differs.value.code, refused.value.code) == ("username_differs", "credentials_refused")
